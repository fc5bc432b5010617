"""Mappings for contents that partners are likely to pass on.

A partner's application sends what it likes. These are shapes that exist elsewhere at
Stellantis, so that an application that hands them on needs no mapping by hand.
"""

from dataclasses import replace
from typing import Any, Final

from ...mapping import FieldMapping, MappedPlatform, Preset

BINARY: Final = MappedPlatform.BINARY_SENSOR
ELECTRIC: Final = "energies[type=Electric]"
# Newer cars have the details in an extension, older ones beside the level.
CHARGING: Final = (
    f"{ELECTRIC}.extension.electric.charging.{{0}}|{ELECTRIC}.charging.{{0}}"
)
V4_MEASURED: Final = f"{ELECTRIC}.createdAt|{ELECTRIC}.updatedAt"


# What a car measures is the same, wherever it stands.
BATTERY_LEVEL: Final = FieldMapping(
    key="battery_level",
    name="Battery level",
    path="$",
    device_class="battery",
    unit="%",
    state_class="measurement",
    minimum=0,
    maximum=100,
)
RANGE: Final = FieldMapping(
    key="range",
    name="Range",
    path="$",
    device_class="distance",
    unit="km",
    state_class="measurement",
    minimum=0,
    maximum=2000,
)
CHARGING_RATE: Final = FieldMapping(
    key="charging_rate",
    name="Charging rate",
    path="$",
    # Kilometres of range that one hour of charging adds, says the vendor.
    device_class="speed",
    unit="km/h",
    state_class="measurement",
    minimum=0,
    maximum=500,
)
REMAINING_TIME: Final = FieldMapping(
    key="remaining_time",
    name="Remaining charging time",
    path="$",
    device_class="duration",
    unit="min",
    minimum=0,
)
IS_CHARGING: Final = FieldMapping(
    key="charging",
    name="Charging",
    path="$",
    platform=BINARY,
    device_class="battery_charging",
    makes_sessions=True,
)
ODOMETER: Final = FieldMapping(
    key="odometer",
    name="Odometer",
    path="$",
    device_class="distance",
    unit="km",
    state_class="total_increasing",
    # Peers saw it fall back and be zero, neither of which can be. One that is much too
    # high would keep every true one out.
    never_decreasing=True,
    sentinels=("0",),
    maximum=2_000_000,
)


def _v4(field: FieldMapping, path: str, **others: Any) -> FieldMapping:
    return replace(field, path=path, timestamp_path=V4_MEASURED, **others)


# The status of the vendor's web API (connected car v4): documented there.
V4_STATUS: Final = Preset(
    key="v4_status",
    needs=f"{ELECTRIC}.level",
    mappings=(
        _v4(BATTERY_LEVEL, f"{ELECTRIC}.level"),
        _v4(RANGE, f"{ELECTRIC}.autonomy"),
        FieldMapping(
            key="plugged",
            name="Plugged in",
            path=CHARGING.format("plugged"),
            platform=BINARY,
            device_class="plug",
            timestamp_path=V4_MEASURED,
        ),
        _v4(
            IS_CHARGING,
            CHARGING.format("status"),
            # Whatever else it may say one day is told as no boolean.
            value_map={
                "InProgress": "on",
                "Disconnected": "off",
                "Failure": "off",
                "Stopped": "off",
                "Finished": "off",
            },
        ),
        FieldMapping(
            key="charging_status",
            name="Charging status",
            path=CHARGING.format("status"),
            device_class="enum",
            value_map={
                "Disconnected": "Disconnected",
                "InProgress": "In progress",
                "Failure": "Failure",
                "Stopped": "Stopped",
                "Finished": "Finished",
            },
            timestamp_path=V4_MEASURED,
        ),
        _v4(CHARGING_RATE, CHARGING.format("chargingRate")),
        _v4(REMAINING_TIME, CHARGING.format("remainingTime")),
        replace(
            ODOMETER,
            path="odometer.mileage",
            timestamp_path="odometer.createdAt|odometer.updatedAt",
        ),
    ),
)


def _snapshot(field: FieldMapping, name: str, *sentinels: str) -> FieldMapping:
    return replace(
        field,
        path=f"charging_state.{name}",
        sentinels=sentinels,
        timestamp_path="date",
    )


# What the vendor's own app is sent for private customers: not documented, read off
# public logs of peers. Which value of its cable detection means plugged is disputed
# among them, so that it is left out.
REMOTE_SERVICES: Final = Preset(
    key="remote_services",
    needs="charging_state.soc_batt",
    mappings=(
        _snapshot(BATTERY_LEVEL, "soc_batt"),
        _snapshot(RANGE, "autonomy_zev"),
        # While the rate is not known, the display tells.
        replace(
            _snapshot(IS_CHARGING, "rate"),
            template=(
                "{% set shown = content.charging_state.hmi_state %}"
                "{{ value if value | float(0) != 510"
                " else none if shown is undefined or shown is none else shown == 1 }}"
            ),
        ),
        _snapshot(CHARGING_RATE, "rate", "510"),
        _snapshot(REMAINING_TIME, "remaining_time", "2047", "635"),
        FieldMapping(
            key="charge_complete",
            name="Charge complete",
            path="charging_state.hmi_state",
            platform=BINARY,
            value_map={"3": "on", "0": "off", "1": "off", "2": "off", "4": "off"},
            timestamp_path="date",
        ),
    ),
)


def _in_car(field: FieldMapping, *names: str) -> FieldMapping:
    return replace(field, path=_in_car_path(*names))


def _in_car_path(*names: str) -> str:
    """Return a path for what the in-car interfaces call by these names."""
    return "|".join(f"{prefix}{name}" for name in names for prefix in ("engine.", ""))


# The names of the head units' own interfaces, which are documented; that an application
# sends them on under these names is a guess.
WEBPORTAL_BATTERY: Final = Preset(
    key="webportal_battery",
    needs=_in_car_path("batteryLevel"),
    mappings=(
        _in_car(BATTERY_LEVEL, "batteryLevel"),
        _in_car(RANGE, "batteryAutonomy"),
        _in_car(ODOMETER, "totalMileage", "mileage"),
    ),
)

PRESETS: Final = (V4_STATUS, REMOTE_SERVICES, WEBPORTAL_BATTERY)
