"""Which devices an account has, where messages tell it."""

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.ev_streams.const import DOMAIN
from custom_components.ev_streams.inventory import Inventory
from custom_components.ev_streams.model import DeviceRecord
from custom_components.ev_streams.providers import PROVIDERS

NAMED = DeviceRecord(device_id="K7ZOE", name="Blue Zoe")


def an_inventory(hass: HomeAssistant, key: str) -> Inventory:
    entry = MockConfigEntry(domain=DOMAIN, title="Account", unique_id=f"{key}_1")
    entry.add_to_hass(hass)
    return Inventory(hass, entry, PROVIDERS[key])


def unnamed(device_id: str) -> DeviceRecord:
    return DeviceRecord(device_id=device_id, name="")


async def test_a_device_that_the_registry_lost_is_known_by_what_is_kept_of_it(
    hass: HomeAssistant,
) -> None:
    """Home Assistant writes its registry seconds late, and the power may go before."""
    inventory = an_inventory(hass, "invers")
    kept: list[DeviceRecord] = []
    inventory.restore(
        [NAMED, unnamed("M3UPE"), unnamed(inventory.account_id)], kept.append
    )
    assert set(inventory.followed) == {"K7ZOE", "M3UPE"}
    # Only what is told from now on has to be kept.
    assert kept == []
    grey = DeviceRecord(device_id="M3UPE", name="", model="VW e-up")
    inventory.meet([NAMED, grey])
    assert kept == [grey]
    names = {
        device.name
        for entry in hass.config_entries.async_entries(DOMAIN)
        for device in dr.async_entries_for_config_entry(
            dr.async_get(hass), entry.entry_id
        )
    }
    assert names == {"Account", "Blue Zoe", "VW e-up M3UPE"}


async def test_what_an_account_lists_itself_is_not_guessed(hass: HomeAssistant) -> None:
    inventory = an_inventory(hass, "easee")
    inventory.restore([unnamed("EH482913")], lambda record: None)
    assert not inventory.followed
