"""Whoever calls the webhook hears 202 only when what it brought would survive a power cut."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
import logging
from typing import override

import pytest

from custom_components.ev_streams.stream import webhook
from custom_components.ev_streams.stream.delivery import Delivery, Receiver
from custom_components.ev_streams.stream.errors import StreamError
from custom_components.ev_streams.stream.supervisor import SourceState
from custom_components.ev_streams.stream.webhook import WebhookStream

GOOD = {"X-Signature": "good", "X-Timestamp": "2026-11-20T05:01:02Z"}
BODY = b'{"notification":"BootNotification"}'
LARGEST = 262_144


class Ledger(Receiver):
    """Keeps what it is given; `is_prompt` acknowledges at once, else `settle` does."""

    def __init__(self) -> None:
        self.taken: list[Delivery] = []
        self.is_prompt = True
        self.is_settled = False
        self.can_settle = True
        self.arrived = asyncio.Event()

    @override
    def handle(self, delivery: Delivery) -> None:
        self.taken.append(delivery)
        self.arrived.set()
        if self.is_prompt:
            delivery.ack()

    @override
    async def settle(self) -> None:
        self.is_settled = True
        if self.can_settle:
            for each in self.taken:
                each.ack()


class Observer:
    """Remembers what it is told of the connection."""

    def __init__(self) -> None:
        self.backlogs: list[int | None] = []
        self.is_connected = asyncio.Event()

    def connecting(self) -> None: ...

    def connected(self, backlog: int | None) -> None:
        self.backlogs.append(backlog)
        self.is_connected.set()

    def watched(self, state: SourceState) -> None: ...

    def lost(self, error: StreamError, retry_in: float) -> None: ...

    def refused(self, error: StreamError) -> None: ...


def verified(headers: Mapping[str, str], _body: bytes) -> bool:
    """Whether the signature is the good one; header names are in lower case."""
    return headers.get("x-signature") == "good"


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def stream(ledger: Ledger) -> WebhookStream:
    return WebhookStream(ledger, verified)


@asynccontextmanager
async def running(stream: WebhookStream) -> AsyncIterator[None]:
    """Let it run; ends it as the coordinator does, by cancelling."""
    observer = Observer()
    task = asyncio.create_task(stream.run(observer))
    await observer.is_connected.wait()
    assert observer.backlogs == [None]
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_good_call_is_delivered_and_accepted(
    stream: WebhookStream, ledger: Ledger
) -> None:
    async with running(stream):
        assert await stream.receive(GOOD, BODY) == 202
    (delivery,) = ledger.taken
    assert delivery.body == BODY
    assert delivery.address == "webhook"
    assert delivery.is_awaited
    assert delivery.headers == {
        "x-signature": "good",
        "x-timestamp": "2026-11-20T05:01:02Z",
    }


async def test_nothing_is_accepted_before_it_is_kept(
    stream: WebhookStream, ledger: Ledger
) -> None:
    ledger.is_prompt = False
    async with running(stream):
        call = asyncio.create_task(stream.receive(GOOD, BODY))
        await ledger.arrived.wait()
        await asyncio.sleep(0)
        assert not call.done()
        ledger.taken[0].ack()
        assert await call == 202


async def test_what_is_not_kept_in_time_is_to_come_again(
    stream: WebhookStream, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "ACK_TIMEOUT", 0.01)
    ledger.is_prompt = False
    async with running(stream):
        assert await stream.receive(GOOD, BODY) == 503
        # It is kept in the end: nobody waits any more, and nothing breaks.
        ledger.taken[0].ack()
        ledger.taken[0].ack()
        ledger.is_prompt = True
        assert await stream.receive(GOOD, BODY) == 202


async def test_before_it_runs_and_after_calls_are_to_come_again(
    stream: WebhookStream, ledger: Ledger
) -> None:
    assert await stream.receive(GOOD, BODY) == 503
    async with running(stream):
        pass
    assert await stream.receive(GOOD, BODY) == 503
    assert ledger.taken == []


async def test_at_the_end_what_came_is_kept_and_answered(
    stream: WebhookStream, ledger: Ledger
) -> None:
    ledger.is_prompt = False
    async with running(stream):
        call = asyncio.create_task(stream.receive(GOOD, BODY))
        await ledger.arrived.wait()
    assert ledger.is_settled
    assert await call == 202


async def test_at_the_end_what_cannot_be_kept_is_to_come_again(
    stream: WebhookStream, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is told so at once, and not when its patience is over.
    monkeypatch.setattr(webhook, "ACK_TIMEOUT", 3600.0)
    ledger.is_prompt = ledger.can_settle = False
    async with running(stream):
        call = asyncio.create_task(stream.receive(GOOD, BODY))
        await ledger.arrived.wait()
    assert await call == 503


async def test_the_end_waits_for_a_disk_that_hangs_but_not_for_ever(
    stream: WebhookStream, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "ACK_TIMEOUT", 0.05)
    monkeypatch.setattr(ledger, "settle", asyncio.Event().wait)
    ledger.is_prompt = False
    async with running(stream):
        call = asyncio.create_task(stream.receive(GOOD, BODY))
        await ledger.arrived.wait()
    assert await call == 503


@pytest.mark.parametrize(
    ("headers", "body", "status", "reason"),
    [
        (GOOD, b"{" + b" " * LARGEST + b"}", 413, "too_large"),
        ({"X-Signature": "bad"}, BODY, 401, "not_signed"),
        ({}, BODY, 401, "not_signed"),
        (GOOD, b"", 400, "not_json"),
        (GOOD, b"{", 400, "not_json"),
        (GOOD, b'"\xff"', 400, "not_json"),
        (GOOD, b"[]", 400, "not_an_object"),
        (GOOD, b"4", 400, "not_an_object"),
        # Size before signature, signature before JSON.
        ({}, b" " * (LARGEST + 1), 413, "too_large"),
        ({}, b"{", 401, "not_signed"),
    ],
)
async def test_a_call_that_is_no_use_is_refused_and_counted(
    stream: WebhookStream,
    ledger: Ledger,
    headers: Mapping[str, str],
    body: bytes,
    status: int,
    reason: str,
) -> None:
    async with running(stream):
        assert await stream.receive(headers, body) == status
    assert stream.refused == {reason: 1}
    assert ledger.taken == []


async def test_the_largest_body_is_taken(stream: WebhookStream) -> None:
    async with running(stream):
        assert await stream.receive(GOOD, b"{}".ljust(LARGEST)) == 202


@pytest.mark.parametrize("name", ["x-signature", "X-SIGNATURE", "X-Signature"])
async def test_the_case_of_a_header_does_not_matter(
    stream: WebhookStream, name: str
) -> None:
    async with running(stream):
        assert await stream.receive({name: "good"}, BODY) == 202


async def test_refusals_are_logged_once_an_hour_without_what_was_sent(
    stream: WebhookStream,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lines() -> list[str]:
        return [
            each.message for each in caplog.records if each.name == webhook.__name__
        ]

    async with running(stream):
        for _ in range(3):
            await stream.receive({"X-Signature": "s3cr3t"}, b'{"idTag":"04A1B2C3"}')
        await stream.receive(GOOD, b"04A1B2C3")
        assert stream.refused == {"not_signed": 3, "not_json": 1}
        assert len(lines()) == 2
        assert all(each.levelno == logging.WARNING for each in caplog.records)
        assert not [each for each in lines() if "s3cr3t" in each or "04A1" in each]
        # The hour is over.
        monkeypatch.setattr(webhook, "LOG_AGAIN_AFTER", 0.0)
        await stream.receive({}, BODY)
        assert len(lines()) == 3


async def test_of_many_at_once_some_are_to_come_again(
    stream: WebhookStream, ledger: Ledger
) -> None:
    ledger.is_prompt = False
    async with running(stream):
        calls = [asyncio.create_task(stream.receive(GOOD, BODY)) for _ in range(100)]
        while len(ledger.taken) < 100:
            await asyncio.sleep(0)
        assert await stream.receive(GOOD, BODY) == 503
        for each in ledger.taken:
            each.ack()
        assert await asyncio.gather(*calls) == [202] * 100
        ledger.is_prompt = True
        assert await stream.receive(GOOD, BODY) == 202


async def test_a_caller_that_hangs_up_leaves_its_place(
    stream: WebhookStream, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "AT_ONCE", 1)
    ledger.is_prompt = False
    async with running(stream):
        call = asyncio.create_task(stream.receive(GOOD, BODY))
        await ledger.arrived.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        ledger.taken[0].ack()
        ledger.is_prompt = True
        assert await stream.receive(GOOD, BODY) == 202


async def test_a_failure_of_ours_never_becomes_a_200(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_headers: Mapping[str, str], _body: bytes) -> bool:
        raise RuntimeError

    stream = WebhookStream(ledger, broken)
    async with running(stream):
        assert await stream.receive(GOOD, BODY) == 500
    assert "could not be handled" in caplog.text
