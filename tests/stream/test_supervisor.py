"""The supervisor keeps one stream running, and knows when to stop.

The streams and the observer here are written against its contract. A script
is a list of what becomes of each connection; when it is played through, the
account is refused, so that the supervisor returns.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
import logging
from typing import override

from hypothesis import given, strategies as st
import pytest

from custom_components.ev_streams.stream.errors import (
    AccountRefusedError,
    ConnectionFailedError,
    CredentialsRefusedError,
    SourceGoneError,
    StreamError,
)
from custom_components.ev_streams.stream.supervisor import (
    Backoff,
    SourceState,
    Stream,
    StreamObserver,
    Supervisor,
)

type Act = Callable[[StreamObserver], Awaitable[None]]


class Audience(StreamObserver):
    """Notes all that an observer is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.backlogs: list[int | None] = []
        self.looks: list[SourceState] = []
        self.losses: list[tuple[StreamError, float]] = []
        self.refusals: list[StreamError] = []
        self.lost_once = asyncio.Event()

    @override
    def connecting(self) -> None:
        self.told.append("connecting")

    @override
    def connected(self, backlog: int | None) -> None:
        self.told.append("connected")
        self.backlogs.append(backlog)

    @override
    def watched(self, state: SourceState) -> None:
        self.told.append("watched")
        self.looks.append(state)

    @override
    def lost(self, error: StreamError, retry_in: float) -> None:
        self.told.append("lost")
        self.losses.append((error, retry_in))
        self.lost_once.set()

    @override
    def refused(self, error: StreamError) -> None:
        self.told.append("refused")
        self.refusals.append(error)


class PlayedStream(Stream):
    def __init__(self, act: Act) -> None:
        self._act = act

    @override
    async def run(self, observer: StreamObserver) -> None:
        await self._act(observer)


def fails(error: BaseException) -> Act:
    """No connection is made."""

    async def act(_observer: StreamObserver) -> None:
        raise error

    return act


def connects_then(error: BaseException | None, backlog: int | None = 0) -> Act:
    """A connection is made; it breaks with the error, or the stream simply ends."""

    async def act(observer: StreamObserver) -> None:
        observer.connected(backlog)
        if error is not None:
            raise error

    return act


class Script:
    """Plays one act at each opening of a stream; an error stands for an opening that fails."""

    def __init__(self, *acts: Act | BaseException) -> None:
        self._acts: Iterator[Act | BaseException] = iter(acts)
        self.renewals: list[bool] = []

    async def open_stream(self, renew: bool) -> Stream:
        self.renewals.append(renew)
        act = next(self._acts, AccountRefusedError("the script has ended"))
        if isinstance(act, BaseException):
            raise act
        return PlayedStream(act)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedBackoff(Backoff):
    """Waits a fixed time and notes which attempt each wait was asked for."""

    wait: float = 0
    slow_wait: float = 0
    attempts: list[int | str] = field(default_factory=list)

    @override
    def delay(self, attempt: int) -> float:
        self.attempts.append(attempt)
        return self.wait

    @override
    def slow_delay(self) -> float:
        self.attempts.append("slow")
        return self.slow_wait


async def played(script: Script, backoff: Backoff | None = None) -> Audience:
    """Let the supervisor run the script to its end."""
    audience = Audience()
    supervisor = Supervisor(script.open_stream, audience, backoff or NotedBackoff())
    async with asyncio.timeout(10):
        await supervisor.run()
    return audience


async def test_a_lost_connection_is_made_again() -> None:
    loss = ConnectionFailedError("the line broke")
    audience = await played(Script(connects_then(loss, 42), connects_then(loss, None)))
    assert audience.told == [
        *["connecting", "connected", "lost"] * 2,
        "connecting",
        "refused",
    ]
    assert audience.backlogs == [42, None]
    assert [error for error, _ in audience.losses] == [loss, loss]


async def test_what_the_stream_saw_of_its_source_reaches_the_observer() -> None:
    state = SourceState(messages=3, other_consumers=1)

    async def act(observer: StreamObserver) -> None:
        observer.connected(0)
        observer.watched(state)

    audience = await played(Script(act))
    assert audience.looks == [state]


async def test_each_failure_in_a_row_counts_as_one_more_attempt() -> None:
    backoff = NotedBackoff(stable_after=0)
    failure = ConnectionFailedError("nobody there")
    await played(Script(failure, fails(failure), failure), backoff)
    assert backoff.attempts == [0, 1, 2]


async def test_a_connection_that_did_not_last_does_not_reset_the_backoff() -> None:
    backoff = NotedBackoff(stable_after=3600)
    flapping = connects_then(ConnectionFailedError("the line broke"))
    await played(Script(flapping, flapping, flapping), backoff)
    assert backoff.attempts == [0, 1, 2]


async def test_a_stable_connection_resets_the_backoff() -> None:
    backoff = NotedBackoff(stable_after=0)
    failure = ConnectionFailedError("nobody there")
    stable = connects_then(ConnectionFailedError("the line broke"))
    await played(Script(failure, failure, stable, failure), backoff)
    assert backoff.attempts == [0, 1, 0, 1]


async def test_the_wait_that_is_told_is_the_one_of_the_backoff() -> None:
    audience = await played(
        Script(ConnectionFailedError("nobody there")), NotedBackoff(wait=0.003)
    )
    assert [delay for _, delay in audience.losses] == [0.003]


@pytest.mark.parametrize(
    ("own_wait", "retry_after", "expected"),
    [(0.001, 0.004, 0.004), (0.004, 0.001, 0.004), (0.002, None, 0.002)],
)
async def test_the_other_side_may_ask_for_a_longer_wait(
    own_wait: float, retry_after: float | None, expected: float
) -> None:
    failure = ConnectionFailedError("too many calls", retry_after=retry_after)
    audience = await played(Script(failure), NotedBackoff(wait=own_wait))
    assert audience.losses == [(failure, expected)]


async def test_refused_credentials_are_renewed_silently() -> None:
    script = Script(
        fails(CredentialsRefusedError("rotated")),
        connects_then(ConnectionFailedError("the line broke")),
    )
    audience = await played(script)
    assert script.renewals == [False, True, False]
    assert audience.told[:4] == ["connecting", "connecting", "connected", "lost"]


async def test_fresh_credentials_that_are_refused_too_end_it() -> None:
    refusal = CredentialsRefusedError("revoked")
    script = Script(fails(CredentialsRefusedError("rotated")), fails(refusal))
    audience = await played(script)
    assert script.renewals == [False, True]
    assert audience.refusals == [refusal]
    assert audience.losses == []


async def test_every_later_rotation_is_renewed_again() -> None:
    refused = fails(CredentialsRefusedError("rotated"))
    works = connects_then(ConnectionFailedError("the line broke"))
    script = Script(refused, works, refused, works)
    audience = await played(script)
    assert script.renewals == [False, True, False, True, False]
    assert len(audience.refusals) == 1
    assert isinstance(audience.refusals[0], AccountRefusedError)


async def test_a_vendor_that_is_away_when_asked_for_a_renewal_is_asked_again() -> None:
    """The user is only asked when fresh credentials were refused, not when there were none."""
    vendor = iter([ConnectionFailedError("the vendor is away"), None])
    works = connects_then(AccountRefusedError("seen to work"))
    is_fresh = False

    async def open_stream(renew: bool) -> Stream:
        nonlocal is_fresh
        if renew:
            if (failure := next(vendor)) is not None:
                raise failure
            is_fresh = True
        return PlayedStream(
            works if is_fresh else fails(CredentialsRefusedError("old"))
        )

    audience = Audience()
    async with asyncio.timeout(10):
        await Supervisor(open_stream, audience, NotedBackoff()).run()
    assert [str(error) for error in audience.refusals] == ["seen to work"]


async def test_a_stream_that_is_refused_after_each_connection_is_left_alone() -> None:
    """It would be connected and thrown out as fast as the line allows."""
    refusal = CredentialsRefusedError("may connect, may not read")
    script = Script(*[connects_then(refusal)] * 20)
    audience = await played(script)
    assert script.renewals == [False, True]
    assert audience.refusals == [refusal]


@pytest.mark.parametrize("where", ["opening", "connecting", "connected"])
async def test_a_refused_account_ends_it(where: str) -> None:
    refusal = AccountRefusedError("blocked")
    acts: dict[str, Act | BaseException] = {
        "opening": refusal,
        "connecting": fails(refusal),
        "connected": connects_then(refusal),
    }
    script = Script(acts[where])
    audience = await played(script)
    assert audience.refusals == [refusal]
    assert audience.losses == []
    assert len(script.renewals) == 1


async def test_a_missing_source_is_tried_slowly_with_fresh_details() -> None:
    gone = SourceGoneError("Operator_1.Q")
    backoff = NotedBackoff(wait=0, slow_wait=0.002)
    script = Script(
        fails(gone), fails(gone), connects_then(ConnectionFailedError("the line broke"))
    )
    audience = await played(script, backoff)
    assert script.renewals == [False, True, True, False]
    assert backoff.attempts == ["slow", "slow", 0]
    assert audience.losses[:2] == [(gone, 0.002), (gone, 0.002)]
    assert gone.source == "Operator_1.Q"


@pytest.mark.parametrize(
    "act",
    [
        ValueError("opening"),
        fails(KeyError("connecting")),
        connects_then(ZeroDivisionError("connected")),
        fails(TimeoutError()),
    ],
    ids=["opening", "connecting", "connected", "timeout"],
)
async def test_what_nobody_foresaw_is_logged_and_survived(
    act: Act | BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script(act, connects_then(ConnectionFailedError("the line broke")))
    audience = await played(script)
    assert audience.told.count("connected") >= 1
    assert len(audience.losses) == 2
    assert isinstance(audience.losses[0][0], ConnectionFailedError)
    assert [record.levelno for record in caplog.records if record.exc_info] == [
        logging.ERROR
    ]


async def test_a_stream_that_merely_ends_is_run_again() -> None:
    audience = await played(Script(connects_then(None), connects_then(None)))
    assert audience.told.count("connected") == 2
    assert [type(error) for error, _ in audience.losses] == [ConnectionFailedError] * 2


async def test_cancelling_closes_the_stream_that_runs() -> None:
    is_running, closed = asyncio.Event(), asyncio.Event()

    async def act(observer: StreamObserver) -> None:
        observer.connected(0)
        is_running.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            closed.set()

    audience = Audience()
    supervisor = Supervisor(Script(act).open_stream, audience, NotedBackoff())
    task = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(10):
        await is_running.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert task.cancelled()
    assert closed.is_set()
    assert audience.told == ["connecting", "connected"]


@pytest.mark.parametrize(
    "instead",
    [
        ConnectionFailedError("expected 'channel.open'"),
        CredentialsRefusedError("refused"),
        SourceGoneError("queue"),
        RuntimeError("of the library"),
        None,
    ],
    ids=repr,
)
async def test_a_cancellation_that_a_library_replaces_is_not_lost(
    instead: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    is_running = asyncio.Event()

    async def act(_observer: StreamObserver) -> None:
        is_running.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError as err:
            if instead is not None:
                raise instead from err

    audience, script = Audience(), Script(act)
    supervisor = Supervisor(script.open_stream, audience, NotedBackoff())
    task = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(10):
        await is_running.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert task.cancelled()
    assert audience.told == ["connecting"]
    assert len(script.renewals) == 1
    assert not caplog.records


async def test_cancelling_ends_the_wait_for_the_next_attempt() -> None:
    script = Script(ConnectionFailedError("nobody there"))
    audience = Audience()
    supervisor = Supervisor(script.open_stream, audience, NotedBackoff(wait=3600))
    task = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(10):
        await audience.lost_once.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert task.cancelled()
    assert len(script.renewals) == 1


@given(
    attempt=st.integers(0, 100_000),
    initial=st.floats(0.001, 10),
    maximum=st.floats(0.001, 1000),
)
def test_a_wait_stays_under_a_bound_that_doubles(
    attempt: int, initial: float, maximum: float
) -> None:
    backoff = Backoff(initial=initial, maximum=maximum)
    assert 0 <= backoff.delay(attempt) <= maximum
    if attempt < 20:
        assert backoff.delay(attempt) <= initial * 2**attempt


@given(maximum=st.floats(0.001, 1000))
def test_a_slow_wait_is_never_a_short_one(maximum: float) -> None:
    assert maximum / 2 <= Backoff(maximum=maximum).slow_delay() <= maximum


def test_by_default_waits_go_from_a_second_to_five_minutes() -> None:
    """With jitter over the whole range, so that many installations do not come at once."""
    backoff = Backoff()
    draws = 500
    first = [backoff.delay(0) for _ in range(draws)]
    late = [backoff.delay(50) for _ in range(draws)]
    assert max(first) <= 1
    assert 250 < max(late) <= 300
    assert min(late) < 50
    assert backoff.stable_after == 60


async def test_a_refusal_after_a_stable_connection_is_met_with_a_renewal_again() -> (
    None
):
    script = Script(
        fails(CredentialsRefusedError("rotated")),
        connects_then(CredentialsRefusedError("rotated again, a day later")),
        connects_then(ConnectionFailedError("the line broke")),
    )
    await played(script, NotedBackoff(stable_after=0))
    assert script.renewals == [False, True, True, False]
