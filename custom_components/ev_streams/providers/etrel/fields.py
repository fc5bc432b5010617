"""Where in a body what lies: the user's paths, or names that are worth a try.

Documented are the session's id and number, `ParkingFrom`, `ParkingTo` and
`ConnectedFrom`. The other names are those of the same product's REST API, as public
clients of it read them: nobody has said that messages have them too, and no unit is
documented. So each can be put right by a path of the user's own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from ...conversion import ConversionError, moment, number
from ...paths import MISSING, lookup, parse_path

LONGEST_TEXT: Final = 100
PER_KILO: Final = 1000.0
WATT_HOURS: Final = "Wh"
KILOWATT_HOURS: Final = "kWh"

ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "device": (
        "ChargePoint.FriendlyCode",
        "ChargePointFriendlyCode",
        "ChargePointCode",
        "ChargePoint.Code",
        "ChargePointId",
        "ChargePoint.Id",
        "ChargePoint",
    ),
    "device_name": ("ChargePoint.FriendlyName", "ChargePoint.Name", "ChargePointName"),
    "location": ("LocationId", "Location.Id", "ChargingLocationId"),
    "location_name": ("Location.FriendlyName", "Location.Name", "LocationName"),
    "connector": (
        "ConnectorId",
        "Connector.Id",
        "ConnectorNumber",
        "Connector.Number",
        "Connector.FriendlyCode",
        "EvseId",
        "Evse.Id",
        "Evse.FriendlyCode",
    ),
    "session": ("ChargingSessionId", "ChargingSessionNumber"),
    "started": ("ChargingFrom",),
    # When the car came, minutes before: better than no start at all.
    "arrived": ("ConnectedFrom", "ParkingFrom"),
    "stopped": ("ChargingTo", "ConnectedTo", "ParkingTo"),
    "energy": (
        "Measurements.ActiveEnergyConsumed",
        "ActiveEnergyConsumed",
        "EnergyConsumed",
        "ConsumedEnergy",
        "Energy",
    ),
    "meter_start": ("MeterActiveEnergyStart", "MeterStart"),
    "meter_stop": ("MeterActiveEnergyEnd", "MeterEnd", "MeterStop"),
    "power": ("Measurements.Power", "ActivePower", "Power"),
    "token": (
        "Identification.Token",
        "Identification.TokenId",
        "Identification.RfidTag",
        "Identification.Identifier",
        "Identification.Code",
        "IdentificationToken",
        "IdentificationCode",
        "RfidTag",
        "IdTag",
        "Token",
    ),
    "status": (
        "Status.Title",
        "Status.Name",
        "Status",
        "ConnectorStatus.Title",
        "ConnectorStatus",
        "NewStatus.Title",
        "NewStatus",
        "Connector.Status.Title",
        "Connector.Status",
    ),
    "time": (
        "Timestamp",
        "StatusChangedAt",
        "StatusChangeTime",
        "ChangedAt",
        "OccurredAt",
        "CreatedAt",
        "EventTime",
        "Time",
        "DateTime",
    ),
    "reservation": ("ReservationId", "Reservation.Id", "ReservationNumber", "Id"),
    "reserved_from": ("ReservationFrom", "ReservedFrom", "ValidFrom", "From"),
    "reserved_to": ("ReservationTo", "ReservedTo", "ValidTo", "To"),
    "event": ("SystemEventId", "EventId", "Id"),
    "event_code": ("EventCode", "Code"),
    "event_type": ("EventType.Title", "EventType", "Type.Title", "Type"),
    "severity": ("Severity.Title", "Severity", "Level"),
    "ticket": ("TicketId", "HelpdeskTicketId", "Ticket.Id", "TicketNumber", "Id"),
    "category": ("Category.Title", "Category.Name", "Category"),
    "ticket_status": ("Status.Title", "Status.Name", "Status"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What the user says of the bodies; a path that is "" leaves it to the known names.

    `time_zone` is that of times that name none. `energy_unit` is Wh or kWh, of meter
    values too. Raises MappingError for a path that makes no sense.
    """

    time_zone: ZoneInfo
    energy_unit: str = KILOWATT_HOURS
    device_path: str = ""
    connector_path: str = ""
    session_path: str = ""
    started_path: str = ""
    stopped_path: str = ""
    energy_path: str = ""
    meter_start_path: str = ""
    meter_stop_path: str = ""
    power_path: str = ""
    status_path: str = ""
    time_path: str = ""

    def __post_init__(self) -> None:
        """Read the paths now, so that no message finds a bad one."""
        for path in self.own_paths().values():
            if path:
                parse_path(path)

    def own_paths(self) -> dict[str, str]:
        """Return the user's paths by the names of `ALIASES`."""
        return {
            "device": self.device_path,
            "connector": self.connector_path,
            "session": self.session_path,
            "started": self.started_path,
            "stopped": self.stopped_path,
            "energy": self.energy_path,
            "meter_start": self.meter_start_path,
            "meter_stop": self.meter_stop_path,
            "power": self.power_path,
            "status": self.status_path,
            "time": self.time_path,
        }


class Told:
    """What one body tells, by the names of `ALIASES`; None where it does not."""

    def __init__(self, body: Mapping[str, object], fields: Fields) -> None:
        """Nothing is looked for yet."""
        self.body = body
        self._fields = fields
        self._own = fields.own_paths()

    def text(self, name: str) -> str | None:
        """Return a short text; a number is one too, 7.0 the same as 7."""
        return self._first(name, _text)

    def number(self, name: str) -> float | None:
        """Return a number that is not negative: no energy and no power here is."""
        return self._first(name, _amount)

    def energy(self, name: str) -> float | None:
        """Return an energy or a meter value in kWh."""
        found = self.number(name)
        if found is None or self._fields.energy_unit == KILOWATT_HOURS:
            return found
        return found / PER_KILO

    def session_energy(self) -> float | None:
        """Return the kWh of a session: by the user's path, else by its meter, else as told."""
        if not self._own["energy"]:
            start, stop = self.energy("meter_start"), self.energy("meter_stop")
            if start is not None and stop is not None and stop >= start:
                return round(stop - start, 6)
        return self.energy("energy")

    def start(self) -> tuple[datetime | None, bool]:
        """Return when the session started, and whether only when the car came is told.

        The few words for the user lack the start, and come in a queue of their own:
        before the others or after them.
        """
        started = self.time("started")
        if started is not None or self._own["started"]:
            return started, False
        arrived = self.time("arrived")
        return arrived, arrived is not None

    def time(self, name: str, not_before: datetime | None = None) -> datetime | None:
        """Return a time as aware UTC.

        One without a zone that comes twice, as clocks go back, is taken for the first
        of both, unless that lies before what it has to follow.
        """
        first = self._first(name, self._moment)
        if first is not None and not_before is not None and first < not_before:
            second = self._first(name, self._second_moment)
            if second is not None and second >= not_before:
                return second
        return first

    def _moment(self, given: object, fold: int = 0) -> datetime | None:
        try:
            if isinstance(given, str) and not given.strip().lstrip("-").isdigit():
                parsed = datetime.fromisoformat(given.strip())
                if parsed.tzinfo is None:
                    parsed = parsed.replace(tzinfo=self._fields.time_zone, fold=fold)
                return moment(parsed)
            return moment(given)
        except ValueError, OverflowError:
            return None

    def _second_moment(self, given: object) -> datetime | None:
        return self._moment(given, fold=1)

    def _first[T](self, name: str, read: Callable[[object], T | None]) -> T | None:
        """Return the first of what is there that can be read as what it should be."""
        own = self._own.get(name)
        for path in (own,) if own else ALIASES[name]:
            value = lookup(self.body, parse_path(path))
            if value is not MISSING and (found := read(value)) is not None:
                return found
        return None


def _text(given: object) -> str | None:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return None
    if isinstance(given, float):
        if not given.is_integer():
            return None
        given = int(given)
    text = str(given).strip()
    return text if 0 < len(text) <= LONGEST_TEXT else None


def _amount(given: object) -> float | None:
    try:
        found = float(number(given))
    except ConversionError, OverflowError:
        return None
    return found if found >= 0 else None
