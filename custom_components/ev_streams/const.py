"""Constants that more than one module needs."""

from datetime import timedelta
from typing import Final

DOMAIN: Final = "ev_streams"

CONF_PROVIDER: Final = "provider"
CONF_DEVICES: Final = "devices"
CONF_GRACE_TIME: Final = "grace_time"

DEFAULT_GRACE_TIME: Final = timedelta(seconds=60)
# Up to this many devices of an account are followed without asking.
AUTO_FOLLOW: Final = 10
