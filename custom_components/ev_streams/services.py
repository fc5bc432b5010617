"""Actions: read charging sessions, fill past hours from the provider's figures, send messages."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.recorder import DATA_INSTANCE
from homeassistant.util import dt as dt_util
import probatio

from .backfill import hourly_figures, import_figures, is_writable
from .const import DOMAIN
from .coordinator import EvStreamsCoordinator
from .messaging import SEND_MESSAGE_SCHEMA, SERVICE_SEND_MESSAGE, send_message
from .model import SessionDocument
from .report import as_csv, document_row, documents_by_session, session_row
from .series import HOUR, hour_of
from .store import StoreError
from .stream.errors import StreamError
from .targets import Target, targets_of

SERVICE_GET_SESSIONS: Final = "get_sessions"
SERVICE_IMPORT_HISTORY: Final = "import_history"
# Five years: it is asked for in many small parts, and nobody wants to wait for 1970.
FURTHEST_BACK: Final = timedelta(days=5 * 366)
ATTR_FROM: Final = "from"
ATTR_TO: Final = "to"
ATTR_CSV: Final = "csv"
ATTR_DOCUMENTS: Final = "signed_documents"

DEVICES = {probatio.Required(ATTR_DEVICE_ID): probatio.All(cv.ensure_list, [cv.string])}
GET_SESSIONS_SCHEMA = probatio.Schema(
    {
        **DEVICES,
        probatio.Optional(ATTR_FROM): cv.datetime,
        probatio.Optional(ATTR_TO): cv.datetime,
        probatio.Optional(ATTR_CSV, default=False): cv.boolean,
        probatio.Optional(ATTR_DOCUMENTS, default=False): cv.boolean,
    }
)
IMPORT_HISTORY_SCHEMA = probatio.Schema(
    {
        **DEVICES,
        probatio.Required(ATTR_FROM): cv.datetime,
        probatio.Optional(ATTR_TO): cv.datetime,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From a moment on and before another (aware UTC); None where there is no limit."""

    start: datetime | None
    end: datetime | None

    def holds(self, moment: datetime | None) -> bool:
        """Whether the moment is known and lies in the period."""
        return (
            moment is not None
            and (self.start is None or moment >= self.start)
            and (self.end is None or moment < self.end)
        )


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_GET_SESSIONS,
        _get_sessions,
        schema=GET_SESSIONS_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )
    hass.services.async_register(
        DOMAIN,
        SERVICE_IMPORT_HISTORY,
        _import_history,
        schema=IMPORT_HISTORY_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )
    hass.services.async_register(
        DOMAIN,
        SERVICE_SEND_MESSAGE,
        send_message,
        schema=SEND_MESSAGE_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )


async def _get_sessions(call: ServiceCall) -> ServiceResponse:
    """Return the kept sessions that started in the time asked for, in order of time."""
    period = _period(call)
    wants_documents = call.data[ATTR_DOCUMENTS]
    found: list[tuple[datetime, dict[str, Any]]] = []
    others: list[dict[str, Any]] = []
    for target in targets_of(call):
        sessions = target.coordinator.ledger.sessions(target.device_id)
        documents = documents_by_session(
            sessions, await _documents(target) if wants_documents else []
        )
        for session in sessions:
            begin = session.started_at or session.stopped_at
            if begin is None or not period.holds(begin):
                continue
            row = session_row(session, target.name)
            if wants_documents:
                own = documents.get(session.session_id, [])
                row[ATTR_DOCUMENTS] = [document.text for document in own]
            found.append((begin, row))
        others += [
            document_row(document, target.name)
            for document in documents.get(None, [])
            if period.holds(document.measured_at)
        ]
    rows = [row for _, row in sorted(found, key=lambda pair: pair[0])]
    response: dict[str, Any] = {"sessions": rows}
    if wants_documents:
        response["other_documents"] = others
    if call.data[ATTR_CSV]:
        response["csv"] = as_csv(rows)
    return response


async def _documents(target: Target) -> list[SessionDocument]:
    try:
        return await target.coordinator.documents(target.device_id)
    except StoreError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN, translation_key="store_unavailable"
        ) from err


async def _import_history(call: ServiceCall) -> ServiceResponse:
    """Write the provider's hourly figures into the statistics; returns the hours by device."""
    start, end = _past_period(call)
    targets = targets_of(call)
    for target in targets:
        _require_hourly_figures(target.coordinator)
    if DATA_INSTANCE not in call.hass.data:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="no_recorder"
        )
    hours: dict[str, Any] = {target.device_id: 0 for target in targets}
    for coordinator, device_ids in (await _writable(targets)).items():
        try:
            for done, device_id in enumerate(device_ids):
                progress = partial(_show_progress, coordinator, done, len(device_ids))
                hours[device_id] = await _import_device(
                    coordinator, device_id, start, end, progress
                )
        except BaseException:
            coordinator.history_progress(None)
            raise
    return {"hours": hours}


async def _writable(targets: list[Target]) -> dict[EvStreamsCoordinator, list[str]]:
    """Return the devices whose energy is recorded, by account; there has to be one."""
    devices: dict[EvStreamsCoordinator, list[str]] = defaultdict(list)
    for target in targets:
        coordinator = target.coordinator
        if await is_writable(
            coordinator.history, coordinator.provider, target.device_id
        ):
            devices[coordinator].append(target.device_id)
    if not devices:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="nothing_recorded"
        )
    return devices


def _show_progress(
    coordinator: EvStreamsCoordinator, done: int, devices: int, part: float
) -> None:
    """Show how far all devices of an account are, of which one is in the works."""
    coordinator.history_progress((done + part) / devices)


def _require_hourly_figures(coordinator: EvStreamsCoordinator) -> None:
    if not coordinator.provider.has_hourly_energy:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="no_hourly_figures",
            translation_placeholders={"provider": coordinator.provider.name},
        )


async def _import_device(
    coordinator: EvStreamsCoordinator,
    device_id: str,
    start: datetime,
    end: datetime,
    progress: Callable[[float], None],
) -> int:
    """Return how many hours of the device got a figure; asking is half of the work."""
    progress(0.0)
    try:
        figures = await hourly_figures(
            coordinator.account, device_id, start, end, lambda part: progress(part / 2)
        )
    except StreamError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="no_answer",
            translation_placeholders={"reason": str(err)},
        ) from err
    written = await import_figures(
        coordinator.history,
        coordinator.ledger,
        coordinator.provider,
        device_id,
        figures,
    )
    progress(1.0)
    return written


def _period(call: ServiceCall) -> Period:
    """Return the time asked for; what names no zone is local."""
    start, end = (
        _utc(call.data[name]) if name in call.data else None
        for name in (ATTR_FROM, ATTR_TO)
    )
    if start is not None and end is not None and start >= end:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="empty_period"
        )
    return Period(start=start, end=end)


def _utc(moment: datetime) -> datetime:
    try:
        return dt_util.as_utc(moment)
    except OverflowError:
        # At either end of the calendar there is no other zone's time.
        return moment.replace(tzinfo=UTC)


def _past_period(call: ServiceCall) -> tuple[datetime, datetime]:
    """Return the part of the time asked for that is over."""
    period, now = _period(call), dt_util.utcnow()
    start, end = period.start or now, min(period.end or now, now)
    if start >= now:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="in_the_future"
        )
    # An hour belongs to the period in which it begins.
    first = hour_of(start) if start == hour_of(start) else hour_of(start) + HOUR
    if first >= min(end, hour_of(now)):
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="no_whole_hour"
        )
    if start < now - FURTHEST_BACK:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="too_far_back"
        )
    return start, end
