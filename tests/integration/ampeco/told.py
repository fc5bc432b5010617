"""What is told in the tests, of the charge point and its two outlets."""

from datetime import datetime, timedelta

from homeassistant.util import dt as dt_util

from simulator.ampeco import events, notifications
from simulator.ampeco.notifications import Notification

from .helpers import EVSE, POINT

NOW = dt_util.utcnow().replace(microsecond=0)
MINUTE = timedelta(minutes=1)
BEGIN, END = NOW - 4 * MINUTE, NOW - MINUTE
SESSION = 70001
# Nothing of this is to be found anywhere.
RFID, USER, PIN, PASSWORD = "04A1B2C3D4E5F6", 4711, "4321", "s3cr3t-ocpp"


def boot(moment: datetime = NOW, firmware: str = "1.8.32") -> Notification:
    """The charge point has started."""
    return notifications.boot(int(POINT), moment, firmware=firmware)


def network(status: str, moment: datetime = NOW) -> Notification:
    """The charge point is online, or is not."""
    return notifications.network_status(int(POINT), moment, status)


def hardware(status: str, moment: datetime = NOW, evse: str = EVSE) -> Notification:
    """An outlet is in use, or is not."""
    return notifications.hardware_status(int(POINT), moment, status, evse_id=int(evse))


def meter(
    register: float, moment: datetime = END, evse: str = EVSE, session: int = SESSION
) -> Notification:
    """The register of an outlet in kWh, and its power."""
    return notifications.session_meter_values(
        charge_point_id=int(POINT),
        evse_id=int(evse),
        session_id=session,
        moment=moment,
        values=[
            ("Energy Active Import Register", register * 1000, "Wh"),
            ("Power Active Import", 7400, None),
        ],
    )


def start(
    evse: str = EVSE,
    session: int = SESSION,
    moment: datetime = BEGIN,
    *,
    is_old: bool = False,
) -> Notification:
    """A session has started."""
    return notifications.session_start_stop(
        "start",
        session_id=session,
        charge_point_id=int(POINT),
        evse_id=int(evse),
        started_at=moment,
        meter_start=1_000_000,
        id_tag=RFID,
        user_id=USER,
        is_old=is_old,
    )


def stop(
    evse: str = EVSE,
    session: int = SESSION,
    moment: datetime = END,
    *,
    energy: int = 5200,
    is_old: bool = False,
) -> Notification:
    """A session has stopped, `energy` being its Wh."""
    return notifications.session_start_stop(
        "stop",
        session_id=session,
        charge_point_id=int(POINT),
        evse_id=int(evse),
        started_at=BEGIN,
        stopped_at=moment,
        meter_start=1_000_000,
        meter_stop=1_000_000 + energy,
        id_tag=RFID,
        user_id=USER,
        is_old=is_old,
    )


def update(
    status: str,
    moment: datetime,
    *,
    energy: int = 0,
    evse: str = EVSE,
    session: int = SESSION,
) -> Notification:
    """A session as a whole."""
    return notifications.session_update(
        status,
        session_id=session,
        charge_point_id=int(POINT),
        evse_id=int(evse),
        started_at=BEGIN,
        updated_at=moment,
        stopped_at=None if status == "active" else moment,
        energy=energy,
        power=7400,
        state_of_charge=61,
        id_tag=RFID,
        user_id=USER,
    )


def whole_point(name: str = "Depot gate") -> Notification:
    """The charge point changed; it is shown with its secrets."""
    document = notifications.charge_point_document(
        int(POINT), name, [(int(EVSE), "A")], network="long-term unavailable"
    )
    return notifications.charge_point_changed_whole(document, NOW)


def one_of_each() -> dict[str, Notification]:
    """One of each notification that there is, by its name."""
    told = [
        boot(),
        whole_point(),
        notifications.circuit_consumption(3, NOW, [10.5, 11.5, 12.5], limit=63),
        hardware("suspendedEVSE"),
        network("temporarily unavailable"),
        meter(4812.35),
        start(is_old=True),
        start(),
        update("active", END, energy=2600),
        events.security_event(int(POINT), NOW, critical=True),
        events.data_transfer(int(POINT), "21.5"),
        events.charging_profile(int(POINT), NOW, 16, evse_id=int(EVSE)),
        notifications.parking_space(8, NOW, "occupied"),
    ]
    by_name = {str(each["notification"]): each for each in told}
    return by_name | events.others(int(POINT), int(EVSE), NOW)
