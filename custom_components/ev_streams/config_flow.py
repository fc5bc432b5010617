"""One engine for every provider: menu, form, live try, choice of devices, reauth, reconfigure."""

from collections.abc import Mapping
from functools import partialmethod
import logging
from typing import Any, override

from homeassistant.config_entries import (
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryFlow,
    OptionsFlow,
)
from homeassistant.const import CONF_NAME
from homeassistant.core import callback
from homeassistant.data_entry_flow import AbortFlow
import probatio

from .const import CONF_DEVICES, CONF_PROVIDER, DOMAIN
from .coordinator import EvStreamsConfigEntry
from .numbering import numbered
from .options_flow import EvStreamsOptionsFlow, device_selector
from .providers import PROVIDERS
from .providers.base import Given, Provider, Trial
from .secret_store import SecretStore
from .sections import flat
from .stream.errors import StreamError
from .subentry_flow import MappedDeviceFlow
from .uploads import read_uploads

_LOGGER = logging.getLogger(__name__)


class EvStreamsConfigFlow(ConfigFlow, domain=DOMAIN):
    """Sets up, repairs and changes the account of an entry; the provider brings its form."""

    VERSION = 1

    def __init__(self) -> None:
        """Start without a provider."""
        self._data: dict[str, Any] = {}
        self._typed: dict[str, Any] = {}
        self._files: dict[str, bytes] = {}
        self._placeholders: dict[str, str] = {}
        self._trial: Trial
        self._is_closed = False

    @callback
    @override
    def async_remove(self) -> None:
        """Take note that nobody waits for this any more."""
        self._is_closed = True

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: EvStreamsConfigEntry) -> OptionsFlow:
        return EvStreamsOptionsFlow()

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Offer to add devices where the account does not list them."""
        subentry = PROVIDERS[config_entry.data[CONF_PROVIDER]].subentry
        return {} if subentry is None else {subentry: MappedDeviceFlow}

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which system the account belongs to."""
        return self.async_show_menu(step_id="user", menu_options=list(PROVIDERS))

    async def async_try_account(
        self, user_input: dict[str, Any] | None = None, *, key: str
    ) -> ConfigFlowResult:
        """Show the provider's form and try what was typed, at setup or to reconfigure."""
        provider = PROVIDERS[key]
        errors: dict[str, str] = {}
        defaults: Mapping[str, Any] = {}
        if self.source == SOURCE_RECONFIGURE:
            defaults = self._get_reconfigure_entry().data
        if user_input is not None:
            trial = await self._try(provider, defaults, user_input, errors)
            defaults = {**defaults, **self._typed}
            if trial is not None:
                return await self._tried(trial)
        return self.async_show_form(
            step_id=key,
            data_schema=provider.form.schema(defaults),
            errors=errors,
            description_placeholders={
                **await provider.form.placeholders(self.hass, defaults),
                **self._placeholders,
            },
        )

    async def _tried(self, trial: Trial) -> ConfigFlowResult:
        """Finish with data that were seen to work."""
        provider = PROVIDERS[self._data[CONF_PROVIDER]]
        if names := provider.form.account_fields:
            self._async_abort_entries_match({name: trial.data[name] for name in names})
        if self.source == SOURCE_RECONFIGURE:
            self._abort_if_unique_id_mismatch(reason="wrong_account")
            return await self._update(self._get_reconfigure_entry(), trial)
        self._abort_if_unique_id_configured()
        self._trial = trial
        if len(trial.devices) > provider.follow_at_most:
            return await self.async_step_devices()
        return await self._create({})

    async def _create(self, options: Mapping[str, Any]) -> ConfigFlowResult:
        """Make the entry, after what is kept apart from it."""
        store = self._secret_store()
        if not self._is_closed:
            await store.save(self._trial.secrets)
        if self._is_closed:
            # Closed while it was tried or kept: no entry comes of it.
            await store.remove()
            await self._trial.undo()
            raise AbortFlow("closed")
        report = self._trial.report
        return self.async_create_entry(
            title=self._free_title(self._trial),
            data=self._data,
            options=options,
            description=None if report is None else self._data[CONF_PROVIDER],
            description_placeholders=report,
        )

    def _free_title(self, trial: Trial, own: ConfigEntry | None = None) -> str:
        """Return the account's title, numbered where another has the same."""
        entries = self.hass.config_entries.async_entries(DOMAIN)
        taken = {entry.title for entry in entries if entry is not own}
        return numbered(trial.title, taken)

    async def _update(self, entry: ConfigEntry, trial: Trial) -> ConfigFlowResult:
        """Change the entry, after what is kept apart from it."""
        await self._secret_store().save(trial.secrets)
        title = entry.title
        if self._data.get(CONF_NAME) != entry.data.get(CONF_NAME):
            # Only then: the user may have renamed the entry elsewhere.
            title = self._free_title(trial, entry)
        return self.async_update_reload_and_abort(entry, title=title, data=self._data)

    def _secret_store(self) -> SecretStore:
        return SecretStore(self.hass, str(self.unique_id))

    async def async_step_devices(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which of many devices to follow."""
        errors: dict[str, str] = {}
        if user_input is not None:
            if user_input[CONF_DEVICES]:
                return await self._create(user_input)
            errors[CONF_DEVICES] = "no_devices"
        devices = self._trial.devices
        return self.async_show_form(
            step_id="devices",
            data_schema=probatio.Schema(
                {probatio.Required(CONF_DEVICES, default=[]): device_selector(devices)}
            ),
            description_placeholders={"count": str(len(devices))},
            errors=errors,
        )

    async def async_step_reauth(
        self, entry_data: Mapping[str, Any]
    ) -> ConfigFlowResult:
        """Begin to ask for new credentials, in the provider's own form."""
        return await self.async_try_credentials(key=entry_data[CONF_PROVIDER])

    async def async_try_credentials(
        self, user_input: dict[str, Any] | None = None, *, key: str
    ) -> ConfigFlowResult:
        """Ask for new credentials and try them."""
        entry = self._get_reauth_entry()
        provider = PROVIDERS[key]
        errors: dict[str, str] = {}
        if user_input is not None:
            trial = await self._try(provider, entry.data, user_input, errors)
            if trial is not None:
                self._abort_if_unique_id_mismatch(reason="wrong_account")
                return await self._update(entry, trial)
        return self.async_show_form(
            step_id=f"{key}_reauth",
            data_schema=provider.form.reauth_schema(
                {**entry.data, **(user_input or {})}
            ),
            description_placeholders={"account": entry.title, **self._placeholders},
            errors=errors,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change the account's data, in the provider's own form."""
        key = self._get_reconfigure_entry().data[CONF_PROVIDER]
        return await self.async_try_account(key=key)

    async def _try(
        self,
        provider: Provider,
        known: Mapping[str, Any],
        user_input: Mapping[str, Any],
        errors: dict[str, str],
    ) -> Trial | None:
        """Connect for real; what went wrong is told in `errors`, the form stays open.

        What was typed or uploaded before the form had to be shown again need not be
        repeated; `known` is what an entry has.
        """
        typed = flat(user_input)
        uploads = {
            name: typed.pop(name) for name in provider.form.files if name in typed
        }
        self._typed |= typed
        try:
            trial = await provider.form.try_connection(
                self.hass, await self._given({**known, **self._typed}, uploads)
            )
        except StreamError as err:
            _LOGGER.debug("The account could not be used: %s", err)
            errors["base"] = err.form_error
            self._placeholders = dict(err.placeholders)
            for name in err.useless_files:
                self._files.pop(name, None)
            if (
                err.wrong_field is not None
                and err.wrong_field[0] in provider.form.fields
            ):
                errors[err.wrong_field[0]] = err.wrong_field[1]
            return None
        except AbortFlow:
            raise
        except Exception:
            # A form must survive anything, and the log must say what it was.
            _LOGGER.exception("The account could not be tried")
            errors["base"] = "unknown"
            return None
        self._data = {**trial.data, CONF_PROVIDER: provider.key}
        await self.async_set_unique_id(f"{provider.key}_{trial.account_id}")
        return trial

    async def _given(
        self, data: Mapping[str, Any], uploads: Mapping[str, str]
    ) -> Given:
        """Put together what was typed, what was uploaded, and what is known from before.

        Home Assistant gives an uploaded file only once, so that it is remembered.
        """
        if uploads:
            self._files |= await self.hass.async_add_executor_job(
                read_uploads, self.hass, uploads
            )
        secrets: Mapping[str, str] = {}
        if self.source in {SOURCE_REAUTH, SOURCE_RECONFIGURE}:
            entry = self.hass.config_entries.async_get_known_entry(
                self.context["entry_id"]
            )
            secrets = await SecretStore(self.hass, str(entry.unique_id)).load()
        return Given(
            data=data,
            files=self._files,
            secrets=secrets,
            is_reauth=self.source == SOURCE_REAUTH,
        )


# Each provider has steps of its own name, so that its words are one block of translations.
for _key in PROVIDERS:
    for _step, _method in (
        (_key, EvStreamsConfigFlow.async_try_account),
        (f"{_key}_reauth", EvStreamsConfigFlow.async_try_credentials),
    ):
        setattr(
            EvStreamsConfigFlow,
            f"async_step_{_step}",
            partialmethod(_method, key=_key),
        )
