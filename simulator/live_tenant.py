"""A tenant of AMPECO in real time: one charge point, and a car at each of its outlets."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from .ampeco import AmpecoTenant, ChargePoint, Evse, Routine
from .ampeco.notifications import boot, network_status

API_TOKEN = "tenant-token"
PAUSE = 0.5
_LASTS = timedelta(hours=3, minutes=40)
_DAYS = timedelta(days=3)
_POINT = ChargePoint(
    point_id=77,
    name="Depot",
    evses=(
        Evse(evse_id=771, physical_reference="Left"),
        Evse(evse_id=772, physical_reference="Right"),
    ),
)


def routines_at(turn: datetime) -> tuple[Routine, Routine]:
    """Let a session stop at that time, and one go on that started an hour before."""
    left, right = _POINT.evses
    ends, goes_on = turn - _LASTS, turn - timedelta(hours=1)
    return (
        Routine(
            point=_POINT,
            evse=left,
            first_day=(ends - _DAYS).date(),
            begins_at=ends.time(),
            lasts=_LASTS,
        ),
        Routine(
            point=_POINT,
            evse=right,
            first_day=(goes_on - _DAYS).date(),
            begins_at=goes_on.time(),
            lasts=_LASTS,
            power=7400.0,
            meter=903_120.0,
            first_session_id=81001,
            id_tag="04FEDCBA987654",
        ),
    )


class LiveTenant:
    """Sends what happens to whom it concerns; nothing before `told_until` is sent any more.

    What nobody took is sent again as soon as somebody asks: the pause that the vendor
    makes in between would be longer than anybody watches.
    """

    def __init__(self, turn: datetime, told_until: datetime) -> None:
        self.routines = routines_at(turn)
        self.told_until = told_until
        self.tenant = AmpecoTenant()
        self.tenant.tokens = {API_TOKEN: True}
        self.tenant.charge_points = [_POINT]
        self.tenant.resend_pause = timedelta()

    async def __aenter__(self) -> Self:
        await self.tenant.start()
        # Nobody waits for a Home Assistant that is away: what it misses is sent again.
        self.tenant.sender.attempts = 1
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.tenant.stop()

    async def introduce(self) -> None:
        """Tell what the charge point is, and that it is online."""
        at = self.told_until
        await self.tenant.notify(boot(_POINT.point_id, at))
        await self.tenant.notify(network_status(_POINT.point_id, at, "available"))

    async def tell(self, until: datetime) -> None:
        """Send all that happened since it was told last, before `until`."""
        since, self.told_until = self.told_until, until
        events = [
            event
            for routine in self.routines
            for event in routine.notifications(since, until)
        ]
        for _, notification in sorted(events, key=lambda event: event[0]):
            await self.tenant.notify(notification)

    async def play(self) -> None:
        """Send everything as it happens, until cancelled."""
        while True:
            await self.tell(datetime.now(UTC))
            await asyncio.sleep(PAUSE)
