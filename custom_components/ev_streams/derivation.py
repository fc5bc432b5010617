"""What follows from a device's readings that no message says: its energy, and its sessions."""

from .ledger import Ledger, Verdict
from .meter import Meter, MeterInput, MeterPoint
from .model import Reading, Update
from .providers.base import CreateConcluder, Provider, SessionConcluder

KEY_ENERGY = "energy"
DIGITS = 6


class Derivation:
    """Derives for every device of an account, from what the ledger took and held."""

    def __init__(self, provider: Provider) -> None:
        """Know no device yet."""
        self._provider = provider
        self._meters: dict[str, Meter] = {}
        self._concluders: dict[str, SessionConcluder] = {}

    def restore(self, ledger: Ledger) -> None:
        """Go on from what the ledger restored, before anything new is applied to it."""
        create = self._provider.create_concluder
        for device_id in ledger.devices():
            self._meters[device_id] = _restored_meter(self._provider, ledger, device_id)
            if create is not None:
                self._concluders[device_id] = _restored_concluder(
                    create, ledger, device_id
                )

    def take(
        self,
        update: Update,
        verdict: Verdict | None = None,
        *,
        is_streamed: bool = True,
        is_replaying: bool = False,
    ) -> list[Update]:
        """Return what follows; `verdict` is the ledger's on a reading, None for the others.

        Sessions are concluded from news. While a backlog is replayed they are from
        everything in it, and from nothing else: a snapshot tells how it ended.
        """
        derived: list[Update] = []
        if isinstance(update, Reading) and verdict is not Verdict.DUPLICATE:
            energy = self._energy(update)
            if energy is not None:
                derived.append(energy)
        is_news = is_streamed if is_replaying else verdict is Verdict.NEW
        if is_news or verdict is None:
            derived += self.conclude(update)
        return derived

    def conclude(self, update: Update) -> list[Update]:
        """Return the sessions that follow from an update."""
        create = self._provider.create_concluder
        if create is None:
            return []
        device_id = update.device_id
        concluder = self._concluders.get(device_id)
        if concluder is None:
            concluder = self._concluders[device_id] = create(device_id)
        return concluder.take(update)

    def dropped_session(self, device_id: str) -> str | None:
        """Return, once, the id of a concluded session that turned out to be none."""
        concluder = self._concluders.get(device_id)
        return None if concluder is None else concluder.take_dropped()

    def forget(self, device_id: str) -> None:
        """Forget a device that was removed."""
        self._meters.pop(device_id, None)
        self._concluders.pop(device_id, None)

    def _energy(self, reading: Reading) -> Reading | None:
        """Let the meter take the reading, be it the newest or not: its curve sorts them."""
        meter_input = self._provider.meter_inputs.get(reading.key)
        if meter_input is None or isinstance(reading.value, str):
            return None
        meter = self._meters.get(reading.device_id)
        if meter is None:
            meter = self._meters[reading.device_id] = Meter()
        energy = meter.take(_point(meter_input, reading))
        if energy is None:
            return None
        measured_at, value = energy
        return Reading(
            device_id=reading.device_id,
            key=KEY_ENERGY,
            # As many digits as meters have; more would only be noise of the sum.
            value=round(value, DIGITS),
            measured_at=measured_at,
        )


def _restored_meter(provider: Provider, ledger: Ledger, device_id: str) -> Meter:
    """Return a meter that goes on from the energy that was shown last."""
    held = ledger.reading(device_id, KEY_ENERGY)
    meter = Meter(
        (held.measured_at, held.value)
        if held is not None and isinstance(held.value, float)
        else None
    )
    known = [
        (reading, meter_input)
        for key, meter_input in provider.meter_inputs.items()
        if (reading := ledger.reading(device_id, key)) is not None
    ]
    for reading, meter_input in sorted(known, key=lambda pair: pair[0].measured_at):
        meter.take(_point(meter_input, reading))
    return meter


def _restored_concluder(
    create: CreateConcluder, ledger: Ledger, device_id: str
) -> SessionConcluder:
    sessions = ledger.sessions(device_id)
    running = [each for each in sessions if each.is_derived and each.stopped_at is None]
    return create(
        device_id,
        list(ledger.readings(device_id).values()),
        running[-1] if running else None,
        has_own_sessions=any(not session.is_derived for session in sessions),
    )


def _point(meter_input: MeterInput, reading: Reading) -> MeterPoint:
    return MeterPoint(
        measured_at=reading.measured_at,
        input=meter_input,
        value=float(reading.value) if isinstance(reading.value, int | float) else 0.0,
    )
