"""A private Mosquitto broker: a real one, on loopback, in a directory of its own.

It wants a client certificate and a password, as the broker of a Stellantis partner does.
Its accounts are those of the dynamic security plugin: unlike a list of topics in a file,
it refuses a subscription, and a password can be revoked while it runs.
"""

from base64 import b64encode
from getpass import getuser
from hashlib import pbkdf2_hmac
import json
from pathlib import Path
import re
import secrets
from typing import Any, override

from .broker_process import BrokerProcess
from .certificates import Authority, write_server_certificate
from .ports import HOST

_PROGRAMS = (
    Path("/usr/sbin/mosquitto"),
    Path("/opt/homebrew/opt/mosquitto/sbin/mosquitto"),
    Path("/usr/local/opt/mosquitto/sbin/mosquitto"),
)
_PLUGIN = "mosquitto_dynamic_security.so"
_PLUGIN_FOLDERS = (
    "/usr/lib/*-linux-gnu",
    "/usr/lib",
    "/opt/homebrew/opt/mosquitto/lib",
    "/usr/local/opt/mosquitto/lib",
)
_ITERATIONS = 101

_STARTING = re.compile(r"^\d+: mosquitto version \S+ starting$")
_CAME = re.compile(
    r"^\d+: New client connected from \S+ as (?P<client>.+) \(p\d.*u'(?P<username>.*)'\)"
)
_WENT = re.compile(
    r"^\d+: (?:Client (?P<client>.+?)"
    r" (?:disconnected|closed its|has exceeded|been disconnected)"
    r"|Bad socket read/write on client (?P<broken>.+?): )"
)


class Mosquitto(BrokerProcess):
    """A private Mosquitto on loopback, on free ports; accounts outlive `stop` and `start`."""

    name = "Mosquitto"
    listeners = ("tls", "plain")
    running = re.compile(r"^\d+: mosquitto version \S+ running$", re.MULTILINE)
    start_timeout = 20.0

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, Authority("Simulated partner CA"))
        self.administrator_name = "administrator"
        self.administrator_password = secrets.token_hex(16)

    @staticmethod
    @override
    def available() -> str | None:
        if _program() is None:
            return "Mosquitto is not installed (Debian and Homebrew: package mosquitto)"
        if _plugin() is None:
            return f"Mosquitto's {_PLUGIN} is missing"
        return None

    @property
    def port(self) -> int:
        """The port with TLS, which wants a client certificate of `authority`."""
        return self._port_of("tls")

    @property
    def plain_port(self) -> int:
        """The port without TLS, for who has no certificate."""
        return self._port_of("plain")

    def clients(self, username: str) -> set[str]:
        """The ids of the clients that are connected with an account, as the log tells."""
        if self._pid is None:
            return set()
        connected: dict[str, str] = {}
        for line in self._log_since(0).splitlines():
            if came := _CAME.search(line):
                connected[came["client"]] = came["username"]
            elif went := _WENT.search(line):
                connected.pop(went["client"] or went["broken"], None)
            elif _STARTING.search(line):
                # Nothing is logged of the clients of a broker that was killed.
                connected.clear()
        return {client for client, name in connected.items() if name == username}

    @property
    def _configuration(self) -> Path:
        return self.directory / "mosquitto.conf"

    @override
    def _command(self) -> tuple[str, ...]:
        return (str(_program()), "-c", str(self._configuration))

    @override
    def _write_configuration(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        ca, certificate, key = write_server_certificate(self.directory, self.authority)
        accounts = self.directory / "accounts.json"
        accounts.touch(mode=0o600)
        accounts.write_text(json.dumps(self._accounts()))
        self._configuration.write_text(
            f"""\
user {getuser()}
persistence false
log_dest file {self._log}
log_type error
log_type warning
log_type notice
log_type information
allow_anonymous false
plugin {_plugin()}
plugin_opt_config_file {accounts}
max_queued_messages 0
set_tcp_nodelay true
listener {self.port} {HOST}
cafile {ca}
certfile {certificate}
keyfile {key}
require_certificate true
listener {self.plain_port} {HOST}
"""
        )

    def _accounts(self) -> dict[str, Any]:
        salt = secrets.token_bytes(12)
        digest = pbkdf2_hmac(
            "sha512", self.administrator_password.encode(), salt, _ITERATIONS
        )
        return {
            "defaultACLAccess": {
                "publishClientSend": False,
                "publishClientReceive": True,
                "subscribe": False,
                "unsubscribe": True,
            },
            "clients": [
                {
                    "username": self.administrator_name,
                    "password": b64encode(digest).decode(),
                    "salt": b64encode(salt).decode(),
                    "iterations": _ITERATIONS,
                    "roles": [{"rolename": "administrator"}],
                }
            ],
            "roles": [
                {
                    "rolename": "administrator",
                    "acls": [
                        {"acltype": kind, "topic": topic, "priority": 0, "allow": True}
                        for kind in (
                            "publishClientSend",
                            "publishClientReceive",
                            "subscribePattern",
                        )
                        for topic in ("#", "$CONTROL/dynamic-security/#")
                    ],
                }
            ],
        }


def _program() -> Path | None:
    return next((program for program in _PROGRAMS if program.exists()), None)


def _plugin() -> Path | None:
    for folder in _PLUGIN_FOLDERS:
        for found in Path("/").glob(f"{folder.removeprefix('/')}/{_PLUGIN}"):
            return found
    return None
