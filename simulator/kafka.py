"""A private Kafka broker: a real one, on loopback, in a directory of its own."""

from collections.abc import Mapping
from pathlib import Path
import re
import shutil
import subprocess
from typing import override
from uuid import uuid4

from .broker_process import BrokerProcess
from .certificates import Authority, write_server_certificate
from .ports import HOST, BrokerError

_LIBRARIES = Path(__file__).resolve().parent.parent / ".tools/kafka/libs"

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

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


class Kafka(BrokerProcess):
    """A private Kafka on loopback, on free ports: one node that is broker and controller.

    Topics and accounts outlive `stop` and `start`. Who logs in with a password may do
    nothing before `KafkaAdministrator.allow`; who comes without one may do everything.
    """

    name = "Kafka"
    # The last is only for the broker itself.
    listeners = (*PROTOCOLS, "CONTROLLER")
    running = re.compile("Kafka Server started")
    start_timeout = 60.0

    def __init__(self, directory: Path, accounts: Mapping[str, str]) -> None:
        """`accounts` are the names and passwords that the mechanism PLAIN knows."""
        super().__init__(directory, Authority("Simulated Kafka CA"))
        self.accounts = dict(accounts)
        # As long as Kafka's own, which are base 64.
        self._cluster = uuid4().hex[:22]

    @staticmethod
    @override
    def available() -> str | None:
        if not _LIBRARIES.is_dir():
            return "Kafka is not there (scripts/setup gets it with Java 17 and Maven)"
        if shutil.which("java") is None:
            return "Java is not on PATH (Kafka needs it)"
        return None

    def port(self, protocol: str = "PLAINTEXT") -> int:
        """The port of one of the `PROTOCOLS`; TLS is certified for localhost and 127.0.0.1."""
        return self._port_of(protocol)

    def address(self, protocol: str = "PLAINTEXT") -> str:
        """Host and port of one of the `PROTOCOLS`."""
        return f"{HOST}:{self.port(protocol)}"

    @property
    def _configuration(self) -> Path:
        return self.directory / "server.properties"

    @override
    def _command(self) -> tuple[str, ...]:
        return (*_JAVA, "kafka.Kafka", str(self._configuration))

    @override
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
            f"{name}://{HOST}:{self.port(name)}" for name in self.listeners
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
