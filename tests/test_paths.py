"""The path language finds what it says, and what it offers it finds again."""

import json
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.ev_streams.paths import (
    MISSING,
    MappingError,
    flatten,
    lookup,
    parse_path,
)

CAR = {
    "type": "status",
    "energies": [
        {"type": "Fuel", "level": 12},
        {"type": "Electric", "level": 80.5, "parts": [[1, 2], [3]]},
    ],
    "doors": {"front.left": True, "rear right": False, "a|b": 1, 'say "hi"': 2},
    "nothing": None,
    "modes": [{"id": 7, "on": True}, {"id": 8, "on": False}],
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("type", "status"),
        ("energies[0].level", 12),
        ("energies[-1].level", 80.5),
        ("energies[type=Electric].level", 80.5),
        ('energies[type="Electric"].level', 80.5),
        ("energies[1].parts[1][0]", 3),
        ("modes[id=8].on", False),
        ('doors["front.left"]', True),
        ('doors["rear right"]', False),
        ('doors["a|b"]', 1),
        ('doors["say \\"hi\\""]', 2),
        ("nothing", None),
        ("speed|type", "status"),
        ("speed | energies[0].level", 12),
        ("energies[5].level|energies[-5]|nothing", None),
    ],
)
def test_a_path_leads_to_its_value(path: str, expected: object) -> None:
    assert lookup(CAR, parse_path(path)) == expected


@pytest.mark.parametrize(
    "path",
    [
        "speed",
        "type.sub",
        "energies.level",
        "energies[2]",
        "energies[type=Hydrogen]",
        "energies[level=Electric]",
        "type[0]",
        "nothing.more",
        "doors.front",
    ],
)
def test_what_is_not_there_is_missing_and_not_null(path: str) -> None:
    assert lookup(CAR, parse_path(path)) is MISSING


@pytest.mark.parametrize("content", ["a text", 42, True, None, [1], {"a": 1}])
def test_the_content_itself_has_a_path(content: object) -> None:
    assert lookup(content, parse_path("$")) == content


@pytest.mark.parametrize(
    "path",
    [
        "a..b",
        ".a",
        "a.",
        "a|",
        "|a",
        "a[",
        "a[]",
        "a[x]",
        "a]b",
        "a b",
        "a=b",
        '["a',
        "$.a",
        "a[0]b",
        "a." * 40 + "a",
        "a" * 501,
        "[99999999]",
    ],
)
def test_nonsense_is_refused(path: str) -> None:
    with pytest.raises(MappingError) as caught:
        parse_path(path)
    assert caught.value.reason == "bad_path"


def test_the_values_of_a_content_are_offered_with_readable_paths() -> None:
    assert {sample.path: sample.value for sample in flatten(CAR)} == {
        "type": "status",
        "energies[type=Fuel].type": "Fuel",
        "energies[type=Fuel].level": 12,
        "energies[type=Electric].type": "Electric",
        "energies[type=Electric].level": 80.5,
        "energies[type=Electric].parts[0][0]": 1,
        "energies[type=Electric].parts[0][1]": 2,
        "energies[type=Electric].parts[1][0]": 3,
        'doors["front.left"]': True,
        'doors["rear right"]': False,
        'doors["a|b"]': 1,
        'doors["say \\"hi\\""]': 2,
        "nothing": None,
        "modes[0].id": 7,
        "modes[0].on": True,
        "modes[1].id": 8,
        "modes[1].on": False,
    }


def test_elements_that_say_the_same_of_themselves_are_told_apart_by_place() -> None:
    content = [{"type": "a", "n": 1}, {"type": "a", "n": 2}, {"type": "b", "n": 3}]
    assert {sample.path: sample.value for sample in flatten(content)} == {
        "[0].type": "a",
        "[0].n": 1,
        "[1].type": "a",
        "[1].n": 2,
        "[type=b].type": "b",
        "[type=b].n": 3,
    }


def test_a_scalar_is_offered_as_a_whole() -> None:
    (sample,) = flatten(12_345)
    assert (sample.path, sample.value) == ("$", 12_345)


def test_no_more_is_offered_than_one_can_look_through() -> None:
    assert len(flatten(list(range(1000)))) == 200


def test_depth_is_bounded() -> None:
    content: Any = 1
    for _ in range(500):
        content = [content]
    assert flatten(content) == []


@given(JSON)
def test_whatever_is_offered_is_found_again(content: object) -> None:
    for sample in flatten(content):
        assert lookup(content, parse_path(sample.path)) == sample.value


@given(st.text(max_size=60), JSON)
def test_no_text_makes_it_fail_in_another_way(text: str, content: object) -> None:
    try:
        path = parse_path(text)
    except MappingError:
        return
    lookup(content, path)


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.integers(), min_size=1))
def test_every_member_of_an_object_is_offered(content: dict[str, int]) -> None:
    found = {sample.value for sample in flatten(json.loads(json.dumps(content)))}
    assert found == set(content.values())
