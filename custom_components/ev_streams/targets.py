"""Which of our devices an action means."""

from dataclasses import dataclass

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN
from .coordinator import EvStreamsConfigEntry, EvStreamsCoordinator


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A device that an action means, under the name that the user knows it by."""

    entry: EvStreamsConfigEntry
    coordinator: EvStreamsCoordinator
    device_id: str
    name: str


def targets_of(call: ServiceCall) -> list[Target]:
    """Return the devices meant; that of an account stands for all of its devices."""
    found: dict[str, Target] = {}
    registry = dr.async_get(call.hass)
    if not any(call.data[ATTR_DEVICE_ID]):
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="no_device"
        )
    for registered_id in call.data[ATTR_DEVICE_ID]:
        device = registry.async_get(registered_id)
        entry = None if device is None else _entry(call.hass, device)
        if device is None or entry is None:
            raise ServiceValidationError(
                translation_domain=DOMAIN,
                translation_key="not_our_device",
                translation_placeholders={"device": _name(device) or registered_id},
            )
        coordinator = _coordinator(entry)
        account = (DOMAIN, coordinator.inventory.account_id)
        devices: list[dr.AnyDeviceEntry] = [device]
        if account in device.identifiers:
            devices = [
                each
                for each in dr.async_entries_for_config_entry(registry, entry.entry_id)
                if account not in each.identifiers
            ]
        for each in devices:
            for domain, named_id in each.identifiers:
                if domain == DOMAIN:
                    # Sessions are those of the whole, whose parts can be picked too.
                    device_id = coordinator.inventory.whole_of(named_id)
                    whole = each
                    if device_id != named_id:
                        whole = (
                            registry.async_get_device_by_identifier(
                                (DOMAIN, device_id), entry.entry_id
                            )
                            or each
                        )
                    found[device_id] = Target(
                        entry=entry,
                        coordinator=coordinator,
                        device_id=device_id,
                        name=_name(whole) or device_id,
                    )
    return list(found.values())


def _name(device: dr.AnyDeviceEntry | None) -> str | None:
    return None if device is None else device.name_by_user or device.name


def _entry(
    hass: HomeAssistant, device: dr.AnyDeviceEntry
) -> EvStreamsConfigEntry | None:
    """Return the entry of a device of ours."""
    entry: EvStreamsConfigEntry | None = hass.config_entries.async_get_entry(
        device.config_entry_id
    )
    return entry if entry is not None and entry.domain == DOMAIN else None


def _coordinator(entry: EvStreamsConfigEntry) -> EvStreamsCoordinator:
    if entry.state is not ConfigEntryState.LOADED:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="account_not_loaded",
            translation_placeholders={"account": entry.title},
        )
    return entry.runtime_data
