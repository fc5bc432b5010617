"""The form of an account whose messages wait in queues, and the live try behind it."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, override

from homeassistant.const import CONF_HOST, CONF_PASSWORD, CONF_PORT, CONF_USERNAME
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import BooleanSelector
from homeassistant.util.ssl import get_default_context
import probatio

from ..form_fields import (
    CONF_ADVANCED,
    PASSWORD,
    PORT,
    TEXT,
    TEXTS,
    USERNAME,
    suggesting,
)
from ..stream.amqp import AmqpEndpoint, probe
from ..stream.errors import SourceGoneError, StreamError
from .base import Given, ProviderForm, Trial

CONF_VIRTUAL_HOST: Final = "virtual_host"
CONF_QUEUES: Final = "queues"
CONF_TLS: Final = "tls"

DEFAULT_PORT: Final = 5671


class NoQueuesError(StreamError):
    """No queue was named; nothing was tried."""

    form_error = "no_queues"
    wrong_field = (CONF_QUEUES, "no_queues")


class QueueForm(ProviderForm):
    """Asks where the queues are, for the login, and which of them to read.

    `host`, `virtual_host` and `queues` are suggested; `selector` asks for the queues.
    """

    fields: tuple[str, ...] = (CONF_HOST, CONF_USERNAME, CONF_QUEUES, CONF_ADVANCED)
    files = ()
    account_fields = (CONF_HOST, CONF_VIRTUAL_HOST, CONF_USERNAME)
    title: str
    host: str | None = None
    virtual_host: str | None = None
    queues: tuple[str, ...] = ()
    selector: Any = TEXTS

    @override
    def schema(self, defaults: Mapping[str, Any]) -> probatio.Schema:
        """Ask for everything; a password that is known may be left out."""
        usual = {
            CONF_HOST: self.host,
            CONF_VIRTUAL_HOST: self.virtual_host,
            CONF_QUEUES: [*self.queues],
        }
        known = {name: each for name, each in usual.items() if each} | dict(defaults)
        password = probatio.Optional if CONF_PASSWORD in known else probatio.Required
        advanced = self.advanced(known)
        return probatio.Schema(
            {
                suggesting(CONF_HOST, known): TEXT,
                probatio.Required(
                    CONF_PORT, default=known.get(CONF_PORT, DEFAULT_PORT)
                ): PORT,
                suggesting(CONF_VIRTUAL_HOST, known): TEXT,
                suggesting(CONF_USERNAME, known): USERNAME,
                password(CONF_PASSWORD): PASSWORD,
                suggesting(CONF_QUEUES, known): self.selector,
                probatio.Required(CONF_ADVANCED): section(
                    probatio.Schema(advanced),
                    {"collapsed": not self.is_special(known)},
                ),
            }
        )

    def advanced(self, known: Mapping[str, Any]) -> dict[probatio.Marker, Any]:
        """Return the fields that hardly anybody needs."""
        tls = probatio.Required(CONF_TLS, default=known.get(CONF_TLS, True))
        return {tls: BooleanSelector()}

    def is_special(self, known: Mapping[str, Any]) -> bool:
        """Whether something is in the advanced fields that is not as usual."""
        return not known.get(CONF_TLS, True)

    @override
    def reauth_schema(self, defaults: Mapping[str, Any]) -> probatio.Schema:
        """Ask for another password; a password is never shown."""
        return probatio.Schema({probatio.Required(CONF_PASSWORD): PASSWORD})

    @override
    async def try_connection(self, hass: HomeAssistant, given: Given) -> Trial:
        """Connect, log in and look at each queue, consuming nothing."""
        data = self.cleaned(given.data)
        if not data[CONF_QUEUES]:
            raise NoQueuesError("no queue was named")
        if missing := await probe(endpoint(data)):
            error = SourceGoneError(", ".join(missing))
            error.wrong_field = (CONF_QUEUES, "not_there")
            # For a new password it is enough that it works.
            if not given.is_reauth:
                raise error
        return Trial(
            account_id=account_id(data),
            title=self.title,
            data=data,
            report={"queues": str(len(data[CONF_QUEUES]))},
        )

    def cleaned(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was typed without what a hand leaves when it pastes."""
        cleaned = {
            name: each.strip() if isinstance(each, str) else each
            for name, each in data.items()
        }
        # Some paste an address with its scheme, or with a slash after it.
        cleaned[CONF_HOST] = cleaned[CONF_HOST].lower().rpartition("://")[2].rstrip("/")
        queues = [queue.strip() for queue in data[CONF_QUEUES]]
        cleaned[CONF_QUEUES] = [*dict.fromkeys(filter(None, queues))]
        return cleaned


def endpoint(data: Mapping[str, Any]) -> AmqpEndpoint:
    """Return where to connect, from the data of a form or an entry."""
    return AmqpEndpoint(
        host=data[CONF_HOST],
        port=data[CONF_PORT],
        virtual_host=data[CONF_VIRTUAL_HOST],
        username=data[CONF_USERNAME],
        password=data[CONF_PASSWORD],
        queues=tuple(data[CONF_QUEUES]),
        ssl_context=get_default_context() if data[CONF_TLS] else None,
    )


def account_id(data: Mapping[str, Any]) -> str:
    """Name the account without its login, which would end in the ids of entities."""
    login = f"{data[CONF_USERNAME]}@{data[CONF_HOST]}/{data[CONF_VIRTUAL_HOST]}"
    return sha256(login.encode()).hexdigest()[:16]
