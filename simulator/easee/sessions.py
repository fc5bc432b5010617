"""The documents in which a charger tells of its charging sessions."""

from dataclasses import dataclass
from datetime import datetime
import hashlib
import json

from .observations import timestamp


def kilowatt_hours(energy: float) -> float:
    """An energy as a meter shows it: kWh with six digits."""
    return round(energy, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingSession:
    """A session that has begun; meter values in kWh, times in UTC."""

    session_id: int
    start: datetime
    meter_start: float
    token: str = ""

    def started(self) -> str:
        """The text of ChargingSessionStart."""
        return json.dumps(
            {
                "Id": self.session_id,
                "Start": timestamp(self.start),
                "MeterValue": kilowatt_hours(self.meter_start),
                **self._authorization(),
            }
        )

    def ended(self, stop: datetime, meter_stop: float) -> str:
        """The text of ChargingSession."""
        return json.dumps(self._summary(stop, meter_stop))

    def signed(self, stop: datetime, meter_stop: float) -> str:
        """The text of ChargingSessionSigned.

        Inferred: no sample of this document is public. The signature is a digest of the
        session in the shape of one, not something that could be verified.
        """
        summary = self._summary(stop, meter_stop)
        digest = hashlib.sha512(json.dumps(summary).encode()).hexdigest()
        return json.dumps({**summary, "Signature": digest})

    def _summary(self, stop: datetime, meter_stop: float) -> dict[str, object]:
        first, last = kilowatt_hours(self.meter_start), kilowatt_hours(meter_stop)
        return {
            "Id": self.session_id,
            "Start": timestamp(self.start),
            "Stop": timestamp(stop),
            "EnergyKwh": kilowatt_hours(last - first),
            "MeterValueStart": first,
            "MeterValueStop": last,
            **self._authorization(),
        }

    def _authorization(self) -> dict[str, object]:
        return {"Auth": self.token, "AuthReason": 0}
