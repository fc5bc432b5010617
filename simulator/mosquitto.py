"""A private Mosquitto broker: a real one, on loopback, in a directory of its own.

It wants a client certificate and a password, as the broker of a Stellantis partner does.
Its accounts are those of the dynamic security plugin: unlike a list of topics in a file,
it refuses a subscription, and a password can be revoked while it runs.
"""

from base64 import b64encode
import contextlib
from getpass import getuser
from hashlib import pbkdf2_hmac
import json
import os
from pathlib import Path
import re
import secrets
import signal
import socket
import subprocess
import time
from types import TracebackType
from typing import Any, Self

from .certificates import Authority, write_server_certificate
from .ports import HOST, BrokerError, free_ports

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
_START_TIMEOUT = 20.0
_STOP_TIMEOUT = 10.0
_ITERATIONS = 101

# Its standard input ends with its parent, by whatever death; the broker goes with it.
_GUARD = '"$0" -c "$1" & echo $!; cat >/dev/null; kill -KILL $! 2>/dev/null'

_RUNNING = re.compile(r"^\d+: mosquitto version \S+ running$", re.MULTILINE)
_STARTING = re.compile(r"^\d+: mosquitto version \S+ starting$")
_CAME = re.compile(
    r"^\d+: New client connected from \S+ as (?P<client>.+) \(p\d.*u'(?P<username>.*)'\)"
)
_WENT = re.compile(
    r"^\d+: (?:Client (?P<client>.+?)"
    r" (?:disconnected|closed its|has exceeded|been disconnected)"
    r"|Bad socket read/write on client (?P<broken>.+?): )"
)


class Mosquitto:
    """A private Mosquitto on loopback, on free ports.

    Accounts and ports outlive `stop` and `start`. Methods block and may be called from
    a thread.
    """

    host = HOST

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.authority = Authority("Simulated partner CA")
        self.administrator_name = "administrator"
        self.administrator_password = secrets.token_hex(16)
        self._ports: tuple[int, int] | None = None
        self._guard: subprocess.Popen[str] | None = None
        self._pid: int | None = None

    @staticmethod
    def available() -> str | None:
        """None when a broker can be started, otherwise one line on what is missing."""
        if _program() is None:
            return "Mosquitto is not installed (Debian and Homebrew: package mosquitto)"
        if _plugin() is None:
            return f"Mosquitto's {_PLUGIN} is missing"
        return None

    @property
    def port(self) -> int:
        """The port with TLS, which wants a client certificate of `authority`."""
        return self._port(0)

    @property
    def plain_port(self) -> int:
        """The port without TLS, for who has no certificate."""
        return self._port(1)

    @property
    def ca_file(self) -> Path:
        """PEM of the authority that signed the broker's certificate."""
        return self.directory / "ca.pem"

    @property
    def pid(self) -> int | None:
        """The process id of the broker while it runs."""
        return self._pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the broker and wait until it accepts connections."""
        if missing := self.available():
            raise BrokerError(missing)
        if self._ports is not None:
            self._start_process()
            return
        for attempt in range(3):
            first, second = free_ports(2)
            self._ports = (first, second)
            self._write_configuration()
            try:
                self._start_process()
            except BrokerError as error:
                if attempt == 2 or "Address already in use" not in str(error):
                    raise
                # Somebody else was quicker to take one of the ports.
                continue
            return

    def stop(self) -> None:
        """Stop the broker in an orderly way; nothing of it is left running."""
        if self._pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGTERM)
        self._wait_until_gone(_STOP_TIMEOUT)
        self.kill()

    def kill(self) -> None:
        """End the broker as a power cut would; `start` brings it back."""
        guard, self._guard, self._pid = self._guard, None, None
        if guard is not None:
            # Its input ends, and it ends the broker.
            guard.communicate()

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

    def restart(self) -> None:
        """Stop and start the broker; clients lose their connections."""
        self.stop()
        self.start()

    def _port(self, number: int) -> int:
        if self._ports is None:
            raise BrokerError("Mosquitto has not been started yet")
        return self._ports[number]

    @property
    def _configuration(self) -> Path:
        return self.directory / "mosquitto.conf"

    @property
    def _log(self) -> Path:
        return self.directory / "mosquitto.log"

    def _log_since(self, offset: int) -> str:
        if not self._log.exists():
            return ""
        return self._log.read_bytes()[offset:].decode(errors="replace")

    def _start_process(self) -> None:
        offset = self._log.stat().st_size if self._log.exists() else 0
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, str(_program()), str(self._configuration)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # Ctrl-C in a terminal goes to the whole process group: the broker would be
            # gone before it is told to stop.
            start_new_session=True,
        )
        assert self._guard.stdout is not None
        self._pid = int(self._guard.stdout.readline())
        try:
            self._wait_until_running(self._pid, offset)
        except BrokerError:
            self.kill()
            raise

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

    def _wait_until_running(self, pid: int, offset: int) -> None:
        """Wait for its own word: who listens on its ports may be somebody else."""
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline and _exists(pid):
            if _RUNNING.search(self._log_since(offset)):
                return
            time.sleep(0.02)
        raise BrokerError(
            f"Mosquitto did not start:\n{self._log_since(offset)[-2000:]}"
        )

    def _wait_until_gone(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection((HOST, self.port), timeout=1).close()
                time.sleep(0.02)
                continue
            return


def _program() -> Path | None:
    return next((program for program in _PROGRAMS if program.exists()), None)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _plugin() -> Path | None:
    for folder in _PLUGIN_FOLDERS:
        for found in Path("/").glob(f"{folder.removeprefix('/')}/{_PLUGIN}"):
            return found
    return None
