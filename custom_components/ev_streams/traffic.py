"""The messages of each device whose content no table knows: counted, kept, mapped, told.

Times are aware UTC.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import logging
from operator import attrgetter
from typing import Final

from .charging import KEY_CHARGING
from .commit import Committer
from .const import KEY_LAST_MESSAGE, KEY_MESSAGE_COUNT
from .ledger import Ledger
from .listeners import Listeners
from .mapping import (
    OF_MAPPING,
    SENTINEL,
    FieldMapping,
    Outcome,
    OutcomeKind,
    Render,
    evaluate,
    is_kept_out,
    reading_key,
)
from .model import Content, Happening, Reading, RecentMessage, Value

_LOGGER = logging.getLogger(__name__)

KEPT: Final = 10
# Strangers are kept in memory only, for the moment at which they are added.
STRANGERS: Final = 20
LOG_AGAIN_AFTER: Final = timedelta(hours=1)

# Older than any measurement, see `conversion.EARLIEST`.
ANY_AGE: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What makes a reading.
TOLD: Final = frozenset({OutcomeKind.VALUE, OutcomeKind.UNKNOWN})


class Traffic:
    """Of every device the newest messages, and what follows from them.

    `mappings` are the user's, by device, and `of_all` those of the devices that have none
    of their own; `render` renders a template. What is
    refused is counted by (key, reason). `contents` is told of the content of each message,
    `happenings` of what happened to a device, and whether that is replayed.
    """

    def __init__(
        self,
        ledger: Ledger,
        committer: Committer,
        mappings: Mapping[str, Sequence[FieldMapping]],
        render: Render,
        *,
        of_all: Sequence[FieldMapping] = (),
    ) -> None:
        """Have seen no message."""
        self.refused: Counter[tuple[str, str]] = Counter()
        self.contents = Listeners[Content]()
        self.happenings = Listeners[Happening, bool]()
        self._ledger = ledger
        self._committer = committer
        self._mappings = {
            device_id: {reading_key(each): each for each in of_device}
            for device_id, of_device in mappings.items()
        }
        self._of_all = {reading_key(each): each for each in of_all}
        self._render = render
        self._recent: dict[str, deque[RecentMessage]] = {}
        self._strangers: dict[str, deque[RecentMessage]] = {}
        self._logged_at: dict[tuple[str, str], datetime] = {}

    def restore(self, recent: Mapping[str, Iterable[RecentMessage]]) -> None:
        """Go on from what was kept."""
        for device_id, messages in recent.items():
            self._recent[device_id] = deque(messages, maxlen=KEPT)

    def resume(self) -> list[Reading]:
        """Bring what is held in line with the mappings, which the user may have changed.

        Returns what the kept messages tell of fields that are new, and the end of a
        charging of which no field tells any more, or tells that it is none.
        """
        devices = dict.fromkeys((*self._mappings, *self._ledger.devices()))
        return [
            reading
            for device_id in devices
            for reading in self._resumed(device_id, self._mappings_of(device_id))
        ]

    def _mappings_of(self, device_id: str) -> Mapping[str, FieldMapping]:
        return self._mappings.get(device_id, self._of_all)

    def _resumed(
        self, device_id: str, mappings: Mapping[str, FieldMapping]
    ) -> Iterator[Reading]:
        held = self._ledger.readings(device_id)
        kept = [each for each in self.recent(device_id) if not each.content.is_retained]
        if kept and KEY_MESSAGE_COUNT not in held:
            yield from _counted(device_id, len(kept), kept[0].received_at)
        for key, reading in held.items():
            if OF_MAPPING not in key:
                continue
            mapping = mappings.get(key)
            if mapping is None or is_kept_out(mapping, reading.value):
                self._ledger.drop_reading(device_id, key)
                self._committer.batch.forgotten_readings.add((device_id, key))
                self._committer.changed()
        charging = held.get(KEY_CHARGING)
        is_over = True
        for key, mapping in mappings.items():
            newest = self._ledger.reading(device_id, key)
            if newest is None:
                told = self._told_before(device_id, key, mapping)
                yield from told
                # Of two at once the later one holds, as it does in the ledger.
                newest = max(
                    reversed(told), key=attrgetter("measured_at"), default=None
                )
            if mapping.makes_sessions:
                # It goes on unless the field says otherwise, and of no earlier time.
                is_over = (
                    charging is not None
                    and newest is not None
                    and newest.value is False
                    and newest.measured_at >= charging.measured_at
                )
        if charging is None or charging.value is not True or not is_over:
            return
        if device_id in self._mappings or _is_told_by_mapping(charging, held):
            # It was charging then; since when it is not, nobody tells.
            yield replace(charging, value=False)

    def _told_before(
        self, device_id: str, key: str, mapping: FieldMapping
    ) -> list[Reading]:
        """Return the values of a field in the kept messages; sessions of the past they make none."""
        return [
            _reading(
                device_id, key, _dated(message.content, outcome, message.received_at)
            )
            for message, outcome in self.preview(device_id, mapping)
            if outcome.kind in TOLD
        ]

    def recent(self, device_id: str) -> list[RecentMessage]:
        """Return the newest messages of a device, the newest first."""
        kept = self._recent.get(device_id) or self._strangers.get(device_id)
        return [] if kept is None else list(reversed(kept))

    def strangers(self) -> list[str]:
        """Return the devices that sent messages and are not followed, the newest first."""
        return list(reversed(self._strangers))

    def mappings(self, device_id: str) -> Sequence[FieldMapping]:
        """Return the user's mappings of a device."""
        return tuple(self._mappings_of(device_id).values())

    def take(self, device_id: str, content: Content, now: datetime) -> list[Reading]:
        """Keep a message of a followed device; returns the readings that follow from it."""
        self._keep(self._recent, device_id, content, now)
        self._committer.batch.recent[device_id] = tuple(self._recent[device_id])
        self._committer.changed()
        readings: list[Reading] = []
        if not content.is_retained:
            # One that the broker kept was sent some time ago, maybe counted then.
            held = self._ledger.reading(device_id, KEY_MESSAGE_COUNT)
            known = held.value if held is not None else 0
            count = known + 1 if isinstance(known, int) else 1
            readings += _counted(device_id, count, now)
        for key, mapping in self._mappings_of(device_id).items():
            readings += self._mapped(device_id, key, mapping, content, now)
        return readings

    def take_stranger(self, device_id: str, content: Content, now: datetime) -> None:
        """Keep a message of a device that nobody has added, in memory only."""
        self._keep(self._strangers, device_id, content, now)
        # The newest is the last one, and the first is forgotten.
        self._strangers[device_id] = self._strangers.pop(device_id)
        if len(self._strangers) > STRANGERS:
            del self._strangers[next(iter(self._strangers))]

    def adopt(self, device_id: str) -> None:
        """Keep what a stranger said for good: the user adds the device."""
        messages = self._strangers.pop(device_id, None)
        if messages is not None:
            self._recent[device_id] = messages
            self._committer.batch.recent[device_id] = tuple(messages)
            self._committer.changed()

    def forget(self, device_id: str) -> None:
        """Forget what a device said that was removed: it would be kept again should it come back."""
        self._recent.pop(device_id, None)

    def preview(
        self, device_id: str, mapping: FieldMapping
    ) -> list[tuple[RecentMessage, Outcome]]:
        """Return what a mapping would make of the kept messages, the oldest first."""
        held: Value | None = None
        previews: list[tuple[RecentMessage, Outcome]] = []
        for message in reversed(self.recent(device_id)):
            outcome = self._evaluate(
                mapping, message.content, held, message.received_at
            )
            if outcome.kind is OutcomeKind.VALUE:
                held = outcome.value
            previews.append((message, outcome))
        return previews

    def _mapped(
        self,
        device_id: str,
        key: str,
        mapping: FieldMapping,
        content: Content,
        now: datetime,
    ) -> list[Reading]:
        held = self._ledger.reading(device_id, key)
        outcome = self._evaluate(
            mapping, content, None if held is None else held.value, now
        )
        if outcome.kind is OutcomeKind.REFUSED:
            self._refuse(mapping.key, outcome.reason or "refused", now)
        if outcome.kind not in TOLD:
            return []
        reading = _reading(device_id, key, _dated(content, outcome, now))
        is_undated = reading.measured_at == ANY_AGE
        if not mapping.makes_sessions or is_undated or reading.value == "":
            return [reading]
        return [reading, replace(reading, key=KEY_CHARGING)]

    def _evaluate(
        self,
        mapping: FieldMapping,
        content: Content,
        held: Value | None,
        now: datetime,
    ) -> Outcome:
        return evaluate(
            mapping,
            content.body,
            held=held,
            arrived_at=content.occurred_at or now,
            render=self._render,
            variables={"subtopic": content.subtopic},
        )

    def _refuse(self, key: str, reason: str, now: datetime) -> None:
        """Count a value that is left out, and log it once an hour: what it was, never."""
        refused = (key, reason)
        self.refused[refused] += 1
        if reason == SENTINEL:
            # The user expects it.
            return
        logged_at = self._logged_at.get(refused)
        if logged_at is None or now - logged_at >= LOG_AGAIN_AFTER:
            self._logged_at[refused] = now
            _LOGGER.warning("A value of the mapped field %s is left out: %s", *refused)

    @staticmethod
    def _keep(
        kept: dict[str, deque[RecentMessage]],
        device_id: str,
        content: Content,
        now: datetime,
    ) -> None:
        messages = kept.setdefault(device_id, deque(maxlen=KEPT))
        if content.is_retained and any(each.content == content for each in messages):
            # It comes with every connection, and would push out what else was said.
            return
        if len(messages) == KEPT:
            _make_room(messages, content.subtopic)
        messages.append(RecentMessage(received_at=now, content=content))


def _make_room(messages: deque[RecentMessage], subtopic: str) -> None:
    """Drop the oldest message of the kind that has the most: a rare kind is to be mapped too."""
    kinds = Counter(each.content.subtopic for each in messages)
    kinds[subtopic] += 1
    most = max(kinds.values())
    oldest = next(
        (each for each in messages if kinds[each.content.subtopic] == most), messages[0]
    )
    messages.remove(oldest)


def _is_told_by_mapping(charging: Reading, held: Mapping[str, Reading]) -> bool:
    """Whether it was a mapped field that told of the charging, and not the provider's table."""
    return any(
        OF_MAPPING in key and each.measured_at == charging.measured_at
        for key, each in held.items()
    )


def _dated(content: Content, outcome: Outcome, arrived_at: datetime) -> Outcome:
    """Let what may be of any age win over nothing: the broker kept it, without its time."""
    if content.is_retained and outcome.measured_at == arrived_at:
        return replace(outcome, measured_at=ANY_AGE)
    return outcome


def _counted(device_id: str, count: int, last: datetime) -> list[Reading]:
    values: dict[str, Value] = {KEY_LAST_MESSAGE: last, KEY_MESSAGE_COUNT: count}
    return [
        Reading(device_id=device_id, key=key, value=value, measured_at=last)
        for key, value in values.items()
    ]


def _reading(device_id: str, key: str, outcome: Outcome) -> Reading:
    return Reading(
        device_id=device_id,
        key=key,
        # An empty text says that there is nothing to know.
        value="" if outcome.value is None else outcome.value,
        measured_at=outcome.measured_at,
    )
