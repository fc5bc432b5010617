"""How the value of each kind of observation is read, in all the forms it may take."""

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.ev_streams.model import BadInputError, Value
from custom_components.ev_streams.providers.easee.observations import OBSERVATIONS

SOFTWARE_RELEASE = 80
REBOOT_REASON = 89
CABLE_LOCKED = 103
CABLE_RATING = 104
TOKEN_REVERSED = 108
OP_MODE = 109
TOTAL_POWER = 120
TOKEN = 128
DISCONNECT_REASON = 251

REBOOT_BITS = (
    *("firewall_reset", "option_byte_loader", "pin_reset", "bor", "software"),
    *("independent_watchdog", "window_watchdog", "low_power", "brown_out"),
    "reboot_command",
)
BOOLEANS = (30, 31, 44, 102, 103, 250)
NUMBERS = (
    *(22, 23, 24, 47, 48, 50, 51, 52, 111, 112, 113),
    *(120, 121, 122, 124, 150, 182, 183, 184, 185),
    *(190, 191, 192, 193, 194, 195, 196),
)
WHOLE_NUMBERS = (80, 130, 132)
CODES = (21, 46, 96, 109, 110, 141, 146)


def read(observation_id: int, raw: object) -> Value:
    return OBSERVATIONS[observation_id].convert(raw)


def reason_of(observation_id: int, raw: object) -> str:
    with pytest.raises(BadInputError) as caught:
        read(observation_id, raw)
    return caught.value.reason


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        *((raw, True) for raw in (True, 1, 1.0, "1", "true", "True", "TRUE", " true ")),
        *((raw, False) for raw in (False, 0, 0.0, "0", "false", "False", "FALSE")),
    ],
)
def test_booleans(raw: object, expected: bool) -> None:
    for observation_id in BOOLEANS:
        assert read(observation_id, raw) is expected, observation_id


@pytest.mark.parametrize("raw", [2, -1, 0.5, "2"])
def test_other_numbers_are_no_booleans(raw: object) -> None:
    assert reason_of(CABLE_LOCKED, raw) == "not_a_boolean"


@pytest.mark.parametrize("raw", ["", "yes", "on", None, [], {}, [True]])
def test_what_is_no_boolean_at_all(raw: object) -> None:
    assert reason_of(CABLE_LOCKED, raw) == "not_a_number"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (7.31, 7.31),
        ("7.31", 7.31),
        (7, 7.0),
        ("7", 7.0),
        (-0.5, -0.5),
        (0, 0.0),
        ("1e2", 100.0),
    ],
)
def test_numbers(raw: object, expected: float) -> None:
    for observation_id in NUMBERS:
        value = read(observation_id, raw)
        assert value == expected, observation_id
        assert isinstance(value, float), observation_id


@pytest.mark.parametrize(
    "raw",
    [
        *("", "seven", "7,31", "0x10", "nan", "inf", "-inf", "1e999", None, True),
        *([7.31], {"a": 1}, float("nan"), float("inf"), 10**400),
    ],
)
def test_what_is_no_number(raw: object) -> None:
    assert reason_of(TOTAL_POWER, raw) == "not_a_number"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(5, 5), (5.0, 5), ("5", 5), ("5.0", 5), (-67, -67), ("-67", -67)],
)
def test_whole_numbers(raw: object, expected: int) -> None:
    for observation_id in WHOLE_NUMBERS:
        value = read(observation_id, raw)
        assert value == expected, observation_id
        assert isinstance(value, int), observation_id


@pytest.mark.parametrize("raw", [5.5, "5.5"])
def test_a_fraction_is_no_whole_number(raw: object) -> None:
    assert reason_of(SOFTWARE_RELEASE, raw) == "not_an_integer"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("DUPLICATE_CLIENTID", "DUPLICATE_CLIENTID"), ("", ""), (1234, "1234")],
)
def test_texts(raw: object, expected: str) -> None:
    assert read(DISCONNECT_REASON, raw) == expected
    assert read(TOKEN, raw) == expected


@pytest.mark.parametrize("raw", [None, True, [], {}])
def test_what_is_no_text(raw: object) -> None:
    assert reason_of(DISCONNECT_REASON, raw) == "not_a_text"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (32, 32.0),
        (32.0, 32.0),
        ("32", 32.0),
        (20000.0, 20.0),
        (20000, 20.0),
        ("20000", 20.0),
        (1000, 1.0),
        (999, 999.0),
        (0, 0.0),
    ],
)
def test_a_cable_rating_may_come_in_milliamperes(raw: object, expected: float) -> None:
    assert read(CABLE_RATING, raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        # Pairs of hexadecimal digits are bytes and change places whole.
        ("A1B2C3D4", "D4C3B2A1"),
        ("04", "04"),
        ("0429CA6E", "6ECA2904"),
        # Anything else is reversed by the letter.
        ("ABC", "CBA"),
        ("TAG-1", "1-GAT"),
        ("WXYZ", "ZYXW"),
        ("A1 B2", "2B 1A"),
        ("", ""),
        # A bare number is as good as its digits.
        (1234, "3412"),
    ],
)
def test_the_reversed_token_is_turned_round(raw: object, expected: str) -> None:
    assert read(TOKEN_REVERSED, raw) == expected


@given(st.text(max_size=40))
def test_a_token_loses_nothing_when_turned_round(token: str) -> None:
    turned = read(TOKEN_REVERSED, token)
    assert isinstance(turned, str)
    assert sorted(turned.casefold()) == sorted(token.casefold())


@given(st.binary(min_size=1, max_size=10))
def test_turning_a_token_of_bytes_twice_gives_the_token(token: bytes) -> None:
    sent = token.hex().upper()
    turned = read(TOKEN_REVERSED, sent)
    assert turned == token[::-1].hex().upper()
    assert read(TOKEN_REVERSED, turned) == sent


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (0, "none"),
        (1 << 4, "software"),
        (1 << 20, "reboot_command"),
        ((1 << 12) | (1 << 5) | (1 << 2), "brown_out, independent_watchdog, pin_reset"),
        ((1 << 8) | (1 << 1), "bit_8, option_byte_loader"),
        (1 << 31, "bit_31"),
        ("16", "software"),
        (16.0, "software"),
        (
            sum(1 << bit for bit in (0, 1, 2, 3, 4, 5, 6, 7, 12, 20)),
            ", ".join(sorted(REBOOT_BITS)),
        ),
    ],
)
def test_the_reboot_reason_is_a_mask_of_bits(raw: object, expected: str) -> None:
    assert read(REBOOT_REASON, raw) == expected


@pytest.mark.parametrize("raw", [-1, "-16"])
def test_a_negative_number_is_no_mask(raw: object) -> None:
    assert reason_of(REBOOT_REASON, raw) == "not_a_bit_mask"


@pytest.mark.parametrize("raw", [3, 3.0, "3", "3.0"])
def test_a_code_may_come_in_any_form_of_a_number(raw: object) -> None:
    assert read(OP_MODE, raw) == "charging"


@pytest.mark.parametrize("code", [7777, -7, 2**40])
def test_an_unknown_code_gives_a_word_of_its_own(code: int) -> None:
    for observation_id in CODES:
        assert read(observation_id, code) == f"unknown_{code}", observation_id


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("charging", "not_a_number"),
        (None, "not_a_number"),
        (True, "not_a_number"),
        (1.5, "not_an_integer"),
    ],
)
def test_what_is_no_code(raw: object, reason: str) -> None:
    for observation_id in CODES:
        assert reason_of(observation_id, raw) == reason, observation_id


JSON_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def outcome(observation_id: int, raw: object) -> Value | BadInputError:
    """The value, or why there is none."""
    try:
        return read(observation_id, raw)
    except BadInputError as err:
        return err


@given(observation_id=st.sampled_from(sorted(OBSERVATIONS)), raw=JSON_VALUES)
@settings(max_examples=1000)
def test_a_value_is_read_or_refused_with_a_reason(
    observation_id: int, raw: object
) -> None:
    result = outcome(observation_id, raw)
    if isinstance(result, BadInputError):
        assert result.reason.isidentifier()
        assert result.reason == result.reason.lower()
    else:
        assert isinstance(result, bool | int | float | str)


@pytest.mark.parametrize("observation_id", [108, 128, 251])
def test_a_text_fits_a_state(observation_id: int) -> None:
    shown = OBSERVATIONS[observation_id].convert("x" * 300)
    assert shown == "x" * 255


@pytest.mark.parametrize("mask", [2.0**1000, 2**40])
def test_a_reboot_reason_of_more_bits_than_there_are_is_refused(mask: float) -> None:
    with pytest.raises(BadInputError):
        OBSERVATIONS[89].convert(mask)


@pytest.mark.parametrize("raw", ["1_0", "\u0661\u0662", "0x10", "1e", "."])
def test_a_number_is_written_as_numbers_are(raw: str) -> None:
    with pytest.raises(BadInputError):
        OBSERVATIONS[120].convert(raw)


@pytest.mark.parametrize(
    ("raw", "expected"), [("-5", -5), ("+.5", 0.5), ("5.", 5), ("1e3", 1000)]
)
def test_a_number_may_be_written_in_any_usual_way(raw: str, expected: float) -> None:
    assert OBSERVATIONS[120].convert(raw) == expected
