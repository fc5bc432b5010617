"""The form of a Kafka cluster to which an AMPECO tenant sends its notifications."""

from collections.abc import Mapping
from functools import partial
import re
from typing import Any, Final, override
import uuid

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_PASSWORD, CONF_USERNAME
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import probatio

from ...form_fields import CONF_ADVANCED, PASSWORD, TEXT, TEXTS, USERNAME, suggesting
from ...secret_store import SecretStore
from ...stream.errors import (
    FilesGoneError,
    SourceGoneError,
    StreamError,
    TopicDeniedError,
)
from ...stream.kafka import KafkaEndpoint, SaslMechanism, SecurityProtocol, probe
from ...stream.tls import Tls
from ..base import Given, ProviderForm, Trial
from ..certificate_files import (
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
from .account import KafkaAccount

CONF_BROKERS: Final = "brokers"
CONF_TOPIC: Final = "topic"
CONF_PROTOCOL: Final = "security_protocol"
CONF_MECHANISM: Final = "sasl_mechanism"
CONF_GROUP: Final = "group_id"
# A cluster may be called differently later, and is the same.
CONF_ACCOUNT: Final = "account"

DEFAULT_GROUP: Final = "home-assistant"
DEFAULT_PORT: Final = 9092
BROKER: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+)(?::(\d{1,5}))?")
HIGHEST_PORT: Final = 65_535

PROTOCOL = SelectSelector(
    SelectSelectorConfig(options=[*SecurityProtocol], mode=SelectSelectorMode.DROPDOWN)
)
MECHANISM = SelectSelector(
    SelectSelectorConfig(options=[*SaslMechanism], mode=SelectSelectorMode.DROPDOWN)
)


class BadBrokerError(StreamError):
    """What was typed is no address of a broker; nothing was tried."""

    form_error = "bad_broker"
    wrong_field = (CONF_BROKERS, "bad_broker")


class LoginMissingError(StreamError):
    """The protocol needs a login, and there is none; nothing was tried."""

    form_error = "login_missing"
    wrong_field = (CONF_USERNAME, "login_missing")


class KafkaForm(ProviderForm):
    """Asks where the topic is and how to get in, and for a group to read as."""

    fields = (CONF_BROKERS, CONF_TOPIC, CONF_USERNAME, CONF_KEY_PASSWORD, *FILES)
    files = FILES
    account_fields = (CONF_BROKERS, CONF_TOPIC)

    @override
    def schema(self, defaults: Mapping[str, Any]) -> probatio.Schema:
        """Ask for everything; what was given before may be left out."""
        form: dict[probatio.Marker, Any] = {
            suggesting(CONF_BROKERS, defaults): TEXTS,
            suggesting(CONF_TOPIC, defaults): TEXT,
            probatio.Required(
                CONF_GROUP, default=defaults.get(CONF_GROUP, DEFAULT_GROUP)
            ): TEXT,
            probatio.Required(
                CONF_PROTOCOL,
                default=defaults.get(CONF_PROTOCOL, SecurityProtocol.SASL_SSL),
            ): PROTOCOL,
            probatio.Optional(
                CONF_MECHANISM,
                default=defaults.get(CONF_MECHANISM) or SaslMechanism.PLAIN,
            ): MECHANISM,
            probatio.Optional(
                CONF_USERNAME,
                description={"suggested_value": defaults.get(CONF_USERNAME)},
            ): USERNAME,
            probatio.Optional(CONF_PASSWORD): PASSWORD,
            **authority_field(),
            **client_fields(),
        }
        if kept := defaults.get(CONF_KEPT):
            forget = {probatio.Optional(CONF_FORGET, default=[]): kept_files(kept)}
            form[probatio.Required(CONF_ADVANCED)] = section(
                probatio.Schema(forget), {"collapsed": True}
            )
        return probatio.Schema(form)

    @override
    def reauth_schema(self, defaults: Mapping[str, Any]) -> probatio.Schema:
        """Ask for another login, other certificates, or both."""
        return probatio.Schema(
            {
                probatio.Optional(
                    CONF_USERNAME,
                    description={"suggested_value": defaults.get(CONF_USERNAME)},
                ): USERNAME,
                probatio.Optional(CONF_PASSWORD): PASSWORD,
                **authority_field(),
                **client_fields(),
            }
        )

    @override
    async def try_connection(self, hass: HomeAssistant, given: Given) -> Trial:
        """Log in and look at topic and group, reading and committing nothing."""
        data = without_files(given.data)
        data[CONF_BROKERS] = [*dict.fromkeys(map(_address, given.data[CONF_BROKERS]))]
        for name in (CONF_TOPIC, CONF_GROUP, CONF_USERNAME):
            data[name] = str(data.get(name) or "").strip()
        if not data[CONF_BROKERS]:
            raise BadBrokerError("no broker was named")
        has_login = data[CONF_USERNAME] and data.get(CONF_PASSWORD)
        if _has_login(data) and not has_login:
            raise LoginMissingError("the protocol needs a login")
        data.setdefault(CONF_ACCOUNT, uuid.uuid4().hex[:16])
        secrets = await hass.async_add_executor_job(
            partial(secrets_of, given, is_needed=_has_tls(data))
        )
        data[CONF_KEPT] = sorted(secrets)
        try:
            await probe(endpoint(data, await _load_tls(hass, data, secrets)))
        except SourceGoneError as err:
            is_denied = isinstance(err, TopicDeniedError)
            err.wrong_field = (CONF_TOPIC, "denied" if is_denied else "not_there")
            raise
        return Trial(
            account_id=data[CONF_ACCOUNT],
            title=f"AMPECO {data[CONF_TOPIC]}",
            data=data,
            secrets=secrets,
        )


def create_account(hass: HomeAssistant, entry: ConfigEntry) -> KafkaAccount:
    """Return the account of an entry."""

    async def load() -> tuple[KafkaEndpoint, Tls]:
        secrets = await SecretStore(hass, str(entry.unique_id)).load()
        missing = missing_files(entry.data, secrets)
        if _has_tls(entry.data) and missing:
            raise FilesGoneError(f"gone: {', '.join(missing)}")
        tls = await _load_tls(hass, entry.data, secrets)
        return endpoint(entry.data, tls), tls

    return KafkaAccount(load)


def endpoint(data: Mapping[str, Any], tls: Tls) -> KafkaEndpoint:
    """Return what to read, from the data of a form or an entry."""
    has_login = _has_login(data)
    return KafkaEndpoint(
        brokers=tuple(data[CONF_BROKERS]),
        topic=data[CONF_TOPIC],
        group_id=data[CONF_GROUP],
        security_protocol=SecurityProtocol(data[CONF_PROTOCOL]),
        sasl_mechanism=SaslMechanism(data[CONF_MECHANISM]) if has_login else None,
        username=data[CONF_USERNAME] if has_login else None,
        password=data[CONF_PASSWORD] if has_login else None,
        ssl_context=tls.context,
    )


async def _load_tls(
    hass: HomeAssistant, data: Mapping[str, Any], secrets: Mapping[str, str]
) -> Tls:
    load = partial(tls_of, secrets, is_needed=_has_tls(data))
    return await hass.async_add_executor_job(load)


def _has_login(data: Mapping[str, Any]) -> bool:
    return str(data[CONF_PROTOCOL]).startswith("SASL")


def _has_tls(data: Mapping[str, Any]) -> bool:
    return str(data[CONF_PROTOCOL]).endswith("SSL")


def _address(typed: str) -> str:
    """Return the address of a broker with its port; raises BadBrokerError."""
    found = BROKER.fullmatch(typed.strip())
    if found is None:
        raise BadBrokerError("no address of a broker")
    port = int(found[2] or DEFAULT_PORT)
    if not 0 < port <= HIGHEST_PORT:
        raise BadBrokerError("no port of a broker")
    return f"{found[1]}:{port}"
