"""The form of a Stellantis account, and the live try behind it."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any, Final, override
import uuid
from weakref import WeakKeyDictionary

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST, CONF_PASSWORD, CONF_PORT, CONF_USERNAME
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
from homeassistant.util.hass_dict import HassKey
import probatio

from ...const import DOMAIN
from ...form_fields import CONF_ADVANCED, PASSWORD, PORT, TEXT, USERNAME, emptiable
from ...model import DeviceRecord
from ...numbering import numbered
from ...secret_store import SecretStore
from ...stream.certificate import ClientCertificate
from ...stream.errors import FilesGoneError, StreamError
from ...stream.mqtt import probe
from ...stream.mqtt_client import MqttEndpoint
from ...stream.tls import Tls
from ..base import Given, ProviderForm, Trial
from ..certificate_files import (
    CONF_CERTIFICATE,
    CONF_FORGET,
    CONF_KEPT,
    CONF_KEY_PASSWORD,
    FILES,
    authority_field,
    client_fields,
    kept_files,
    missing_files,
    secrets_of,
    tls_of,
    without_files,
)
from .account import StellantisAccount
from .sending import PopupPacer
from .topics import DEFAULT_ROOT, Direction, Topics, is_usable_root, is_usable_uid

PRE_PRODUCTION: Final = "iot-partners-preprod.mpsa.com"
DEFAULT_PORT: Final = 8886

CONF_TLS: Final = "tls"
CONF_ROOT: Final = "topic_root"
CONF_DIRECTION: Final = "direction"
CONF_ID_APP: Final = "id_app"
# An account that moves to another host stays the one that it was.
CONF_FIRST_HOST: Final = "first_host"
# By the entry, and gone with it.
POPUPS: HassKey[WeakKeyDictionary[ConfigEntry, PopupPacer]] = HassKey(
    f"{DOMAIN}_popups"
)
# No production host: the one on the vendor's page lies in a domain that may not be
# theirs, and whoever owns it would be sent the login.
HOST = SelectSelector(
    SelectSelectorConfig(
        options=[SelectOptionDict(value=PRE_PRODUCTION, label="Pre-production")],
        custom_value=True,
        mode=SelectSelectorMode.DROPDOWN,
    )
)
DIRECTION = SelectSelector(
    SelectSelectorConfig(options=[*Direction], translation_key=CONF_DIRECTION)
)


class UnusableTopicError(StreamError):
    """What was typed cannot be part of a topic; nothing was tried."""

    form_error = "unusable_topic"

    def __init__(self, field: str, reason: str) -> None:
        """`field` is that of the form (or its section), `reason` the key of a text."""
        super().__init__("not usable in a topic")
        self.wrong_field = (field, reason)


class StellantisForm(ProviderForm):
    """Asks for the broker, the login and the client certificate of a partner account."""

    fields = (CONF_USERNAME, CONF_ADVANCED, CONF_KEY_PASSWORD, *FILES)
    files = FILES
    account_fields = (CONF_HOST, CONF_USERNAME)

    @override
    def schema(self, defaults: Mapping[str, Any]) -> probatio.Schema:
        """Ask for everything; files that were taken before may be left out."""
        advanced = {
            CONF_TLS: (True, BooleanSelector()),
            CONF_ROOT: (DEFAULT_ROOT, TEXT),
            CONF_DIRECTION: (Direction.SAMPLES, DIRECTION),
            CONF_ID_APP: ("", TEXT),
        }
        if kept := defaults.get(CONF_KEPT):
            advanced[CONF_FORGET] = ([], kept_files(kept))
        usual = {name: default for name, (default, _) in advanced.items()}
        return probatio.Schema(
            {
                _required(CONF_HOST, defaults): HOST,
                probatio.Required(
                    CONF_PORT, default=defaults.get(CONF_PORT, DEFAULT_PORT)
                ): PORT,
                _required(CONF_USERNAME, defaults): USERNAME,
                **_credentials(is_password_known=CONF_PASSWORD in defaults),
                **authority_field(),
                probatio.Required(CONF_ADVANCED): section(
                    probatio.Schema(
                        {
                            emptiable(name, defaults, default): selector
                            for name, (default, selector) in advanced.items()
                        }
                    ),
                    {"collapsed": usual == {**usual, **_only(usual, defaults)}},
                ),
            }
        )

    @override
    def reauth_schema(self, defaults: Mapping[str, Any]) -> probatio.Schema:
        """Ask for another password, other certificates, or both."""
        return probatio.Schema(
            {
                **_credentials(is_password_known=True),
                **authority_field(),
            }
        )

    @override
    async def try_connection(self, hass: HomeAssistant, given: Given) -> Trial:
        """Connect, log in and subscribe with what was given.

        The account is known by broker and login: the two environments may have the
        same one.
        """
        data = without_files(given.data)
        data[CONF_HOST] = data[CONF_HOST].strip().lower()
        if not is_usable_uid(data[CONF_USERNAME]):
            raise UnusableTopicError(CONF_USERNAME, "unusable_in_topic")
        if not is_usable_root(data[CONF_ROOT]):
            raise UnusableTopicError(CONF_ADVANCED, "unusable_root")
        data.setdefault(CONF_FIRST_HOST, _first_host(hass, data))
        secrets = await hass.async_add_executor_job(
            partial(secrets_of, given, is_needed=data[CONF_TLS])
        )
        data[CONF_KEPT] = sorted(secrets)
        tls = await _load_tls(hass, data, secrets)
        # Another client of the same id would throw the running stream out.
        endpoint = _endpoint(data, f"ev_{uuid.uuid4().hex[:20]}")
        await probe(replace(endpoint, ssl_context=tls.context))
        report = {"topics": ", ".join(endpoint.filters), "certificate": "—"}
        if CONF_CERTIFICATE in secrets:
            certificate = ClientCertificate(pem=secrets[CONF_CERTIFICATE])
            report["certificate"] = (
                f"{certificate.subject} ({certificate.issuer}), "
                f"→ {certificate.expires_at:%Y-%m-%d}"
            )
        return Trial(
            account_id=account_id(data),
            title="Stellantis",
            data=data,
            secrets=secrets,
            report=report,
        )


def create_account(hass: HomeAssistant, entry: ConfigEntry) -> StellantisAccount:
    """Return the account of an entry."""

    async def load_tls() -> Tls:
        secrets = await SecretStore(hass, str(entry.unique_id)).load()
        missing = missing_files(entry.data, secrets)
        if entry.data[CONF_TLS] and missing:
            raise FilesGoneError(f"gone: {', '.join(missing)}")
        return await _load_tls(hass, entry.data, secrets)

    def list_vehicles() -> list[DeviceRecord]:
        return [
            DeviceRecord(device_id=str(vehicle.unique_id), name=vehicle.title)
            for vehicle in entry.subentries.values()
        ]

    # No more than 23 characters: that is what every broker has to take.
    client_id = f"ev_{sha256(entry.entry_id.encode()).hexdigest()[:20]}"
    return StellantisAccount(
        _endpoint(entry.data, client_id),
        _topics(entry.data),
        entry.data.get(CONF_ID_APP, ""),
        load_tls=load_tls,
        list_vehicles=list_vehicles,
        # A car that was added a moment ago has set up the account anew.
        popups=hass.data.setdefault(POPUPS, WeakKeyDictionary()).setdefault(
            entry, PopupPacer()
        ),
    )


async def _load_tls(
    hass: HomeAssistant, data: Mapping[str, Any], secrets: Mapping[str, str]
) -> Tls:
    load = partial(tls_of, secrets, is_needed=data[CONF_TLS])
    return await hass.async_add_executor_job(load)


def _first_host(hass: HomeAssistant, data: Mapping[str, Any]) -> str:
    """Return the host that a new account is known by.

    Another one may have begun at the same host, with the same login, and moved since.
    """
    taken = {
        entry.data.get(CONF_FIRST_HOST)
        for entry in hass.config_entries.async_entries(DOMAIN)
        if entry.data.get(CONF_USERNAME) == data[CONF_USERNAME]
        and entry.data.get(CONF_HOST) != data[CONF_HOST]
    }
    return numbered(data[CONF_HOST], taken)


def account_id(data: Mapping[str, Any]) -> str:
    """Name the account without its login, which would end in the ids of entities."""
    login = f"{data[CONF_USERNAME]}@{data[CONF_FIRST_HOST]}"
    return sha256(login.encode()).hexdigest()[:16]


def _credentials(*, is_password_known: bool) -> dict[probatio.Marker, Any]:
    required = probatio.Optional if is_password_known else probatio.Required
    return {
        required(CONF_PASSWORD): PASSWORD,
        **client_fields(),
    }


def _required(name: str, defaults: Mapping[str, Any]) -> probatio.Marker:
    return probatio.Required(name, default=defaults.get(name, probatio.UNDEFINED))


def _only(names: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _topics(data: Mapping[str, Any]) -> Topics:
    return Topics(
        root=data[CONF_ROOT],
        uid=data[CONF_USERNAME],
        direction=Direction(data[CONF_DIRECTION]),
    )


def _endpoint(data: Mapping[str, Any], client_id: str) -> MqttEndpoint:
    return MqttEndpoint(
        host=data[CONF_HOST],
        port=data[CONF_PORT],
        username=data[CONF_USERNAME],
        password=data[CONF_PASSWORD],
        client_id=client_id,
        filters=_topics(data).filters,
        ssl_context=None,
    )
