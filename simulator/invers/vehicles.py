"""A vehicle of the fleet and what its unit and the platform tell of its course.

Where the vehicle's id and its state lie in `data`, and how the vendor calls charging, is
not public: it is played as the integration expects it first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
import random
from typing import Any

from .course import DAY, Charge, Course, Span
from .events import Event, iso, make_event

RANGE_OF_A_PERCENT = 3.0

__all__ = ["Charge", "Vehicle"]


@dataclass(slots=True, kw_only=True)
class Vehicle:
    """One electric car; `course` is the truth of it."""

    vehicle_id: str
    course: Course = field(default_factory=Course)
    custom_name: str = "Blue Zoe"
    brand: str = "Renault"
    model: str = "Zoe"
    vin: str = "VF1AG000265432187"
    license_plate: str = "B-EV 4711"
    position: tuple[float, float] = (52.5163, 13.3777)
    period: timedelta = timedelta(minutes=5)
    """From one recorded state to the next."""

    def events(self, begin: datetime, end: datetime) -> list[Event]:
        """All that is told from `begin` on, before `end`, in the order of time."""
        chance = random.Random(f"{self.vehicle_id} {iso(begin)}")
        told = [
            *self._recorded(begin, end, chance),
            *self._of_rentals(begin, end, chance),
            *self._of_drives(begin, end, chance),
        ]
        return sorted(
            (event for event in told if begin <= event.occurred_at < end),
            key=lambda event: event.occurred_at,
        )

    def state_at(self, moment: datetime) -> dict[str, Any]:
        """The state as the unit records it: each property with its own time.

        What is measured is so now; a switch has the time at which it last changed.
        """
        level = self.course.soc_at(moment)
        around = (moment - 2 * DAY, moment + DAY)
        charging, charging_since = _held(self.course.charges(*around), moment)
        rented, rented_since = _held(self.course.rentals(*around), moment)
        measured = {
            "mileage_in_kilometers": round(self.course.mileage_at(moment), 1),
            "state_of_charge_or_fuel_level_in_percent": round(level, 1),
            "remaining_range_in_kilometers": round(level * RANGE_OF_A_PERCENT),
            "position": {"lat": self.position[0], "lon": self.position[1]},
            "board_voltage": 14.1 if charging else 12.6,
            "cellular_signal_quality": 4,
            "adblue_level_low_indicator": "SENSOR_FAILURE",
            "brake_warning_indicator": "OFF",
        }
        return {
            **{name: _property(value, moment) for name, value in measured.items()},
            "charging_state": _property(
                "CHARGING" if charging else "NOT_CHARGING", charging_since
            ),
            "central_lock": _property("UNLOCKED" if rented else "LOCKED", rented_since),
            "driving_enabled": _property(rented, rented_since),
        }

    def master_data_changed(self, at: datetime) -> Event:
        """Tell what the vehicle is called now, as after an edit in the portal."""
        chance = random.Random(f"{self.vehicle_id} master data {iso(at)}")
        return self._changed("MASTER_DATA_CHANGED", {}, at, chance)

    def life_status_changed(self, at: datetime, *, online: bool) -> Event:
        """Tell that the unit has come online or gone."""
        chance = random.Random(f"{self.vehicle_id} life status {iso(at)}")
        status = {"value": "ONLINE" if online else "OFFLINE"}
        return self._changed("LIFE_STATUS_CHANGED", {"life_status": status}, at, chance)

    def _recorded(
        self, begin: datetime, end: datetime, chance: random.Random
    ) -> Iterator[Event]:
        """Record on a fixed beat, and where charging or a rental begins or ends."""
        beats = set()
        beat = begin.replace(minute=0, second=0, microsecond=0)
        while beat < end:
            beats.add(beat)
            beat += self.period
        for span in (
            *self.course.charges(begin, end),
            *self.course.rentals(begin, end),
        ):
            beats |= {span.begin, span.end}
        for moment in sorted(each for each in beats if begin <= each < end):
            data = {"vehicle_id": self.vehicle_id, "state": self.state_at(moment)}
            yield make_event("VehicleStateRecorded", data, moment, chance)

    def _of_rentals(
        self, begin: datetime, end: datetime, chance: random.Random
    ) -> Iterator[Event]:
        for rental in self.course.rentals(begin, end):
            for moment, status, lock in (
                (rental.begin, "IN_RENTAL", "UNLOCKED"),
                (rental.end, "NOT_IN_RENTAL", "LOCKED"),
            ):
                yield self._changed(
                    "RENTAL_STATUS_CHANGED",
                    {"rental_status": {"value": status}},
                    moment,
                    chance,
                )
                data = {"vehicle_id": self.vehicle_id, "central_lock": lock}
                yield make_event("CentralLockStatusChanged", data, moment, chance)

    def _of_drives(
        self, begin: datetime, end: datetime, chance: random.Random
    ) -> Iterator[Event]:
        for drive in self.course.drives(begin, end):
            trip = {"id": f"{self.vehicle_id}-{drive.begin:%Y%m%d%H%M}"}
            trip |= {"started_at": iso(drive.begin)}
            data = {"vehicle_id": self.vehicle_id, "trip": trip}
            yield make_event("TripStarted", data, drive.begin, chance)
            driven = self.course.mileage_at(drive.end) - self.course.mileage_at(
                drive.begin
            )
            trip = {**trip, "ended_at": iso(drive.end)}
            data = {
                "vehicle_id": self.vehicle_id,
                "trip": {**trip, "distance_in_kilometers": round(driven, 1)},
                "end_position": {"lat": self.position[0], "lon": self.position[1]},
            }
            yield make_event("TripEnded", data, drive.end, chance)

    def _changed(
        self, reason: str, told: Mapping[str, Any], at: datetime, chance: random.Random
    ) -> Event:
        vehicle = {
            "vehicle_id": self.vehicle_id,
            "master_data": {
                "vin": self.vin,
                "license_plate": self.license_plate,
                "brand": self.brand,
                "model": self.model,
                "custom_name": self.custom_name,
            },
            **told,
        }
        data = {"reasons": [reason], "vehicle": vehicle}
        return make_event("VehicleChanged", data, at, chance)


def _property(value: object, told_at: datetime) -> dict[str, Any]:
    return {"timestamp": iso(told_at), "value": value}


def _held(spans: Sequence[Span], moment: datetime) -> tuple[bool, datetime]:
    """Whether one of the spans lasts, and since when that has been so.

    A span begins with its first moment, and is over at its last.
    """
    changes = [(span.begin, True) for span in spans]
    changes += [(span.end, False) for span in spans]
    since, holds = max(change for change in changes if change[0] <= moment)
    return holds, since
