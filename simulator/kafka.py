"""A private Kafka broker: a real one, on loopback, in a directory of its own."""

from collections.abc import Mapping
import contextlib
import os
from pathlib import Path
import shutil
import signal
import subprocess
import time
from types import TracebackType
from typing import Self
from uuid import uuid4

from .certificates import Authority, write_server_certificate
from .ports import HOST, BrokerError, free_ports

_LIBRARIES = Path(__file__).resolve().parent.parent / ".tools/kafka/libs"
_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 15.0

# In the order of their ports; the last is only for the broker itself.
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_LISTENERS = (*PROTOCOLS, "CONTROLLER")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

# Its standard input ends with its parent, by whatever death; the broker goes with it.
_GUARD = '"$@" >>"$0" 2>&1 & echo $!; cat >/dev/null; kill -KILL $! 2>/dev/null'

_JAVA = (
    "java",
    "-Xms64m",
    "-Xmx512m",
    # A broker that lives for minutes: what makes it start sooner counts more than speed.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-cp",
    f"{_LIBRARIES}/*",
)
_RUNNING = "Kafka Server started"


class Kafka:
    """A private Kafka on loopback, on free ports: one node that is broker and controller.

    Ports, topics and accounts outlive `stop` and `start`, and the broker dies with its
    parent. Who logs in with a password may do nothing before `KafkaAdministrator.allow`;
    who comes without one may do everything. Methods block and may be called from a
    thread.
    """

    host = HOST

    def __init__(self, directory: Path, accounts: Mapping[str, str]) -> None:
        """`accounts` are the names and passwords that the mechanism PLAIN knows."""
        self.directory = directory.resolve()
        self.authority = Authority("Simulated Kafka CA")
        self.accounts = dict(accounts)
        # As long as Kafka's own, which are base 64.
        self._cluster = uuid4().hex[:22]
        self._ports: dict[str, int] | None = None
        self._guard: subprocess.Popen[str] | None = None
        self._pid: int | None = None

    @staticmethod
    def available() -> str | None:
        """None when a broker can be started, otherwise one line on what is missing."""
        if not _LIBRARIES.is_dir():
            return "Kafka is not there (scripts/setup gets it with Java 17 and Maven)"
        if shutil.which("java") is None:
            return "Java is not on PATH (Kafka needs it)"
        return None

    def port(self, protocol: str = "PLAINTEXT") -> int:
        """The port of one of the `PROTOCOLS`; TLS is certified for localhost and 127.0.0.1."""
        if self._ports is None:
            raise BrokerError("Kafka has not been started yet")
        return self._ports[protocol]

    def address(self, protocol: str = "PLAINTEXT") -> str:
        """Host and port of one of the `PROTOCOLS`."""
        return f"{HOST}:{self.port(protocol)}"

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
            self._ports = dict(
                zip(_LISTENERS, free_ports(len(_LISTENERS)), strict=True)
            )
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
        deadline = time.monotonic() + _STOP_TIMEOUT
        while time.monotonic() < deadline and _runs(self._pid):
            time.sleep(0.02)
        self.kill()

    def kill(self) -> None:
        """End the broker as a power cut would; `start` brings it back."""
        guard, self._guard, self._pid = self._guard, None, None
        if guard is not None:
            # Its input ends, and it ends the broker.
            guard.communicate()

    @property
    def _configuration(self) -> Path:
        return self.directory / "server.properties"

    @property
    def _log(self) -> Path:
        return self.directory / "kafka.log"

    def _log_since(self, offset: int) -> str:
        if not self._log.exists():
            return ""
        return self._log.read_bytes()[offset:].decode(errors="replace")

    def _start_process(self) -> None:
        offset = self._log.stat().st_size if self._log.exists() else 0
        command = [*_JAVA, "kafka.Kafka", str(self._configuration)]
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, str(self._log), *command],
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

    def _wait_until_running(self, pid: int, offset: int) -> None:
        """Wait for its own word: who listens on its ports may be somebody else."""
        deadline = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < deadline and _runs(pid):
            if _RUNNING in self._log_since(offset):
                return
            time.sleep(0.05)
        raise BrokerError(f"Kafka did not start:\n{self._log_since(offset)[-3000:]}")

    def _write_configuration(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        ca, certificate, key = write_server_certificate(self.directory, self.authority)
        store = self.directory / "keystore.pem"
        for file in (store, self._configuration):
            file.touch(mode=0o600)
        store.write_bytes(key.read_bytes() + certificate.read_bytes())
        self._configuration.write_text(self._properties(store, ca))
        command = [*_JAVA, "kafka.tools.StorageTool", "format", "--ignore-formatted"]
        command += ["--config", str(self._configuration)]
        formatted = subprocess.run(
            [*command, "--cluster-id", self._cluster],
            capture_output=True,
            text=True,
            check=False,
        )
        if formatted.returncode:
            raise BrokerError(f"Kafka's storage: {formatted.stdout}{formatted.stderr}")

    def _properties(self, keystore: Path, authorities: Path) -> str:
        listeners = ",".join(
            f"{name}://{HOST}:{self.port(name)}" for name in _LISTENERS
        )
        advertised = ",".join(
            f"{name}://{HOST}:{self.port(name)}" for name in PROTOCOLS
        )
        protocols = ",".join(f"{name}:{name}" for name in PROTOCOLS)
        return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{HOST}:{self.port("CONTROLLER")}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map={protocols},CONTROLLER:PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={authorities}
sasl.enabled.mechanisms={",".join(MECHANISMS)}
{self._logins()}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
auto.create.topics.enable=false
log.dirs={self.directory / "data"}
num.partitions=1
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=200
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""

    def _logins(self) -> str:
        """Whom each listener with a login knows; SCRAM keeps its accounts elsewhere."""
        users = "".join(
            f' user_{name}="{password}"' for name, password in self.accounts.items()
        )
        modules = {
            "PLAIN": f"plain.PlainLoginModule required{users};",
            "SCRAM-SHA-256": "scram.ScramLoginModule required;",
            "SCRAM-SHA-512": "scram.ScramLoginModule required;",
        }
        return "\n".join(
            f"listener.name.{protocol.lower()}.{mechanism.lower()}.sasl.jaas.config="
            f"org.apache.kafka.common.security.{module}"
            for protocol in PROTOCOLS
            if protocol.startswith("SASL")
            for mechanism, module in modules.items()
        )


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
