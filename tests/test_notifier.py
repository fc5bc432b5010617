"""Exactly the listeners concerned are called, and the noisy ones not too often."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from custom_components.ev_streams.notifier import Notifier

CHARGER, OTHER = "EH123456", "EH654321"
POWER, ENERGY = "total_power", "session_energy"
# Seconds; long enough for a burst of calls to fall into one period.
PERIOD = 0.01


@pytest.fixture
def notifier() -> Iterator[Notifier]:
    notifier = Notifier()
    yield notifier
    notifier.close()


def calls_of(notifier: Notifier, *slots: tuple[str, str]) -> list[tuple[str, str]]:
    """Listen to each slot; returns the list that their calls are noted in."""
    calls: list[tuple[str, str]] = []

    def noted(slot: tuple[str, str]) -> Callable[[], None]:
        return lambda: calls.append(slot)

    for slot in slots:
        notifier.listen(*slot, noted(slot))
    return calls


def test_only_the_listeners_of_the_key_are_called(notifier: Notifier) -> None:
    calls = calls_of(notifier, (CHARGER, POWER), (CHARGER, ENERGY), (OTHER, POWER))
    notifier.notify(CHARGER, POWER)
    assert calls == [(CHARGER, POWER)]


def test_every_listener_of_the_key_is_called(notifier: Notifier) -> None:
    calls = calls_of(notifier, (CHARGER, POWER), (CHARGER, POWER))
    notifier.notify(CHARGER, POWER)
    assert calls == [(CHARGER, POWER)] * 2


def test_a_key_without_listeners_is_nobodys_business(notifier: Notifier) -> None:
    calls = calls_of(notifier, (CHARGER, POWER))
    notifier.notify(CHARGER, ENERGY)
    notifier.notify("nobody", POWER)
    notifier.notify_device("nobody")
    assert calls == []


def test_a_device_is_told_apart_from_others(notifier: Notifier) -> None:
    calls = calls_of(notifier, (CHARGER, POWER), (CHARGER, ENERGY), (OTHER, POWER))
    notifier.notify_device(CHARGER)
    assert sorted(calls) == [(CHARGER, ENERGY), (CHARGER, POWER)]


def test_all_means_all(notifier: Notifier) -> None:
    slots = [(CHARGER, ENERGY), (CHARGER, POWER), (OTHER, POWER)]
    calls = calls_of(notifier, *slots)
    notifier.notify_all()
    assert sorted(calls) == slots


def test_who_stopped_listening_is_left_alone(notifier: Notifier) -> None:
    left: list[str] = []
    stop = notifier.listen(CHARGER, POWER, lambda: left.append("left"))
    calls = calls_of(notifier, (CHARGER, POWER))
    stop()
    notifier.notify(CHARGER, POWER)
    notifier.notify_device(CHARGER)
    notifier.notify_all()
    assert left == []
    assert calls == [(CHARGER, POWER)] * 3


def test_one_listener_may_stand_for_two_places(notifier: Notifier) -> None:
    calls: list[str] = []

    def listener() -> None:
        calls.append("called")

    notifier.listen(CHARGER, POWER, listener)
    stop = notifier.listen(CHARGER, POWER, listener)
    stop()
    notifier.notify(CHARGER, POWER)
    assert calls == ["called"]


def test_who_stops_listening_when_called_costs_nobody_a_call(
    notifier: Notifier,
) -> None:
    calls: list[str] = []
    stops: dict[str, Callable[[], None]] = {}

    def called(name: str, stopped: str | None) -> Callable[[], None]:
        def listener() -> None:
            calls.append(name)
            if stopped is not None:
                stops.pop(stopped)()

        return listener

    stops["once"] = notifier.listen(CHARGER, POWER, called("once", "once"))
    stops["always"] = notifier.listen(CHARGER, POWER, called("always", None))
    notifier.notify(CHARGER, POWER)
    assert calls == ["once", "always"]
    notifier.notify(CHARGER, POWER)
    assert calls == ["once", "always", "always"]


@pytest.mark.parametrize("told", ["key", "device", "all"])
def test_who_begins_to_listen_when_others_are_called_is_called_from_then_on(
    notifier: Notifier, told: str
) -> None:
    calls: list[str] = []

    def newcomer() -> None:
        calls.append("newcomer")

    def listener() -> None:
        calls.append("listener")
        if len(calls) == 1:
            notifier.listen(CHARGER, ENERGY, newcomer)

    notifier.listen(CHARGER, POWER, listener)
    tell: dict[str, Callable[[], None]] = {
        "key": partial(notifier.notify, CHARGER, POWER),
        "device": partial(notifier.notify_device, CHARGER),
        "all": notifier.notify_all,
    }
    tell[told]()
    assert calls[0] == "listener"
    calls.clear()
    notifier.notify(CHARGER, ENERGY)
    assert calls == ["newcomer"]


async def test_of_a_burst_the_first_and_the_last_are_shown(notifier: Notifier) -> None:
    value = 0
    shown: list[int] = []
    shown_twice = asyncio.Event()

    def show() -> None:
        shown.append(value)
        if len(shown) == 2:
            shown_twice.set()

    notifier.listen(CHARGER, POWER, show)
    for value in range(1, 6):  # noqa: B007 (the listener reads it)
        notifier.notify_gently(CHARGER, POWER, PERIOD)
    assert shown == [1]
    async with asyncio.timeout(10):
        await shown_twice.wait()
    assert shown == [1, 5]


async def test_a_single_value_is_shown_once(notifier: Notifier) -> None:
    calls = calls_of(notifier, (CHARGER, POWER))
    notifier.notify_gently(CHARGER, POWER, PERIOD)
    await asyncio.sleep(2 * PERIOD)
    assert calls == [(CHARGER, POWER)]
    notifier.notify_gently(CHARGER, POWER, PERIOD)
    assert calls == [(CHARGER, POWER)] * 2


async def test_what_follows_a_burst_is_held_back_too(notifier: Notifier) -> None:
    """The last of a burst opens a period of its own."""
    held_back = asyncio.Event()
    calls: list[str] = []

    def listener() -> None:
        calls.append("called")
        if len(calls) == 2:
            notifier.notify_gently(CHARGER, POWER, PERIOD)
            held_back.set()

    notifier.listen(CHARGER, POWER, listener)
    notifier.notify_gently(CHARGER, POWER, PERIOD)
    notifier.notify_gently(CHARGER, POWER, PERIOD)
    async with asyncio.timeout(10):
        await held_back.wait()
    assert calls == ["called"] * 2


async def test_one_key_does_not_hold_back_another(notifier: Notifier) -> None:
    slots = [(CHARGER, POWER), (CHARGER, ENERGY), (OTHER, POWER)]
    calls = calls_of(notifier, *slots)
    for slot in slots * 2:
        notifier.notify_gently(*slot, PERIOD)
    assert calls == slots


async def test_what_is_urgent_is_not_held_back(notifier: Notifier) -> None:
    calls = calls_of(notifier, (CHARGER, POWER))
    notifier.notify_gently(CHARGER, POWER, PERIOD)
    notifier.notify(CHARGER, POWER)
    assert calls == [(CHARGER, POWER)] * 2


async def test_nothing_comes_after_close(notifier: Notifier) -> None:
    calls = calls_of(notifier, (CHARGER, POWER))
    notifier.notify_gently(CHARGER, POWER, PERIOD)
    notifier.notify_gently(CHARGER, POWER, PERIOD)
    notifier.close()
    await asyncio.sleep(2 * PERIOD)
    assert calls == [(CHARGER, POWER)]
