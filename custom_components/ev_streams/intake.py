"""Takes what a message says into the ledger, and into what is to be written down of it."""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Final

from .batch import Batch, Contents
from .commit import Committer
from .derivation import Derivation
from .ledger import (
    Ledger,
    Verdict,
    changes_of,
    is_late,
    with_plausible_time,
    with_plausible_times,
)
from .model import Reading, Session, SessionChange, SessionDocument, Update
from .series import HOUR, hour_of

# A clock that is wrong by years must not fill the statistics of those years.
HISTORY_REACH: Final = timedelta(days=60)
# The recorder keeps what it goes on from for some days, at least for one.
AWAY: Final = timedelta(days=1)


class Intake:
    """Every update passes here, be it from the stream, a snapshot or a conclusion.

    `history_keys` are the readings whose past hours can be told later,
    `meter_keys` those of which the energy is made, and `register_keys` the meter
    itself; `personal_keys` are kept in memory only. `late_readings` counts by device, so that an import can see
    whether something came in while it was computed.
    `late_hours` are the (device, top of the hour) whose
    readings came late and wait to be imported; `kept_since` tells from when on
    all readings of a device are still there: an hour before that is never
    touched again.
    """

    def __init__(
        self,
        ledger: Ledger,
        committer: Committer,
        derivation: Derivation,
        *,
        history_keys: Collection[str],
        meter_keys: Collection[str],
        register_keys: Collection[str],
        personal_keys: Collection[str],
        keeps_history: bool,
        keeps_tokens: bool,
    ) -> None:
        """Have no hour waiting."""
        self.late_hours: set[tuple[str, datetime]] = set()
        self.kept_since: dict[str, datetime] = {}
        self._ledger = ledger
        self._committer = committer
        self._derivation = derivation
        self.late_readings: Counter[str] = Counter()
        # When the last of those came, by the device.
        self.heard_late_at: dict[str, datetime] = {}
        self._history_keys = frozenset(history_keys)
        self._register_keys = frozenset(register_keys)
        self._point_keys = self._history_keys | frozenset(meter_keys)
        self._personal_keys = frozenset(personal_keys)
        self._keeps_history = keeps_history
        self._keeps_tokens = keeps_tokens

    def take(
        self,
        update: Update,
        now: datetime,
        *,
        is_streamed: bool = True,
        is_replaying: bool = False,
    ) -> list[Reading | SessionChange]:
        """Return what is news of it, with all that follows from it."""
        if isinstance(update, SessionDocument):
            slot = (update.device_id, update.measured_at)
            self._committer.batch.documents[slot] = update
            self._committer.changed()
            return []
        if isinstance(update, SessionChange):
            return self._take_session(update, now, is_streamed, is_replaying)
        return self._take_reading(update, now, is_streamed, is_replaying)

    def _take_reading(
        self, reading: Reading, now: datetime, is_streamed: bool, is_replaying: bool
    ) -> list[Reading | SessionChange]:
        reading = with_plausible_time(reading, now)
        held = self._ledger.reading(reading.device_id, reading.key)
        if reading.is_sequel and held is None:
            return []
        verdict = self._ledger.apply(reading, now)
        news: list[Reading | SessionChange] = []
        # A snapshot may have told the same before, but not that the stream was late.
        if is_streamed or verdict is not Verdict.DUPLICATE:
            is_back = held is not None and reading.measured_at - held.measured_at > AWAY
            self._note_point(reading, now, is_streamed, is_back=is_back)
            self._committer.changed()
        if verdict is Verdict.NEW:
            self._note_reading(reading)
            news.append(reading)
        for derived in self._derivation.take(
            reading, verdict, is_streamed=is_streamed, is_replaying=is_replaying
        ):
            news += self.take(
                derived, now, is_streamed=is_streamed, is_replaying=is_replaying
            )
        return news

    def _take_session(
        self,
        change: SessionChange,
        now: datetime,
        is_streamed: bool,
        is_replaying: bool,
    ) -> list[Reading | SessionChange]:
        """Record the change; it is news as long as it was not announced."""
        change = with_plausible_times(change, now)
        if self._ledger.is_outdated(change):
            return []
        if not self._keeps_tokens:
            change = replace(change, token=None)
        is_told = self._ledger.is_announced(change)
        replayed = is_replaying or is_late(change.happened_at, now)
        session = self._ledger.record_session(
            change,
            # What a snapshot notes was told by nobody, be it late or not.
            replayed=replayed and not is_told and (is_streamed or change.is_derived),
        )
        self._note_session(session)
        news: list[Reading | SessionChange] = []
        if not is_told:
            news.append(change)
        for derived in self._derivation.take(change):
            news += self.take(
                derived, now, is_streamed=is_streamed, is_replaying=is_replaying
            )
        dropped = self._derivation.dropped_session(change.device_id)
        if dropped is not None:
            self._ledger.drop_session(change.device_id, dropped)
            batch = self._committer.batch
            batch.sessions.pop((change.device_id, dropped), None)
            batch.forgotten_sessions.add((change.device_id, dropped))
        return news

    def restore(self, contents: Contents) -> None:
        """Go on from what was kept, before anything new is taken.

        Tokens of sessions, kept when that was wanted, go when it no longer is.
        """
        self._ledger.restore(
            contents.readings,
            contents.sessions,
            contents.announced,
            contents.identities,
        )
        self._derivation.restore(self._ledger)
        self.late_hours |= contents.late_hours
        self.kept_since.update(contents.kept_since)
        if not self._keeps_tokens:
            for session in self._ledger.forget_tokens():
                self._note_session(session)

    def conclude(self, now: datetime) -> list[SessionChange]:
        """Return sessions that follow from the newest readings, however these came.

        A replay concludes from the backlog alone; what only a snapshot told, such
        as that the car has left, counts from its end on.
        """
        changes: list[SessionChange] = []
        for device_id in self._ledger.devices():
            held = self._ledger.readings(device_id).values()
            for reading in sorted(held, key=attrgetter("measured_at")):
                for derived in self._derivation.conclude(reading):
                    changes += [
                        news
                        for news in self.take(derived, now)
                        if isinstance(news, SessionChange)
                    ]
        return changes

    def not_announced(self) -> list[SessionChange]:
        """Return what was concluded, but not announced before a power cut."""
        changes: list[SessionChange] = []
        for device_id in self._ledger.devices():
            for session in self._ledger.sessions(device_id):
                if session.is_derived:
                    changes += changes_of(session)
        return [each for each in changes if not self._ledger.is_announced(each)]

    def announce(self, change: SessionChange) -> bool:
        """Return whether the change is to be told; True once, over restarts as well."""
        if not self._ledger.announce_session(change):
            return False
        told = (change.device_id, change.session_id, change.phase)
        self._committer.batch.announced[told] = None
        self._committer.changed(at_once=True)
        return True

    def note(self, reading: Reading, now: datetime) -> None:
        """Keep a reading of which nothing follows and that nobody is told of."""
        self._ledger.apply(reading, now)
        self._note_reading(reading)
        self._committer.changed()

    def remember(self, identity: str) -> None:
        """Take note, over restarts as well, that a message has had its effect."""
        self._ledger.remember(identity)
        self._committer.batch.identities[identity] = None
        self._committer.changed()

    def forget(self, device_id: str) -> None:
        """Forget a device that was removed."""
        self._ledger.forget(device_id)
        self._derivation.forget(device_id)
        self.kept_since.pop(device_id, None)
        self.heard_late_at.pop(device_id, None)
        self.late_hours = {each for each in self.late_hours if each[0] != device_id}

    def everything(self) -> Batch:
        """Return all that is held, for a file that has to be written anew.

        The readings of past hours were in the old one only: history begins again.
        """
        self.late_hours.clear()
        hour = hour_of(datetime.now(UTC)) + HOUR
        self.kept_since = dict.fromkeys(self._ledger.devices(), hour)
        batch = Batch(kept_since=dict(self.kept_since))
        for device_id in self._ledger.devices():
            for key, reading in self._ledger.readings(device_id).items():
                if key not in self._personal_keys:
                    batch.readings[device_id, key] = reading
            for session in self._ledger.sessions(device_id):
                batch.sessions[device_id, session.session_id] = session
        batch.announced = dict.fromkeys(self._ledger.announced())
        batch.identities = dict.fromkeys(self._ledger.identities())
        return batch

    def _note_session(self, session: Session) -> None:
        slot = (session.device_id, session.session_id)
        self._committer.batch.sessions[slot] = session
        self._committer.changed(at_once=True)

    def _note_reading(self, reading: Reading) -> None:
        if reading.key not in self._personal_keys:
            slot = (reading.device_id, reading.key)
            self._committer.batch.readings[slot] = reading

    def _note_point(
        self, reading: Reading, now: datetime, is_streamed: bool, *, is_back: bool
    ) -> None:
        """Keep a number for the history, and its hour in mind if it came late.

        Also that in which a meter is back, for the recorder may have forgotten its sum.
        """
        key, value = reading.key, reading.value
        if key not in self._point_keys or not isinstance(value, int | float):
            return
        device_id, measured_at = reading.device_id, reading.measured_at
        if is_streamed:
            if measured_at < self._is_whole_since(reading, now):
                return
        elif key not in self._history_keys and self._is_old(reading):
            # A session of the past that only a snapshot tells fits to nothing here.
            return
        batch = self._committer.batch
        batch.points[device_id, key, measured_at] = float(value)
        # The meter value of a long session's start is old, and tells of no gap.
        is_streamed_late = is_streamed and is_late(measured_at, now)
        is_meter_back = (
            is_back
            and key in self._register_keys
            and measured_at >= now - HISTORY_REACH
        )
        if key in self._history_keys and (is_streamed_late or is_meter_back):
            self.late_readings[device_id] += 1
            self.heard_late_at[device_id] = now
            hour = (device_id, hour_of(measured_at))
            if self._keeps_history and hour not in self.late_hours:
                self.late_hours.add(hour)
                batch.late_hours.add(hour)

    def _is_old(self, reading: Reading) -> bool:
        since = self.kept_since.get(reading.device_id)
        return since is not None and reading.measured_at < since

    def _is_whole_since(self, reading: Reading, now: datetime) -> datetime:
        """Return from when on all that the device streamed is here: at first from this reading."""
        device_id = reading.device_id
        since = self.kept_since.get(device_id)
        if since is None:
            since = hour_of(reading.measured_at)
            self.kept_since[device_id] = self._committer.batch.kept_since[device_id] = (
                since
            )
        return max(since, now - HISTORY_REACH)
