"""The stream of a partner account in good and in bad days, at a real broker."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

from freezegun import freeze_time
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.ev_streams.stream import supervisor

from ..helpers import issue, state, wait_for_issue, wait_for_state, wait_live
from .helpers import Partner, add_partner


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not make the tests wait for the ordinary back-off."""
    brisk = partial(supervisor.Backoff, initial=0.1, maximum=0.5)
    monkeypatch.setattr(supervisor, "Backoff", brisk)


async def test_topics_that_may_not_be_read_any_more_are_a_repair(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    await partner.platform.deny_reading(partner.account.uid)
    raised = await wait_for_issue(hass, entry, "source_gone")
    assert raised.translation_key == "stellantis_source_gone"
    # The login is nobody's business, not even in a repair.
    placeholders = raised.translation_placeholders or {}
    assert partner.account.uid not in str(placeholders)
    await partner.platform.allow_reading(partner.account.uid)
    await wait_live(hass, entry)
    assert issue(hass, entry, "source_gone") is None


async def test_a_login_from_elsewhere_with_our_name_is_survived(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    await partner.platform.disconnect(partner.account.uid)
    await wait_for_state(hass, str(entry.unique_id), "connected", "off")
    await wait_live(hass, entry)


async def test_the_end_of_the_certificate_is_shown_and_told_30_days_ahead(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(hass, partner)
    expires = partner.identity.certificate.not_valid_after_utc
    shown = state(hass, str(entry.unique_id), "certificate_expiry").state
    assert datetime.fromisoformat(shown) == expires

    async def issues_at(moment: datetime) -> list[ir.IssueEntry | None]:
        """Let the hourly look happen at a time."""
        with freeze_time(moment):
            async_fire_time_changed(hass, moment)
            await hass.async_block_till_done()
        names = ("certificate_expires", "certificate_expired")
        return [issue(hass, entry, name) for name in names]

    assert await issues_at(expires - timedelta(days=30, hours=2)) == [None, None]
    soon, over = await issues_at(expires - timedelta(days=30))
    assert over is None
    assert soon is not None
    assert soon.severity is ir.IssueSeverity.WARNING
    assert soon.translation_placeholders == {
        "account": "Stellantis",
        "date": f"{expires:%Y-%m-%d}",
    }
    soon, over = await issues_at(expires + timedelta(hours=2))
    assert soon is None
    assert over is not None
    assert over.severity is ir.IssueSeverity.ERROR


async def test_a_certificate_that_is_about_to_end_is_told_at_once(
    hass: HomeAssistant, partner: Partner
) -> None:
    soon = datetime.now(UTC) + timedelta(days=10)
    identity = partner.platform.broker.authority.client("x", valid_until=soon)
    both = await partner.upload(identity.pem() + identity.key_pem(), "c.pem")
    entry = await add_partner(hass, partner, client_certificate=both)
    await wait_for_issue(hass, entry, "certificate_expires")


async def test_without_a_certificate_there_is_no_end_of_one(
    hass: HomeAssistant, partner: Partner
) -> None:
    entry = await add_partner(
        hass,
        partner,
        client_certificate=None,
        ca_certificate=None,
        port=partner.platform.broker.plain_port,
        advanced={"tls": False},
    )
    with pytest.raises(AssertionError, match="no entity"):
        state(hass, str(entry.unique_id), "certificate_expiry")


async def test_unloading_closes_the_connection(
    hass: HomeAssistant, partner: Partner, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await add_partner(hass, partner)
    coordinator = entry.runtime_data
    await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    account = coordinator.account
    # What the broker still has to say reaches nobody.
    await partner.say("anybody there?")
    await asyncio.sleep(0.2)
    assert coordinator.vitals.messages == 0
    assert account is not None
    assert "Traceback" not in caplog.text


async def test_the_stream_has_no_sensors_that_would_show_nothing(
    hass: HomeAssistant, partner: Partner
) -> None:
    """Nothing waits at this broker, and no message says when it was sent."""
    entry = await add_partner(hass, partner)
    account = str(entry.unique_id)
    assert state(hass, account, "last_message") is not None
    for key in ("backlog", "backlog_done", "delivery_latency", "history_import"):
        with pytest.raises(AssertionError, match="no entity"):
            state(hass, account, key)
