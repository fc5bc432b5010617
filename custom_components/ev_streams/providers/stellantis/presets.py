"""Mappings for contents that partners are likely to pass on.

A partner's application sends what it likes. These are shapes that exist elsewhere at
Stellantis, so that an application that hands them on needs no mapping by hand.
"""

from typing import Final

from ...mapping import FieldMapping, MappedPlatform, Preset

BINARY: Final = MappedPlatform.BINARY_SENSOR
ELECTRIC: Final = "energies[type=Electric]"
# Newer cars have the details in an extension, older ones beside the level.
CHARGING: Final = (
    f"{ELECTRIC}.extension.electric.charging.{{0}}|{ELECTRIC}.charging.{{0}}"
)
V4_MEASURED: Final = f"{ELECTRIC}.createdAt|{ELECTRIC}.updatedAt"


def _v4(path: str) -> str:
    return CHARGING.format(path)


# The status of the vendor's web API (connected car v4): documented there.
V4_STATUS: Final = Preset(
    key="v4_status",
    needs=f"{ELECTRIC}.level",
    mappings=(
        FieldMapping(
            key="battery_level",
            name="Battery level",
            path=f"{ELECTRIC}.level",
            device_class="battery",
            unit="%",
            state_class="measurement",
            minimum=0,
            maximum=100,
            timestamp_path=V4_MEASURED,
        ),
        FieldMapping(
            key="range",
            name="Range",
            path=f"{ELECTRIC}.autonomy",
            device_class="distance",
            unit="km",
            state_class="measurement",
            minimum=0,
            maximum=2000,
            timestamp_path=V4_MEASURED,
        ),
        FieldMapping(
            key="plugged",
            name="Plugged in",
            path=_v4("plugged"),
            platform=BINARY,
            device_class="plug",
            timestamp_path=V4_MEASURED,
        ),
        FieldMapping(
            key="charging",
            name="Charging",
            path=_v4("status"),
            platform=BINARY,
            device_class="battery_charging",
            # Whatever else it may say one day is told as no boolean.
            value_map={
                "InProgress": "on",
                "Disconnected": "off",
                "Failure": "off",
                "Stopped": "off",
                "Finished": "off",
            },
            timestamp_path=V4_MEASURED,
            makes_sessions=True,
        ),
        FieldMapping(
            key="charging_status",
            name="Charging status",
            path=_v4("status"),
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
        FieldMapping(
            key="charging_rate",
            name="Charging rate",
            path=_v4("chargingRate"),
            # Kilometres of range that one hour of charging adds, says the vendor.
            device_class="speed",
            unit="km/h",
            state_class="measurement",
            minimum=0,
            maximum=500,
            timestamp_path=V4_MEASURED,
        ),
        FieldMapping(
            key="remaining_time",
            name="Remaining charging time",
            path=_v4("remainingTime"),
            device_class="duration",
            unit="min",
            timestamp_path=V4_MEASURED,
        ),
        FieldMapping(
            key="odometer",
            name="Odometer",
            path="odometer.mileage",
            device_class="distance",
            unit="km",
            state_class="total_increasing",
            # Peers saw it fall back and be zero, neither of which can be.
            never_decreasing=True,
            sentinels=("0",),
            timestamp_path="odometer.createdAt|odometer.updatedAt",
        ),
    ),
)

# What the vendor's own app is sent for private customers: not documented, read off
# public logs of peers. Which value of its cable detection means plugged is disputed
# among them, so that it is left out.
REMOTE_SERVICES: Final = Preset(
    key="remote_services",
    needs="charging_state.soc_batt",
    mappings=(
        FieldMapping(
            key="battery_level",
            name="Battery level",
            path="charging_state.soc_batt",
            device_class="battery",
            unit="%",
            state_class="measurement",
            minimum=0,
            maximum=100,
            timestamp_path="date",
        ),
        FieldMapping(
            key="range",
            name="Range",
            path="charging_state.autonomy_zev",
            device_class="distance",
            unit="km",
            state_class="measurement",
            minimum=0,
            maximum=2000,
            timestamp_path="date",
        ),
        FieldMapping(
            key="charging",
            name="Charging",
            path="charging_state.rate",
            platform=BINARY,
            device_class="battery_charging",
            sentinels=("510",),
            timestamp_path="date",
            makes_sessions=True,
        ),
        FieldMapping(
            key="charging_rate",
            name="Charging rate",
            path="charging_state.rate",
            device_class="speed",
            unit="km/h",
            state_class="measurement",
            sentinels=("510",),
            minimum=0,
            maximum=500,
            timestamp_path="date",
        ),
        FieldMapping(
            key="remaining_time",
            name="Remaining charging time",
            path="charging_state.remaining_time",
            device_class="duration",
            unit="min",
            sentinels=("2047", "635"),
            minimum=0,
            timestamp_path="date",
        ),
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


def _in_car(*names: str) -> str:
    """Return a path for what the in-car interfaces call by these names."""
    return "|".join(f"{prefix}{name}" for name in names for prefix in ("engine.", ""))


# The names of the head units' own interfaces, which are documented; that an application
# sends them on under these names is a guess.
WEBPORTAL_BATTERY: Final = Preset(
    key="webportal_battery",
    needs=_in_car("batteryLevel"),
    mappings=(
        FieldMapping(
            key="battery_level",
            name="Battery level",
            path=_in_car("batteryLevel"),
            device_class="battery",
            unit="%",
            state_class="measurement",
            minimum=0,
            maximum=100,
        ),
        FieldMapping(
            key="range",
            name="Range",
            path=_in_car("batteryAutonomy"),
            device_class="distance",
            unit="km",
            state_class="measurement",
            minimum=0,
            maximum=2000,
        ),
        FieldMapping(
            key="odometer",
            name="Odometer",
            path=_in_car("totalMileage", "mileage"),
            device_class="distance",
            unit="km",
            state_class="total_increasing",
            never_decreasing=True,
            sentinels=("0",),
        ),
    ),
)

PRESETS: Final = (V4_STATUS, REMOTE_SERVICES, WEBPORTAL_BATTERY)
