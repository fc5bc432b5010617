"""What the README says to copy works."""

from datetime import datetime
import json
from pathlib import Path
import re
from typing import Any

from freezegun import freeze_time
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import parse_yaml
from pytest_homeassistant_custom_component.common import async_mock_service

from simulator.easee import EaseeAccount, EaseeCloud

from .helpers import SERIAL, add_account, entity_id, marker

README = Path(__file__).parents[2] / "README.md"


def example(words: str) -> Any:
    """The one example that holds the words."""
    blocks = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    (found,) = (block for block in blocks if words in block)
    return parse_yaml(found)


async def test_monthly_report_is_mailed(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """On the third of November the sessions of October are mailed, and no others."""
    await hass.config.async_set_time_zone("Europe/Zurich")
    await add_account(hass, cloud, account)
    assert entity_id(hass, SERIAL, "charger_op_mode") == "sensor.garage_status"
    mails = async_mock_service(hass, "notify", "mail")
    energies = {
        "2026-09-30": 1.0,
        "2026-10-01": 2.0,
        "2026-10-31": 4.0,
        "2026-11-01": 8.0,
    }
    for number, (day, energy) in enumerate(energies.items(), start=1):
        start = datetime.fromisoformat(f"{day}T20:00:00+02:00")
        await account.publish(
            SERIAL,
            129,
            json.dumps(
                {
                    "Id": number,
                    "Start": start.isoformat(),
                    "Stop": start.replace(hour=21).isoformat(),
                    "EnergyKwh": energy,
                }
            ),
        )
    await marker(hass, account)(38)
    assert await async_setup_component(
        hass, "automation", example("- alias: Charging report")
    )
    # Six o'clock in the morning there.
    with freeze_time("2026-11-03T05:00:00Z", real_asyncio=True):
        await hass.services.async_call(
            "automation",
            "trigger",
            {"entity_id": "automation.charging_report", "skip_condition": False},
            blocking=True,
        )
    await hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )
    (mail,) = mails
    assert mail.data["title"] == "Charged: 6.0 kWh"
    heading, first, second = mail.data["message"].strip().splitlines()
    assert heading.startswith("device,")
    assert ",2026-10-01T20:00:00+02:00," in first
    assert ",2026-10-31T19:00:00+01:00," in second


async def test_sessions_of_the_example(
    hass: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """The action as it is to be typed into the developer tools is taken."""
    await add_account(hass, cloud, account)
    step = example("action: ev_streams.get_sessions\ndata:")
    sequence = [
        step | {"response_variable": "told"},
        {"stop": "done", "response_variable": "told"},
    ]
    assert await async_setup_component(
        hass, "script", {"script": {"sessions": {"sequence": sequence}}}
    )
    told = await hass.services.async_call(
        "script", "sessions", blocking=True, return_response=True
    )
    assert told is not None
    assert str(told["csv"]).startswith("device,device_id,session_id,start,stop")
