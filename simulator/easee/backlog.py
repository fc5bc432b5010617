"""What waits in a queue after an outage: hours of reports, shuffled and not all sound."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import cycle, islice, pairwise, takewhile
import json
import random

from ..administrator import RoutedMessage
from . import observations
from .account import EaseeAccount
from .car import ChargerSimulation
from .charger import initial_observations
from .observations import Measurement, ObservationId as Id
from .plans import FleetPlan

type Reports = Mapping[str, tuple[Measurement, ...]]
"""What chargers report by serial, each in the order in which it was measured."""

# Seconds from a charger to its cloud and on to the queue.
_FASTEST, _SLOWEST = 1.0, 1.9

# More than any of the chargers can give: who believes it is found out.
_FALSE_POWER = 99.9


class Kind(StrEnum):
    """What a queued message is; all but the first three are malformed."""

    REPORT = "report"
    DUPLICATE = "duplicate"
    SPURIOUS_ZERO = "spurious_zero"
    NOT_JSON = "not_json"
    NO_VALUE = "no_value"
    WRONG_TYPE = "wrong_type"
    WRONG_ROUTING_KEY = "wrong_routing_key"
    BAD_TIMESTAMP = "bad_timestamp"
    BROKEN_SESSION = "broken_session"


MALFORMED = tuple(Kind)[3:]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessage:
    """A message on its place in the queue; a malformed one has no measurement."""

    kind: Kind
    routing_key: str
    body: bytes
    arrived_at: datetime
    """When the cloud got it, in UTC."""
    measurement: Measurement | None = None

    @property
    def routed(self) -> RoutedMessage:
        """The message as a broker's administrator publishes it."""
        arrived = observations.arrival_time(self.arrived_at)
        return self.routing_key, self.body, {"ArrivalTime": arrived}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """A queue as an outage leaves it, and the truth that is in it."""

    before: Reports
    """What was reported until the outage began, to be played live."""
    measurements: Reports
    """What was reported in the outage: no repeats, nothing false."""
    queue: tuple[QueuedMessage, ...]
    """All that waits, first in first out."""

    @property
    def messages(self) -> list[RoutedMessage]:
        """The queue as `Administrator.publish_many` takes it."""
        return [message.routed for message in self.queue]

    @property
    def course(self) -> Reports:
        """What was reported until the outage was over, from the plan's beginning."""
        return {
            serial: before + self.measurements[serial]
            for serial, before in self.before.items()
        }

    def remember(self, account: EaseeAccount) -> None:
        """Let the HTTP API answer what the outage's reports say."""
        for serial, measurements in self.measurements.items():
            for measurement in measurements:
                account.chargers[serial].remember(measurement)


def add_chargers(account: EaseeAccount, plan: FleetPlan, start: datetime) -> None:
    """Give the account its chargers as they were when the plan began.

    The HTTP API then knows nothing that is newer than the first report.
    """
    plan.add_chargers(account)
    for charger in plan.chargers:
        held = account.chargers[charger.serial]
        held.observations = initial_observations(held, start - plan.lead)


def reports(plan: FleetPlan, begin: datetime, end: datetime) -> Reports:
    """All that a plan begun at `begin` reports before `end`."""
    return {
        charger.serial: tuple(
            takewhile(
                lambda measurement: measurement.time < end,
                ChargerSimulation(charger, begin).measurements(),
            )
        )
        for charger in plan.chargers
    }


def make_backlog(
    plan: FleetPlan,
    start: datetime,
    end: datetime,
    *,
    shuffled_within: timedelta = timedelta(seconds=30),
    duplicates: float = 0.05,
    malformed: float = 0.01,
    spurious_zeros: float = 0.0,
    seed: int = 0,
) -> Backlog:
    """Let a plan run into an outage from `start` to just before `end`, both aware.

    The plan began its `lead` before `start`. No message is overtaken by one that was
    measured more than `shuffled_within` later. ArrivalTime rises along the queue: a
    second or two after the measurement and what the shuffling takes, so that the last
    may have arrived as much later than `end`. `duplicates` and `malformed` are shares
    of the reports, and come in addition to them. A duplicate repeats a message whole,
    right behind it or later within the same bounds. `spurious_zeros` is the share of
    SessionEnergy reports that are followed by a zero; never is one the newest value.
    The same arguments give the same backlog.
    """
    course = reports(plan, start - plan.lead, end)
    before = {
        serial: tuple(m for m in measurements if m.time < start)
        for serial, measurements in course.items()
    }
    outage = {
        serial: measurements[len(before[serial]) :]
        for serial, measurements in course.items()
    }
    shuffle = _Shuffle(random.Random(seed), shuffled_within)
    shuffle.add_reports(outage)
    count = len(shuffle)
    shuffle.add_spurious_zeros(outage, spurious_zeros)
    shuffle.add_malformed(outage, round(malformed * count))
    return Backlog(
        before=before,
        measurements=outage,
        queue=shuffle.queue(round(duplicates * count)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A message that is sent to the queue at `sent_at`, and not before `measured_at`."""

    kind: Kind
    routing_key: str
    body: bytes
    measured_at: datetime
    sent_at: datetime
    measurement: Measurement | None = None

    def queued(self, arrived_at: datetime) -> QueuedMessage:
        return QueuedMessage(
            kind=self.kind,
            routing_key=self.routing_key,
            body=self.body,
            arrived_at=arrived_at,
            measurement=self.measurement,
        )


class _Shuffle:
    """Messages on their way to the queue, each held up for a while of its own."""

    def __init__(self, source: random.Random, within: timedelta) -> None:
        self._random = source
        self._within = within
        self._drafts: list[_Draft] = []

    def __len__(self) -> int:
        return len(self._drafts)

    def add_reports(self, outage: Reports) -> None:
        """Send what the chargers report."""
        for serial, measurements in outage.items():
            # Two values of one observation at one time: which of them holds is told by
            # nothing but the order in which they arrive.
            simultaneous: dict[tuple[int, datetime], list[datetime]] = defaultdict(list)
            for m in measurements:
                simultaneous[m.observation_id, m.time].append(self._sent_at(m.time))
            sent = {key: iter(sorted(times)) for key, times in simultaneous.items()}
            for m in measurements:
                sent_at = next(sent[m.observation_id, m.time])
                self._add_measurement(Kind.REPORT, serial, m, sent_at)

    def add_spurious_zeros(self, outage: Reports, share: float) -> None:
        """Send a SessionEnergy of zero between two of the true ones, now and then."""
        for serial, measurements in outage.items():
            for zero in self._zeros(measurements):
                if self._random.random() < share:
                    sent_at = self._sent_at(zero.time)
                    self._add_measurement(Kind.SPURIOUS_ZERO, serial, zero, sent_at)

    def add_malformed(self, outage: Reports, count: int) -> None:
        """Send so many that nobody can read, of every kind alike."""
        moments = [(serial, m.time) for serial, each in outage.items() for m in each]
        for kind in islice(cycle(MALFORMED), count):
            serial, time = self._random.choice(moments)
            routing_key, body = _malformed(kind, serial, time)
            self._drafts.append(
                _Draft(
                    kind=kind,
                    routing_key=routing_key,
                    body=body,
                    measured_at=time,
                    sent_at=self._sent_at(time),
                )
            )

    def queue(self, duplicates: int) -> tuple[QueuedMessage, ...]:
        """All in the order in which they got there, so many reports twice."""
        drafts = sorted(self._drafts, key=lambda draft: draft.sent_at)
        messages = list(self._arrived(drafts))
        # A duplicate sorts behind its original even where both were sent at once.
        places = [(draft.sent_at, rank, 0) for rank, draft in enumerate(drafts)]
        ranks = [r for r, draft in enumerate(drafts) if draft.kind is Kind.REPORT]
        for index, rank in enumerate(self._random.sample(ranks, duplicates)):
            first, last = drafts[rank].sent_at, drafts[rank].measured_at + self._within
            is_right_behind = index % 2 == 0
            wait = 0.0 if is_right_behind else self._random.random()
            places.append((first + (last - first) * wait, rank, 1))
        return tuple(
            replace(messages[rank], kind=Kind.DUPLICATE) if copy else messages[rank]
            for _, rank, copy in sorted(places)
        )

    def _sent_at(self, time: datetime) -> datetime:
        return time + self._within * self._random.random()

    def _zeros(self, measurements: Sequence[Measurement]) -> Iterator[Measurement]:
        energies = [m for m in measurements if m.observation_id == Id.SESSION_ENERGY]
        for this, following in pairwise(energies):
            gap = following.time - this.time
            time = this.time + gap * self._random.uniform(0.1, 0.9)
            time = time.replace(microsecond=time.microsecond // 1000 * 1000)
            if float(this.value) > 0 and this.time < time < following.time:
                yield replace(this, time=time, value=0.0)

    def _add_measurement(
        self, kind: Kind, serial: str, measurement: Measurement, sent_at: datetime
    ) -> None:
        self._drafts.append(
            _Draft(
                kind=kind,
                routing_key=f"{serial}.O.{measurement.observation_id}",
                body=observations.body(measurement.time, measurement.value),
                measured_at=measurement.time,
                sent_at=sent_at,
                measurement=measurement,
            )
        )

    def _arrived(self, drafts: Iterable[_Draft]) -> Iterator[QueuedMessage]:
        last: datetime | None = None
        for draft in drafts:
            delay = timedelta(seconds=self._random.uniform(_FASTEST, _SLOWEST))
            arrived_at = draft.sent_at + delay
            if last is not None:
                arrived_at = max(arrived_at, last + timedelta(microseconds=1))
            yield draft.queued(arrived_at)
            last = arrived_at


def _malformed(kind: Kind, serial: str, time: datetime) -> tuple[str, bytes]:
    """A routing key and a body of which one at least means nothing."""
    key = f"{serial}.O.{Id.TOTAL_POWER:d}"
    sound: dict[str, object] = {
        "Timestamp": observations.timestamp(time),
        "Value": _FALSE_POWER,
    }
    match kind:
        case Kind.NOT_JSON:
            return key, json.dumps(sound).encode()[:-1]
        case Kind.NO_VALUE:
            return key, json.dumps({"Timestamp": sound["Timestamp"]}).encode()
        case Kind.WRONG_TYPE:
            return key, json.dumps({**sound, "Value": "much"}).encode()
        case Kind.WRONG_ROUTING_KEY:
            return f"{serial}.X.{Id.TOTAL_POWER:d}", json.dumps(sound).encode()
        case Kind.BAD_TIMESTAMP:
            wrong = f"{time:%Y-%m-%d}T25:61:00Z"
            return key, json.dumps({**sound, "Timestamp": wrong}).encode()
        case Kind.BROKEN_SESSION:
            cut_off = json.dumps({**sound, "Value": '{"Id": 99999, "Stop": "20'})
            return f"{serial}.O.{Id.CHARGING_SESSION:d}", cut_off.encode()
        case Kind.REPORT | Kind.DUPLICATE | Kind.SPURIOUS_ZERO:
            raise ValueError(kind)
