"""What Home Assistant has and knows when the outage begins."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from scripts.lib.cards import Device
from scripts.lib.home_assistant import HomeAssistant
from simulator.easee import OUTAGE, EaseeAccount, EaseeCloud
from tests.integration.truth import HOUR

from .evidence import COUNTED, METERS

UNRELATED = "sensor.cellar_temperature"
UNRELATED_VALUE = 12.5
UNRELATED_HOURS = 14
CONFIGURATION = f"""\
witness:
template:
  - sensor:
      - name: Cellar temperature
        state: "{UNRELATED_VALUE}"
        unit_of_measurement: °C
        device_class: temperature
        state_class: measurement
"""

# The recorder compiles every five minutes, some seconds late.
COMPILES_EVERY, COMPILED_AFTER = 300.0, 15.0


async def add_account(
    home_assistant: HomeAssistant, cloud: EaseeCloud, account: EaseeAccount
) -> None:
    """Go through the config flow as a user does."""
    post = home_assistant.post
    flow = await post("config/config_entries/flow", {"handler": "ev_streams"})
    for answer in (
        {"next_step_id": "easee"},
        {
            "username": account.username,
            "password": account.password,
            "advanced": {"api_url": cloud.url},
        },
    ):
        flow = await post(f"config/config_entries/flow/{flow['flow_id']}", answer)
    assert flow["type"] == "create_entry", flow


async def import_earlier_rows(
    home_assistant: HomeAssistant,
    devices: Mapping[str, Device],
    start: datetime,
    away: timedelta,
) -> None:
    """Give the meters a last row from before the plan, and another sensor some.

    All are dated later by `away`, until the database is made older by as much.
    """
    begin = _full_hour(start - OUTAGE.lead)
    for plan in OUTAGE.chargers:
        for key in METERS:
            await _import_rows(
                home_assistant,
                away,
                devices[plan.serial].entities[key],
                unit=("energy", "kWh"),
                rows={begin - HOUR: {"state": plan.lifetime_energy, "sum": COUNTED}},
            )
    hours = [_full_hour(start) - ago * HOUR for ago in range(UNRELATED_HOURS, 0, -1)]
    await _import_rows(
        home_assistant,
        away,
        UNRELATED,
        unit=("temperature", "°C"),
        rows={
            hour: {"mean": 11.0 + n / 7, "min": 10.0 + n / 9, "max": 12.0 + n / 3}
            for n, hour in enumerate(hours)
        },
    )


async def _import_rows(
    home_assistant: HomeAssistant,
    away: timedelta,
    statistic_id: str,
    *,
    unit: tuple[str, str],
    rows: dict[datetime, dict[str, float]],
) -> None:
    has_sum = all("sum" in row for row in rows.values())
    unit_class, unit_of_measurement = unit
    await home_assistant.command(
        "recorder/import_statistics",
        metadata={
            "has_sum": has_sum,
            "mean_type": 0 if has_sum else 1,
            "name": None,
            "source": "recorder",
            "statistic_id": statistic_id,
            "unit_class": unit_class,
            "unit_of_measurement": unit_of_measurement,
        },
        stats=[
            {"start": (hour + away).isoformat(), **row} for hour, row in rows.items()
        ],
    )


async def no_compilation_within(seconds: float) -> None:
    """Wait until the recorder is not about to compile."""
    now = datetime.now(UTC).timestamp() % COMPILES_EVERY
    if now < COMPILED_AFTER:
        await asyncio.sleep(COMPILED_AFTER - now)
    elif now > COMPILES_EVERY - seconds:
        await asyncio.sleep(COMPILES_EVERY - now + COMPILED_AFTER)


def _full_hour(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)
