"""The energy sensor: the meter that comes once an hour, at the pace of the session's counter."""

from datetime import UTC, datetime, timedelta

from homeassistant.core import HomeAssistant
import pytest

from custom_components.ev_streams import commit
from custom_components.ev_streams.coordinator import EvStreamsConfigEntry
from simulator.easee import EaseeAccount, EaseeCloud
from simulator.easee.observations import ObservationValue
from simulator.rabbitmq import Administrator

from .helpers import (
    SERIAL,
    add_account,
    entity_id,
    marker,
    measured,
    queue_is_empty,
    record_states,
    session_start,
    session_stop,
    state,
    wait_for_number,
    wait_live,
)

MINUTE = timedelta(minutes=1)
LIFETIME_ENERGY, SESSION_ENERGY = 124, 121
METER = 2000.0


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit within moments: the pace is no matter here."""
    monkeypatch.setattr(commit, "LIVE_PERIOD", 0.1)


@pytest.fixture
def begin() -> datetime:
    """Return when the charging began."""
    return datetime.now(UTC).replace(microsecond=0) - 4 * MINUTE


@pytest.fixture
async def entry(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> EvStreamsConfigEntry:
    """Add an account of which the vendor's API knows no values."""
    account.chargers[SERIAL].observations.clear()
    return await add_account(hass, cloud, account)


async def tell(
    account: EaseeAccount,
    begin: datetime,
    *values: tuple[float, int, ObservationValue],
) -> None:
    """Publish (minutes after the beginning, observation, value)."""
    told = [
        measured(begin + minutes * MINUTE, observation_id, value)
        for minutes, observation_id, value in values
    ]
    await account.publish_many(SERIAL, told, remember=False)


def shown(hass: HomeAssistant) -> float:
    return float(state(hass, SERIAL, "energy").state)


async def test_energy_follows_the_session_at_once(
    hass: HomeAssistant,
    account: EaseeAccount,
    entry: EvStreamsConfigEntry,
    begin: datetime,
) -> None:
    """While the lifetime energy still says what it was on the hour, this one has moved on."""
    await tell(account, begin, (0, SESSION_ENERGY, 5.0), (0, LIFETIME_ENERGY, METER))
    await wait_for_number(hass, SERIAL, "energy", METER)
    for minutes, grown in ((1, 0.05), (1.5, 0.125), (2, 0.3), (2.5, 0.4)):
        await tell(account, begin, (minutes, SESSION_ENERGY, 5.0 + grown))
        await wait_for_number(hass, SERIAL, "energy", METER + grown)
        assert float(state(hass, SERIAL, "lifetime_energy").state) == METER
    await tell(account, begin, (3, LIFETIME_ENERGY, METER + 0.45))
    await wait_for_number(hass, SERIAL, "energy", METER + 0.45)
    await tell(account, begin, (3, SESSION_ENERGY, 5.45), (3.5, SESSION_ENERGY, 5.55))
    await wait_for_number(hass, SERIAL, "energy", METER + 0.55)


async def test_session_of_which_only_the_counter_tells(
    hass: HomeAssistant,
    account: EaseeAccount,
    entry: EvStreamsConfigEntry,
    begin: datetime,
) -> None:
    """A counter that begins again is a session of its own, counted from its beginning."""
    await tell(account, begin, (0, SESSION_ENERGY, 5.0), (0, LIFETIME_ENERGY, METER))
    for minutes, counted in ((1, 0.05), (2, 0.125), (3, 0.3)):
        await tell(account, begin, (minutes, SESSION_ENERGY, counted))
        await wait_for_number(hass, SERIAL, "energy", METER + counted)


async def test_session_begins_where_its_start_says(
    hass: HomeAssistant,
    account: EaseeAccount,
    entry: EvStreamsConfigEntry,
    begin: datetime,
) -> None:
    """A start names the meter to the moment: the register of the last hour is not needed."""
    await account.publish_many(SERIAL, [session_start(435, begin, METER)])
    await tell(account, begin, (1, SESSION_ENERGY, 0.25))
    await wait_for_number(hass, SERIAL, "energy", METER + 0.25)


async def test_zero_in_between_changes_nothing(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    begin: datetime,
) -> None:
    """A counter that says 0 amid a session has neither fallen nor begun again."""
    seen = record_states(hass, entity_id(hass, SERIAL, "energy"))
    await account.publish_many(SERIAL, [session_start(435, begin, METER)])
    told: list[tuple[float, int, ObservationValue]] = []
    for step in range(1, 21):
        told.append((step / 10, SESSION_ENERGY, step / 50))
        if step % 3 == 0:
            told += [(step / 10 + n / 100, SESSION_ENERGY, 0) for n in (3, 5)]
    await tell(account, begin, *told)
    await wait_for_number(hass, SERIAL, "energy", METER + 0.4)
    await marker(hass, account)(38)
    expected = [METER, *(METER + step / 50 for step in range(1, 21))]
    assert [float(each) for each in seen] == pytest.approx(expected)


async def test_stop_corrects_what_was_reckoned(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    begin: datetime,
) -> None:
    """The meter has the last word, up at once, and down by standing still until it is reached."""
    seen = record_states(hass, entity_id(hass, SERIAL, "energy"))
    first = begin + MINUTE
    await account.publish_many(SERIAL, [session_start(435, begin, METER)])
    await tell(account, begin, (0.5, SESSION_ENERGY, 0.25))
    await wait_for_number(hass, SERIAL, "energy", METER + 0.25)
    stop = session_stop(435, begin, first, 0.3125, meter=METER)
    await account.publish_many(SERIAL, [stop])
    await wait_for_number(hass, SERIAL, "energy", METER + 0.3125)

    meter = METER + 0.3125
    second, last = begin + 2 * MINUTE, begin + 3 * MINUTE
    await account.publish_many(SERIAL, [session_start(436, second, meter)])
    await tell(account, begin, (2.5, SESSION_ENERGY, 0.25))
    await wait_for_number(hass, SERIAL, "energy", meter + 0.25)
    stop = session_stop(436, second, last, 0.21875, meter=meter)
    await account.publish_many(SERIAL, [stop])
    await queue_is_empty(administrator, account)
    assert shown(hass) == meter + 0.25
    await account.publish_many(SERIAL, [session_start(437, last, meter + 0.21875)])
    await tell(account, begin, (3.5, SESSION_ENERGY, 0.125))
    await wait_for_number(hass, SERIAL, "energy", meter + 0.21875 + 0.125)
    numbers = [float(each) for each in seen]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("is_away", [False, True])
async def test_restart_amid_a_session_loses_and_doubles_nothing(
    hass: HomeAssistant,
    account: EaseeAccount,
    administrator: Administrator,
    entry: EvStreamsConfigEntry,
    begin: datetime,
    is_away: bool,
) -> None:
    """It goes on from what it showed, with all that flowed meanwhile."""
    seen = record_states(hass, entity_id(hass, SERIAL, "energy"))
    await account.publish_many(SERIAL, [session_start(435, begin, METER)])
    await tell(account, begin, (0.5, SESSION_ENERGY, 0.25), (1, SESSION_ENERGY, 0.5))
    await wait_for_number(hass, SERIAL, "energy", METER + 0.5)
    await hass.config_entries.async_unload(entry.entry_id)
    if is_away:
        again = (1, SESSION_ENERGY, 0.5)
        await tell(account, begin, again, again, (1.5, SESSION_ENERGY, 0.75))
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    await wait_for_number(hass, SERIAL, "energy", METER + (0.75 if is_away else 0.5))
    # The counter's first zero after a restart is as spurious as any.
    await tell(account, begin, (1.75, SESSION_ENERGY, 0), (2, SESSION_ENERGY, 1.0))
    await wait_for_number(hass, SERIAL, "energy", METER + 1)
    await account.publish_many(
        SERIAL, [session_stop(435, begin, begin + 2.5 * MINUTE, 1.25, meter=METER)]
    )
    await wait_for_number(hass, SERIAL, "energy", METER + 1.25)
    await queue_is_empty(administrator, account)
    numbers = [float(each) for each in seen if each != "unavailable"]
    assert numbers == sorted(numbers)
    assert numbers[-1] == METER + 1.25


async def test_restart_between_two_sessions(
    hass: HomeAssistant,
    account: EaseeAccount,
    entry: EvStreamsConfigEntry,
    begin: datetime,
) -> None:
    """A session of which only the counter tells is added to what flowed before the restart."""
    first = session_stop(435, begin, begin + MINUTE, 0.5, meter=METER)
    await account.publish_many(SERIAL, [session_start(435, begin, METER), first])
    await tell(account, begin, (1.1, SESSION_ENERGY, 0.5))
    await wait_for_number(hass, SERIAL, "energy", METER + 0.5)
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_live(hass, entry)
    await tell(account, begin, (2, SESSION_ENERGY, 0.125), (3, SESSION_ENERGY, 0.25))
    await wait_for_number(hass, SERIAL, "energy", METER + 0.75)


async def test_restart_between_two_registers(
    hass: HomeAssistant,
    account: EaseeAccount,
    entry: EvStreamsConfigEntry,
    begin: datetime,
) -> None:
    """What only the counter had told is not forgotten with the values it was made of."""
    await tell(account, begin, (0, SESSION_ENERGY, 5.0), (0, LIFETIME_ENERGY, METER))
    await tell(account, begin, (1, SESSION_ENERGY, 5.125), (2, SESSION_ENERGY, 5.25))
    await wait_for_number(hass, SERIAL, "energy", METER + 0.25)
    await hass.config_entries.async_reload(entry.entry_id)
    assert shown(hass) == METER + 0.25
    await wait_live(hass, entry)
    await tell(account, begin, (3, SESSION_ENERGY, 5.5))
    await wait_for_number(hass, SERIAL, "energy", METER + 0.5)
