"""The form of an INVERS event consumer, as FleetControl shows its data."""

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant

from ..queues import QueueAccount
from ..queues_form import QueueForm, endpoint
from .decode import decode


class InversForm(QueueForm):
    """Asks for what an event consumer is given; the host is the same for everybody."""

    title = "INVERS"
    host = "api.invers.com"


def create_account(hass: HomeAssistant, entry: ConfigEntry) -> QueueAccount:
    """Return the account of an entry."""
    return QueueAccount(endpoint(entry.data), decode)
