"""The configuration directory of a private Home Assistant."""

import json
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"

CONFIGURATION = """\
homeassistant:
  name: Demo home
  unit_system: metric
  time_zone: Europe/Zurich
  currency: EUR
  country: CH
  latitude: 47.37
  longitude: 8.54
  elevation: 400
frontend:
api:
config:
history:
logbook:
energy:
automation: !include automations.yaml
recorder:
  commit_interval: 1
logger:
  default: warning
  logs:
    custom_components.ev_streams: info
"""

# Home Assistant reads its stored HTTP configuration without filling in what is missing.
HTTP_DEFAULTS = {
    "cors_allowed_origins": ["https://cast.home-assistant.io"],
    "login_attempts_threshold": -1,
    "ip_ban_enabled": True,
    "ssl_profile": "modern",
    "use_x_frame_options": True,
    "created_at": "2026-01-01T00:00:00+00:00",
    "error": None,
    "error_message": None,
}


def prepare(directory: Path, port: int) -> None:
    """Make what is missing, so that Home Assistant listens on this port of loopback."""
    storage = directory / ".storage"
    components = directory / "custom_components"
    storage.mkdir(parents=True, exist_ok=True)
    components.mkdir(exist_ok=True)
    configuration = directory / "configuration.yaml"
    if not configuration.exists():
        configuration.write_text(CONFIGURATION)
        (directory / "automations.yaml").write_text("[]\n")
    link = components / "ev_streams"
    link.unlink(missing_ok=True)
    link.symlink_to(CHECKOUT / "custom_components" / "ev_streams")
    # Home Assistant takes a port in YAML for an experiment, reverted after 5 minutes.
    http = HTTP_DEFAULTS | {"server_host": [HOST], "server_port": port}
    data = {"stable": http, "pending": None, "yaml_migration_done": True}
    _store(storage, "http", (2, 2), data)
    if not (storage / "onboarding").exists():
        # The step for the location would add integrations that talk to the internet.
        _store(storage, "onboarding", (4, 1), {"done": ["core_config"]})


def _store(storage: Path, key: str, version: tuple[int, int], data: object) -> None:
    major, minor = version
    document = {"version": major, "minor_version": minor, "key": key, "data": data}
    (storage / key).write_text(json.dumps(document))
