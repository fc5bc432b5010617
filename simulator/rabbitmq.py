"""A private RabbitMQ server: a real one, on loopback, in a directory of its own."""

import contextlib
import os
from pathlib import Path
import secrets
import shutil
from typing import override

from .administrator import Administrator, QueueState
from .broker import Broker
from .certificates import write_server_certificate
from .erlang import ErlangNode, NodeError, binary
from .ports import HOST, BrokerError

__all__ = ["Administrator", "QueueState", "RabbitMQ"]

# The wrapper that Debian puts on PATH changes to a system user, who may not write where
# we are. The scripts behind it do not.
_PROGRAMS = (
    Path("/usr/lib/rabbitmq/bin/rabbitmq-server"),
    Path("/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server"),
    Path("/usr/local/opt/rabbitmq/sbin/rabbitmq-server"),
)

_START_TIMEOUT = 120

# RabbitMQ watches over epmd and starts one when it finds none, which nobody would stop.
_WITHOUT_EPMD = "catch supervisor:terminate_child(rabbit_sup, rabbit_epmd_monitor_sup)"


class RabbitMQ(Broker):
    """A private RabbitMQ server on loopback, on free ports, in a directory of its own.

    Ports and durable state outlive `stop` and `start`. The server halts when its parent
    dies. Methods block and may be called from a thread; `administrator` is the
    asynchronous half.
    """

    name = "RabbitMQ"
    listeners = ("amqp", "amqps")
    taken = "eaddrinuse"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.administrator_name = "administrator"
        self.administrator_password = secrets.token_hex(16)
        self._node: ErlangNode | None = None
        self._started = False

    @staticmethod
    @override
    def available() -> str | None:
        if not any(program.exists() for program in _PROGRAMS):
            return "RabbitMQ is not installed (Debian and Homebrew: package rabbitmq)"
        if shutil.which("erl") is None:
            return "Erlang is not on PATH (RabbitMQ needs it)"
        return None

    @property
    def port(self) -> int:
        """The port of plain AMQP."""
        return self._port_of("amqp")

    @property
    def tls_port(self) -> int:
        """The port of AMQP over TLS, certified for localhost and 127.0.0.1."""
        return self._port_of("amqps")

    @property
    def pid(self) -> int | None:
        """The process id of the server while it runs."""
        return None if self._node is None else self._node.pid

    def administrator(self, virtual_host: str = "/") -> Administrator:
        """An asynchronous context manager bound to the running event loop."""
        return Administrator(self, virtual_host)

    @override
    def stop(self) -> None:
        """Stop the server in an orderly way; nothing of it is left running.

        While another thread is starting it, it is killed: half a server cannot be told.
        """
        if not self._started:
            self.kill()
        node, self._node, self._started = self._node, None, False
        if node is None:
            return
        with contextlib.suppress(NodeError):
            node.evaluate("rabbit:stop()")
        node.stop()

    def kill(self) -> None:
        """End the server as a power cut would; `start` brings it back."""
        node, self._node, self._started = self._node, None, False
        if node is not None:
            node.kill()

    def restart(self) -> None:
        """Stop and start the broker; clients lose their connections, state stays."""
        self.evaluate("rabbit:stop()")
        self.evaluate(f"ok = rabbit:start(), rabbit:await_startup(), {_WITHOUT_EPMD}")

    def evaluate(self, expression: str) -> str:
        """The printed value of an Erlang expression, evaluated inside the server."""
        if self._node is None:
            raise BrokerError("RabbitMQ is not running")
        try:
            return self._node.evaluate(expression)
        except NodeError as error:
            raise BrokerError(f"RabbitMQ refused: {error}") from error

    @override
    def _start_process(self) -> None:
        program = next(program for program in _PROGRAMS if program.exists())
        node = ErlangNode(program, self._environment(), self.directory / "errors.log")
        self._node = node
        try:
            node.start(timeout=_START_TIMEOUT)
            node.evaluate(f"rabbit:await_startup(), {_WITHOUT_EPMD}")
            # The configured one counts only for a directory that is new.
            node.evaluate(
                "ok = rabbit_auth_backend_internal:change_password("
                f"{binary(self.administrator_name)}, "
                f'{binary(self.administrator_password)}, <<"simulator">>)'
            )
        except NodeError as error:
            node.stop()
            self._node = None
            raise BrokerError(
                f"RabbitMQ did not start: {error}\n{self._log_tail()}"
            ) from error
        self._started = True

    def _environment(self) -> dict[str, str]:
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "RABBITMQ_NODENAME": "rabbit@localhost",
            "RABBITMQ_BASE": str(self.directory),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "data"),
            "RABBITMQ_LOG_BASE": str(self.directory / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.directory / "no-such-file"),
            # Lets the node read its standard input, and spares a shell in between.
            "RABBITMQ_ALLOW_INPUT": "1",
        }

    @override
    def _write_configuration(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        ca_file, certificate_file, key_file = write_server_certificate(self.directory)
        (self.directory / "enabled_plugins").write_text("[].\n")
        (self.directory / "rabbitmq.conf").write_text(
            f"""\
listeners.tcp.1 = {HOST}:{self.port}
listeners.ssl.1 = {HOST}:{self.tls_port}
num_acceptors.tcp = 2
num_acceptors.ssl = 2
ssl_options.cacertfile = {ca_file}
ssl_options.certfile = {certificate_file}
ssl_options.keyfile = {key_file}
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false
loopback_users = none
default_user = {self.administrator_name}
default_pass = {self.administrator_password}
disk_free_limit.absolute = 1MB
log.file.level = info
"""
        )

    def _log_tail(self) -> str:
        files = [*(self.directory / "log").glob("*.log"), self.directory / "errors.log"]
        lines = [
            line
            for file in files
            if file.exists()
            for line in file.read_text(errors="replace").splitlines()
        ]
        return "\n".join(lines[-20:])
