"""What an action cannot do is said to the user, with the reason."""

from datetime import UTC, datetime, timedelta

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ev_streams.const import DOMAIN
from simulator.easee import EaseeAccount, EaseeCloud

from .actions import (
    SESSION_START,
    SESSION_STOP,
    SIGNED_SESSION,
    device,
    get_sessions,
    hours_ago,
    publish_session,
)
from .helpers import SERIAL, add_account, marker


@pytest.fixture
def account(account: EaseeAccount) -> EaseeAccount:
    """An account with a charger that has never charged."""
    for observation in (SESSION_START, SESSION_STOP, SIGNED_SESSION):
        del account.chargers[SERIAL].observations[observation]
    return account


@pytest.mark.parametrize(
    "start", ["1970-01-01 00:00:00", "0001-01-01 00:00:00", "0001-01-01T00:00:00Z"]
)
async def test_import_reaches_five_years_back(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount, start: str
) -> None:
    """Further is refused before anybody is asked, at the end of the calendar as well."""
    await hass.config.async_set_time_zone("Europe/Oslo")
    entry = await add_account(hass, cloud, account)
    with pytest.raises(ServiceValidationError) as refused:
        await hass.services.async_call(
            DOMAIN,
            "import_history",
            {"device_id": device(hass, entry, SERIAL), "from": start},
            blocking=True,
        )
    assert refused.value.translation_key == "too_far_back"


async def test_sessions_since_ever(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A period from the first day of the calendar to its last has all of them."""
    await hass.config.async_set_time_zone("Europe/Oslo")
    entry = await add_account(hass, cloud, account)
    await publish_session(account, 435, hours_ago(5), hours_ago(4))
    await marker(hass, account)(38)
    told = await get_sessions(
        hass,
        device(hass, entry, SERIAL),
        **{"from": "0001-01-01 00:00:00", "to": "9999-12-31 23:59:59"},
    )
    assert [each["session_id"] for each in told["sessions"]] == ["435"]


@pytest.mark.parametrize("action", ["get_sessions", "import_history"])
async def test_strange_devices_are_refused(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount, action: str
) -> None:
    """A device that does not exist or belongs to others is named in the answer."""
    await add_account(hass, cloud, account)
    foreign = MockConfigEntry(domain="other")
    foreign.add_to_hass(hass)
    theirs = dr.async_get(hass).async_get_or_create(
        config_entry_id=foreign.entry_id,
        identifiers={("other", SERIAL)},
        name="Somebody's",
    )
    named = {"no such device": "no such device", theirs.id: "Somebody's"}
    for device_id, name in named.items():
        with pytest.raises(ServiceValidationError) as refused:
            await hass.services.async_call(
                DOMAIN,
                action,
                {"device_id": [device_id], "from": hours_ago(5)},
                blocking=True,
                return_response=True,
            )
        assert refused.value.translation_key == "not_our_device"
        assert refused.value.translation_placeholders == {"device": name}


@pytest.mark.parametrize("action", ["get_sessions", "import_history"])
async def test_account_that_does_not_run_is_named(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount, action: str
) -> None:
    """Nothing is known of its chargers, which is not the same as no sessions."""
    entry = await add_account(hass, cloud, account)
    assert await hass.config_entries.async_unload(entry.entry_id)
    with pytest.raises(ServiceValidationError) as refused:
        await hass.services.async_call(
            DOMAIN,
            action,
            {"device_id": device(hass, entry, SERIAL), "from": hours_ago(5)},
            blocking=True,
            return_response=True,
        )
    assert refused.value.translation_key == "account_not_loaded"
    assert refused.value.translation_placeholders == {"account": entry.title}


@pytest.mark.parametrize("action", ["get_sessions", "import_history"])
@pytest.mark.parametrize("hours", [0, 2])
async def test_period_that_is_none_is_refused(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    action: str,
    hours: float,
) -> None:
    """From has to be before to."""
    entry = await add_account(hass, cloud, account)
    with pytest.raises(ServiceValidationError) as refused:
        await hass.services.async_call(
            DOMAIN,
            action,
            {
                "device_id": device(hass, entry, SERIAL),
                "from": hours_ago(5 - hours),
                "to": hours_ago(5),
            },
            blocking=True,
            return_response=True,
        )
    assert refused.value.translation_key == "empty_period"


async def test_import_needs_a_past_and_a_recorder(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Tomorrow has no history; without the recorder there is nowhere to write it."""
    entry = await add_account(hass, cloud, account)
    for start, reason in (
        (hours_ago(-24), "in_the_future"),
        (hours_ago(2), "no_recorder"),
    ):
        with pytest.raises(ServiceValidationError) as refused:
            await hass.services.async_call(
                DOMAIN,
                "import_history",
                {"device_id": device(hass, entry, SERIAL), "from": start},
                blocking=True,
            )
        assert refused.value.translation_key == reason


@pytest.mark.parametrize(
    ("start", "end"),
    [(-165, -135), (-119, -60), (0, None), (-59, None), (-59, 300)],
)
async def test_a_period_without_a_whole_hour_is_refused(
    hass: HomeAssistant,
    cloud: EaseeCloud,
    account: EaseeAccount,
    start: int,
    end: int | None,
) -> None:
    """Nothing could be written: that is said, and is no success of 0 hours."""
    entry = await add_account(hass, cloud, account)
    # In minutes from the beginning of the hour that runs.
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    period = {"from": hour + timedelta(minutes=start)}
    if end is not None:
        period["to"] = hour + timedelta(minutes=end)
    with pytest.raises(ServiceValidationError) as refused:
        await hass.services.async_call(
            DOMAIN,
            "import_history",
            {"device_id": device(hass, entry, SERIAL), **period},
            blocking=True,
        )
    assert refused.value.translation_key == "no_whole_hour"


async def test_documents_that_cannot_be_read_are_an_error(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A file that is gone is no empty list; the sessions themselves need no file."""
    entry = await add_account(hass, cloud, account)
    await publish_session(account, 435, hours_ago(5), hours_ago(4))
    await marker(hass, account)(38)
    await entry.runtime_data.store.close()
    target = device(hass, entry, SERIAL)
    with pytest.raises(HomeAssistantError) as failed:
        await get_sessions(hass, target, signed_documents=True)
    assert failed.value.translation_key == "store_unavailable"
    assert len((await get_sessions(hass, target))["sessions"]) == 1


@pytest.mark.parametrize("devices", [[], [""]])
async def test_no_device_is_no_answer(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount, devices: list[str]
) -> None:
    """A template that found no device shows as an error, not as no sessions."""
    await add_account(hass, cloud, account)
    with pytest.raises(ServiceValidationError) as refused:
        await get_sessions(hass, *devices)
    assert refused.value.translation_key == "no_device"
