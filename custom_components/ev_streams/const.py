"""Constants that more than one module needs."""

from datetime import timedelta
from typing import Final

DOMAIN: Final = "ev_streams"

CONF_PROVIDER: Final = "provider"
CONF_DEVICES: Final = "devices"
CONF_GRACE_TIME: Final = "grace_time"
CONF_HISTORY: Final = "history_import"
CONF_TOKENS: Final = "session_tokens"
CONF_DEVICE_ID: Final = "device_id"
CONF_MAPPINGS: Final = "mappings"

DEFAULT_GRACE_TIME: Final = timedelta(seconds=60)
# Up to this many devices of an account are followed without asking.
AUTO_FOLLOW: Final = 10
# The same where it is a fleet's account, and the messages tell of one device after the other.
AUTO_FOLLOW_FLEET: Final = 100

# Entities that no reading stands behind.
KEY_SESSION: Final = "charging_session"
KEY_STATUS: Final = "stream_status"
KEY_BACKLOG: Final = "backlog"
KEY_BACKLOG_DONE: Final = "backlog_done"
KEY_CONNECTED: Final = "connected"
KEY_LAST_MESSAGE: Final = "last_message"
KEY_DELIVERY_LATENCY: Final = "delivery_latency"
KEY_UPLOAD_LATENCY: Final = "upload_latency"
KEY_MESSAGE: Final = "message"
KEY_MESSAGE_COUNT: Final = "message_count"
KEY_CERTIFICATE_EXPIRY: Final = "certificate_expiry"
KEY_HISTORY_IMPORT: Final = "history_import"
SESSION_KEYS: Final = frozenset(
    f"{KEY_SESSION}_{fact}" for fact in ("start", "stop", "energy", "duration")
)
# No mapped field may be called like these.
RESERVED_KEYS: Final = frozenset(
    {
        KEY_SESSION,
        *SESSION_KEYS,
        KEY_LAST_MESSAGE,
        KEY_MESSAGE,
        KEY_MESSAGE_COUNT,
        KEY_UPLOAD_LATENCY,
        "energy",
        "is_charging",
    }
)
