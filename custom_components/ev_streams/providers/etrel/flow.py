"""The form of an Etrel API access, and of what its vendor does not document."""

from collections.abc import Mapping
from typing import Any, Final, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_TIME_ZONE, CONF_USERNAME
from homeassistant.core import HomeAssistant
from homeassistant.helpers.selector import (
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
from homeassistant.util import dt as dt_util
import probatio

from ...form_fields import CONF_ADVANCED, TEXT, emptiable
from ...paths import MappingError
from ...stream.errors import StreamError
from ..base import Given, Trial
from ..queues_form import CONF_QUEUES, QueueForm, endpoint
from .account import EtrelAccount
from .fields import KILOWATT_HOURS, WATT_HOURS, Fields
from .messages import (
    BY_TAIL,
    MESSAGE_TYPES,
    SESSION_ENDED,
    SESSION_STARTED,
    STATUS_CHANGED,
    queue_name,
)

CONF_ENERGY_UNIT: Final = "energy_unit"
PATHS: Final = (
    "device_path",
    "connector_path",
    "session_path",
    "started_path",
    "stopped_path",
    "energy_path",
    "meter_start_path",
    "meter_stop_path",
    "power_path",
    "status_path",
    "time_path",
)

# A type stands for the queue that the vendor makes for it; any other name can be typed.
QUEUES = SelectSelector(
    SelectSelectorConfig(
        options=[each.tail for each in MESSAGE_TYPES],
        multiple=True,
        custom_value=True,
        mode=SelectSelectorMode.DROPDOWN,
    )
)
ENERGY_UNIT = SelectSelector(
    SelectSelectorConfig(
        options=[KILOWATT_HOURS, WATT_HOURS], mode=SelectSelectorMode.DROPDOWN
    )
)


class BadTimeZoneError(StreamError):
    """There is no such time zone; nothing was tried."""

    form_error = "bad_time_zone"
    wrong_field = (CONF_ADVANCED, "bad_time_zone")


class BadFieldPathError(StreamError):
    """A path to a field of messages makes no sense; nothing was tried."""

    form_error = "bad_field_path"
    wrong_field = (CONF_ADVANCED, "bad_field_path")


class EtrelForm(QueueForm):
    """Asks for an API access, and for which types of messages it has queues."""

    title = "Etrel"
    virtual_host = "/"
    # Without any, a browser fills in the first of all types.
    queues = (SESSION_STARTED, SESSION_ENDED, STATUS_CHANGED)
    selector = QUEUES

    @override
    def advanced(self, known: Mapping[str, Any]) -> dict[probatio.Marker, Any]:
        """Ask also for what no document says of the messages."""
        unit = known.get(CONF_ENERGY_UNIT, KILOWATT_HOURS)
        return {
            **super().advanced(known),
            emptiable(CONF_TIME_ZONE, known): TEXT,
            probatio.Required(CONF_ENERGY_UNIT, default=unit): ENERGY_UNIT,
            **{emptiable(name, known): TEXT for name in PATHS},
        }

    @override
    def is_special(self, known: Mapping[str, Any]) -> bool:
        """Whether the user has said anything of the messages."""
        told = (CONF_TIME_ZONE, *PATHS)
        return (
            super().is_special(known)
            or known.get(CONF_ENERGY_UNIT, KILOWATT_HOURS) != KILOWATT_HOURS
            or any(known.get(name) for name in told)
        )

    @override
    async def try_connection(self, hass: HomeAssistant, given: Given) -> Trial:
        """See first whether messages could be read as the user says."""
        await load_fields(hass, given.data)
        return await super().try_connection(hass, given)

    @override
    def cleaned(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Put the names of queues in place of the types that were picked."""
        cleaned = super().cleaned(data)
        username = cleaned[CONF_USERNAME]
        queues = (
            queue_name(username, each) if each in BY_TAIL else each
            for each in cleaned[CONF_QUEUES]
        )
        cleaned[CONF_QUEUES] = [*dict.fromkeys(queues)]
        return cleaned


def create_account(hass: HomeAssistant, entry: ConfigEntry) -> EtrelAccount:
    """Return the account of an entry."""

    async def load() -> Fields:
        return await load_fields(hass, entry.data)

    return EtrelAccount(endpoint(entry.data), load)


async def load_fields(hass: HomeAssistant, data: Mapping[str, Any]) -> Fields:
    """Return what the user says of messages; raises StreamError."""
    name = str(data.get(CONF_TIME_ZONE, "")).strip() or hass.config.time_zone
    zone = await dt_util.async_get_time_zone(name)
    if zone is None:
        raise BadTimeZoneError(name)
    paths = {name: str(data.get(name, "")).strip() for name in PATHS}
    unit = data.get(CONF_ENERGY_UNIT, KILOWATT_HOURS)
    try:
        return Fields(time_zone=zone, energy_unit=unit, **paths)
    except MappingError as err:
        raise BadFieldPathError(err.reason) from err
