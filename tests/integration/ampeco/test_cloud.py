"""With Home Assistant Cloud it is the cloud that is called, and has a hook for each account."""

from collections.abc import AsyncIterator
import sys
from types import ModuleType

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest

from custom_components.ev_streams.const import DOMAIN
from simulator.ampeco import AmpecoTenant

from .helpers import (
    add_tenant,
    fill_in,
    form,
    only_subscription,
    open_form,
    reconfigure,
)

CLOUDHOOK = "https://hooks.nabu.casa/gAAAAABm"


class Cloud(ModuleType):
    """Stands in for Home Assistant's cloud, whose libraries are not there.

    Only of what it is asked here does it know the answers.
    """

    class CloudNotAvailable(HomeAssistantError):  # noqa: N818
        """The name is Home Assistant's."""

    def __init__(self) -> None:
        """Be connected, with no hook."""
        super().__init__("homeassistant.components.cloud")
        self.is_connected = True
        self.hooks: set[str] = set()

    def async_active_subscription(self, _hass: HomeAssistant) -> bool:
        """Whether the user has the cloud."""
        return True

    async def async_get_or_create_cloudhook(
        self, _hass: HomeAssistant, webhook_id: str
    ) -> str:
        """Return the address of a hook."""
        if not self.is_connected:
            raise self.CloudNotAvailable
        self.hooks.add(webhook_id)
        return CLOUDHOOK

    async def async_delete_cloudhook(
        self, _hass: HomeAssistant, webhook_id: str
    ) -> None:
        """Take a hook away."""
        if webhook_id not in self.hooks:
            raise ValueError
        self.hooks.remove(webhook_id)


@pytest.fixture
async def nabu_casa(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Cloud]:
    """Let the user have Home Assistant Cloud."""
    stand_in = Cloud()
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    parent = sys.modules["homeassistant.components"]
    monkeypatch.setattr(parent, "cloud", stand_in, raising=False)
    hass.config.components.add("cloud")
    yield stand_in
    hass.config.components.remove("cloud")


async def test_with_the_cloud_it_is_its_address_that_the_tenant_calls(
    hass: HomeAssistant, nabu_casa: Cloud, tenant: AmpecoTenant
) -> None:
    entry = await add_tenant(hass, tenant)
    assert only_subscription(tenant).callback_url == CLOUDHOOK
    assert nabu_casa.hooks == {entry.data["webhook_id"]}
    await hass.config_entries.async_remove(entry.entry_id)
    assert nabu_casa.hooks == set()
    assert tenant.subscriptions == {}


async def test_a_hook_that_the_cloud_has_no_more_keeps_no_entry(
    hass: HomeAssistant, nabu_casa: Cloud, tenant: AmpecoTenant
) -> None:
    entry = await add_tenant(hass, tenant)
    nabu_casa.hooks.clear()
    await hass.config_entries.async_remove(entry.entry_id)
    assert hass.config_entries.async_entries(DOMAIN) == []


async def test_a_cloud_that_is_away_makes_no_other_address_right(
    hass: HomeAssistant, nabu_casa: Cloud, tenant: AmpecoTenant
) -> None:
    """As just after a start: an address of the own network is none for a tenant."""
    entry = await add_tenant(hass, tenant)
    nabu_casa.is_connected = False
    assert (await fill_in(hass, form(name="Other")))["errors"] == {"base": "no_address"}
    changed = await reconfigure(hass, entry, form(tenant))
    assert changed["errors"] == {"base": "no_address"}
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert only_subscription(tenant).callback_url == CLOUDHOOK


async def test_a_form_that_fails_leaves_no_hook_behind(
    hass: HomeAssistant, nabu_casa: Cloud, tenant: AmpecoTenant
) -> None:
    """Be it for the token or for what is subscribed, and however often it is tried."""
    known, tenant.known = tenant.known, frozenset({"BootNotification"})
    opened = await open_form(hass)
    for token, error in (
        ("wrong", "invalid_auth"),
        ("wrong", "invalid_auth"),
        ("tenant-token", "subscription_refused"),
        ("tenant-token", "subscription_refused"),
    ):
        again = await hass.config_entries.flow.async_configure(
            opened["flow_id"], form(tenant, api_token=token)
        )
        assert again["errors"] == {"base": error}
        assert nabu_casa.hooks == set()
    tenant.known = known
    done = await hass.config_entries.flow.async_configure(
        opened["flow_id"], form(tenant)
    )
    assert nabu_casa.hooks == {done["result"].data["webhook_id"]}
