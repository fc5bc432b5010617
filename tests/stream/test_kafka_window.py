"""What may be committed is what was acknowledged without a gap."""

from collections.abc import Callable

from hypothesis import given, strategies as st

from custom_components.ev_streams.stream.kafka_window import Place, Window


def place(offset: int) -> Place:
    return Place(offset=offset, leader_epoch=7)


def tracked(
    window: Window[str], partition: str, count: int
) -> list[Callable[[], None]]:
    """Deliveries 0, 1, … of a partition; the next after each is one higher."""
    return [window.track(partition, place(number + 1)) for number in range(count)]


def test_nothing_is_due_before_anything_is_acknowledged() -> None:
    window: Window[str] = Window()
    tracked(window, "a", 3)
    window.collect()
    assert window.due() == {}
    assert window.outstanding == 3


@given(order=st.permutations(range(6)), count=st.integers(0, 6))
def test_in_whatever_order_only_what_has_no_gap_is_due(
    order: list[int], count: int
) -> None:
    window: Window[str] = Window()
    acks = tracked(window, "a", 6)
    acknowledged = set(order[:count])
    for number in order[:count]:
        acks[number]()
    window.collect()
    reached = next(n for n in range(7) if n not in acknowledged)
    assert window.due() == ({"a": place(reached)} if reached else {})
    assert window.outstanding == 6 - reached


def test_partitions_do_not_wait_for_each_other() -> None:
    window: Window[str] = Window()
    first, second = tracked(window, "a", 2), tracked(window, "b", 2)
    first[1]()
    second[0]()
    window.collect()
    assert window.due() == {"b": place(1)}


def test_what_is_committed_is_not_due_again() -> None:
    window: Window[str] = Window()
    acks = tracked(window, "a", 2)
    acks[0]()
    window.collect()
    window.committed(window.due())
    assert window.due() == {}
    acks[1]()
    window.collect()
    assert window.due() == {"a": place(2)}


def test_an_acknowledgement_of_a_partition_that_went_is_without_effect() -> None:
    window: Window[str] = Window()
    late = tracked(window, "a", 1)[0]
    window.forget(["a"])
    assert window.outstanding == 0
    again = tracked(window, "a", 1)[0]
    late()
    window.collect()
    assert window.due() == {}
    again()
    window.collect()
    assert window.due() == {"a": place(1)}


def test_the_thread_is_woken_by_an_acknowledgement() -> None:
    window: Window[str] = Window()
    ack = tracked(window, "a", 1)[0]
    assert not window.news.is_set()
    ack()
    assert window.news.is_set()
    window.collect()
    assert not window.news.is_set()
