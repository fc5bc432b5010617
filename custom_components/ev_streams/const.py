"""Constants that more than one module needs."""

from datetime import timedelta
from typing import Final

DOMAIN: Final = "ev_streams"

CONF_PROVIDER: Final = "provider"
CONF_DEVICES: Final = "devices"
CONF_GRACE_TIME: Final = "grace_time"
CONF_HISTORY: Final = "history_import"
CONF_TOKENS: Final = "session_tokens"

DEFAULT_GRACE_TIME: Final = timedelta(seconds=60)
# Up to this many devices of an account are followed without asking.
AUTO_FOLLOW: Final = 10
