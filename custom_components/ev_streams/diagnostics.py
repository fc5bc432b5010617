"""Diagnostics: enough to see what is wrong, nothing that says who or where."""

from dataclasses import asdict
import re
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.redact import REDACTED

from .const import CONF_DEVICES, CONF_MAPPINGS, CONF_PROVIDER, DOMAIN
from .coordinator import EvStreamsConfigEntry, EvStreamsCoordinator
from .device_records import KEY_RECORD
from .mapping import OF_MAPPING
from .webhooks import refused_calls

# What says where and how, not who.
PUBLIC = frozenset({CONF_PROVIDER, "api_url", "host", "port", "tls", "direction"})
COUNTED = frozenset({CONF_DEVICES, CONF_MAPPINGS})
MEMBERS_SHOWN = 50
ELEMENTS_SHOWN = 3
# A VIN has digits in it, and an address more than letters.
PLAIN_NAME = re.compile(r"[A-Za-z_]{1,40}\d{0,2}")


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: EvStreamsConfigEntry
) -> dict[str, Any]:
    """Return the state of the stream and of every followed device, numbered instead of named."""
    coordinator = entry.runtime_data
    connection = coordinator.connection
    return {
        "provider": entry.data[CONF_PROVIDER],
        "data": {
            name: value if name in PUBLIC else REDACTED
            for name, value in entry.data.items()
        },
        "options": {
            # Names, conditions and templates are the user's, and may say who or where.
            name: len(value) if name in COUNTED else value
            for name, value in entry.options.items()
        },
        "connection": {
            "status": connection.status,
            "available": connection.available,
            "retries": connection.retries,
            "last_error": connection.last_error,
            "backlog_left": connection.backlog.left,
            "backlog_percent": connection.backlog.percent,
        },
        "messages": {
            "received": coordinator.vitals.messages,
            "redelivered": coordinator.vitals.redelivered,
            "repeated": coordinator.vitals.repeated,
            "not_followed": coordinator.vitals.not_followed,
            "last": coordinator.vitals.last_message,
            "readings": dict(coordinator.ledger.verdicts),
            "unknown": dict(coordinator.vitals.unknown),
            "values_left_out": {
                f"{key}: {reason}": count
                for (key, reason), count in coordinator.traffic.refused.items()
            },
            "strangers": len(coordinator.traffic.strangers()),
            "refused": dict(coordinator.refusals.counts),
            "refused_calls": refused_calls(hass, entry),
            "last_refused": [asdict(refusal) for refusal in coordinator.refusals.last],
        },
        "store": {
            "commits": coordinator.committer.commits,
            "last_error": coordinator.store_monitor.last_error,
        },
        "history": {
            "hours_waiting": len(coordinator.intake.late_hours),
            "rows_written": coordinator.history.rows_written,
            "import": coordinator.history_import,
        },
        "devices": {
            "listed": len(coordinator.inventory.listed),
            "followed": [
                _device(coordinator, device_id)
                for device_id in coordinator.inventory.followed
            ],
        },
    }


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: EvStreamsConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Return the readings and the last session of one device."""
    coordinator = entry.runtime_data
    return next(
        (
            _device(coordinator, device_id)
            for domain, device_id in device.identifiers
            if domain == DOMAIN and coordinator.inventory.is_followed(device_id)
        ),
        {},
    )


def _device(coordinator: EvStreamsCoordinator, device_id: str) -> dict[str, Any]:
    personal = coordinator.provider.personal_keys
    session = coordinator.ledger.last_session(device_id)
    return {
        "model": coordinator.inventory.followed[device_id].model,
        "listed": coordinator.inventory.is_listed(device_id),
        "upload_latency": coordinator.vitals.upload_latency.get(device_id),
        "readings": {
            key.partition(OF_MAPPING)[0]: {
                # What the user has mapped may be anything, a position or a name.
                "value": REDACTED
                if key in personal or OF_MAPPING in key
                else reading.value,
                "measured_at": reading.measured_at,
                "arrived_at": reading.arrived_at,
            }
            for key, reading in coordinator.ledger.readings(device_id).items()
            if key != KEY_RECORD
        },
        "recent_messages": [
            {"received_at": message.received_at, "shape": _shape(message.content.body)}
            for message in coordinator.traffic.recent(device_id)
        ],
        "sessions": len(coordinator.ledger.sessions(device_id)),
        "last_session": None
        if session is None
        else {
            "started_at": session.started_at,
            "stopped_at": session.stopped_at,
            "energy": session.energy,
        },
    }


def _shape(content: object, depth: int = 10) -> object:
    """Return of a message what it is built like: names and kinds, no values."""
    if isinstance(content, dict) and depth:
        members = list(content.items())[:MEMBERS_SHOWN]
        return {_member(str(name)): _shape(each, depth - 1) for name, each in members}
    if isinstance(content, list) and depth:
        return [_shape(each, depth - 1) for each in content[:ELEMENTS_SHOWN]]
    return type(content).__name__


def _member(name: str) -> str:
    """Leave out a name that may be a value: a car's, or a person's."""
    return name if PLAIN_NAME.fullmatch(name) else REDACTED
