"""The devices that a user adds to an account, and the mapping of their fields."""

from collections.abc import Sequence
from typing import Any, override

from homeassistant.config_entries import (
    SOURCE_USER,
    ConfigEntryState,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.helpers.selector import (
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import probatio

from .const import CONF_DEVICE_ID, CONF_MAPPINGS, CONF_PROVIDER, DOMAIN
from .coordinator import EvStreamsConfigEntry, EvStreamsCoordinator
from .form_fields import TEXT, suggesting
from .mapped import remove_unmapped
from .mapping import FieldMapping, Outcome
from .mapping_steps import CONF_NAME, MappingSteps
from .model import RecentMessage
from .providers import PROVIDERS
from .providers.base import Provider
from .subentries import mappings_of, stored, subentry_of


class MappedDeviceFlow(MappingSteps[SubentryFlowResult], ConfigSubentryFlow):
    """Adds a device, and changes what is mapped of it."""

    def __init__(self) -> None:
        """Start with nothing chosen."""
        super().__init__()
        self._device_id = ""
        self._name = ""

    @property
    def _entry(self) -> EvStreamsConfigEntry:
        return self._get_entry()

    @property
    @override
    def _provider(self) -> Provider:
        return PROVIDERS[self._entry.data[CONF_PROVIDER]]

    @property
    def _coordinator(self) -> EvStreamsCoordinator | None:
        if self._entry.state is not ConfigEntryState.LOADED:
            return None
        return self._entry.runtime_data

    @property
    @override
    def _mappings(self) -> list[FieldMapping]:
        if self.source == SOURCE_USER:
            return []
        return mappings_of(self._get_reconfigure_subentry().data)

    @property
    @override
    def _contents(self) -> list[object]:
        coordinator = self._coordinator
        if coordinator is None:
            return []
        messages = coordinator.traffic.recent(self._device_id)
        return [message.content.body for message in messages]

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which device to add, offering those that have sent something."""
        errors: dict[str, str] = {}
        if user_input is not None:
            device_id = self._provider.read_device_id(user_input[CONF_DEVICE_ID])
            if device_id is None:
                errors[CONF_DEVICE_ID] = "not_a_device"
            elif self._is_added(device_id):
                return self.async_abort(reason="already_configured")
            else:
                self._device_id, self._name = device_id, user_input[CONF_NAME].strip()
                if self._fitting_presets():
                    return await self.async_step_presets()
                return self._save(())
        coordinator = self._coordinator
        seen = [] if coordinator is None else coordinator.traffic.strangers()
        typed = user_input or {CONF_DEVICE_ID: seen[0] if seen else None}
        form = {
            suggesting(CONF_DEVICE_ID, typed): SelectSelector(
                SelectSelectorConfig(
                    options=seen, custom_value=True, mode=SelectSelectorMode.DROPDOWN
                )
            ),
            suggesting(CONF_NAME, typed): TEXT,
        }
        return self.async_show_form(
            step_id="user", data_schema=probatio.Schema(form), errors=errors
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what to do with the device."""
        subentry = self._get_reconfigure_subentry()
        self._device_id, self._name = str(subentry.unique_id), subentry.title
        return self.async_show_menu(
            step_id="reconfigure", menu_options=[*self._begin(), "rename"]
        )

    @override
    async def _menu(self) -> SubentryFlowResult:
        return await self.async_step_reconfigure()

    @override
    def _previews(self, mapping: FieldMapping) -> list[tuple[RecentMessage, Outcome]]:
        coordinator = self._coordinator
        if coordinator is None:
            return []
        return coordinator.traffic.preview(self._device_id, mapping)

    async def async_step_rename(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for another name of the device."""
        if user_input is not None:
            self._name = user_input[CONF_NAME].strip()
            return self._save(self._mappings)
        marker = suggesting(CONF_NAME, {CONF_NAME: self._name})
        return self.async_show_form(
            step_id="rename", data_schema=probatio.Schema({marker: TEXT})
        )

    @override
    def _save(self, mappings: Sequence[FieldMapping]) -> SubentryFlowResult:
        """Make the device, or change it; the entry is loaded anew with it."""
        title = self._name or self._provider.name
        data = {CONF_MAPPINGS: stored(mappings)}
        if self.source == SOURCE_USER:
            if (coordinator := self._coordinator) is not None:
                coordinator.traffic.adopt(self._device_id)
            return self.async_create_entry(
                title=title, data=data, unique_id=self._device_id
            )
        remove_unmapped(self.hass, self._device_id, self._mappings, mappings)
        return self.async_update_and_abort(
            self._entry, self._get_reconfigure_subentry(), title=title, data=data
        )

    def _is_added(self, device_id: str) -> bool:
        """Whether an account has the device: its entities can exist only once."""
        entries = self.hass.config_entries.async_entries(DOMAIN)
        return any(subentry_of(entry, device_id) for entry in entries)
