"""What a user chooses later, and that it is taken up."""

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from simulator.easee import EaseeAccount, EaseeCloud

from .helpers import add_account, entity_id, stored_sessions, wait_live


async def test_options_of_a_small_account(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """With few chargers there are none to choose from."""
    entry = await add_account(hass, cloud, account)
    options = await hass.config_entries.options.async_init(entry.entry_id)
    assert options["data_schema"] is not None
    assert [str(field) for field in options["data_schema"].schema] == [
        "grace_time",
        "history_import",
        "session_tokens",
    ]
    result = await hass.config_entries.options.async_configure(
        options["flow_id"], {"grace_time": 5}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options == {
        "grace_time": 5,
        "history_import": True,
        "session_tokens": False,
    }
    await hass.async_block_till_done()
    await wait_live(hass, entry)


async def test_options_after_a_chosen_charger_left(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """A choice that is not on the list any more does not stand in the way of saving."""
    entry = await add_account(hass, cloud, account)
    hass.config_entries.async_update_entry(
        entry, options={"grace_time": 60, "devices": ["EH000001", "EH0GONE0"]}
    )
    for loaded in (True, False):
        if not loaded:
            await hass.config_entries.async_unload(entry.entry_id)
        options = await hass.config_entries.options.async_init(entry.entry_id)
        result = await hass.config_entries.options.async_configure(
            options["flow_id"],
            {"grace_time": 8 + loaded, "devices": ["EH000001", "EH0GONE0"]},
        )
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert entry.options["grace_time"] == 8 + loaded
        await hass.async_block_till_done()


async def test_options_of_a_fleet_whose_list_is_incomplete(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Saving another option gives no charger up: with it would go its sessions."""
    for number in range(2, 11):
        account.add_charger(f"EH{number:06}", name=f"Bay {number}")
    entry = await add_account(hass, cloud, account)
    for number in (11, 12):
        account.add_charger(f"EH{number:06}", name=f"Bay {number}")
    await hass.config_entries.async_unload(entry.entry_id)
    account.remove_charger("EH000003")
    await hass.config_entries.async_setup(entry.entry_id)
    await wait_live(hass, entry)
    assert "EH000003" not in entry.runtime_data.inventory.listed

    options = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(
        options["flow_id"], {"grace_time": 5}
    )
    await hass.async_block_till_done()
    assert "EH000003" in entry.options["devices"]
    assert entity_id(hass, "EH000003", "total_power")
    assert await stored_sessions(hass, entry, "EH000003") != {}
    # The account is loaded anew: nobody leaves in the middle of its connecting.
    await wait_live(hass, entry)


async def test_options_while_the_account_is_unreachable(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Without the account's list the grace time can still be changed."""
    entry = await add_account(hass, cloud, account)
    await hass.config_entries.async_unload(entry.entry_id)
    options = await hass.config_entries.options.async_init(entry.entry_id)
    result = await hass.config_entries.options.async_configure(
        options["flow_id"], {"grace_time": 7}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert entry.options["grace_time"] == 7


def defaults(result: object) -> dict[str, object]:
    """What a form is filled with when it opens."""
    assert isinstance(result, dict)
    return {str(field): field.default() for field in result["data_schema"].schema}


async def test_options_begin_with_what_was_chosen(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Hours are filled in and no tokens kept, until the user says otherwise."""
    entry = await add_account(hass, cloud, account)
    opened = await hass.config_entries.options.async_init(entry.entry_id)
    assert defaults(opened) == {
        "grace_time": 60,
        "history_import": True,
        "session_tokens": False,
    }
    chosen = {"grace_time": 60, "history_import": False, "session_tokens": True}
    result = await hass.config_entries.options.async_configure(
        opened["flow_id"], chosen
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    await wait_live(hass, entry)
    again = await hass.config_entries.options.async_init(entry.entry_id)
    assert defaults(again) == entry.options == chosen
