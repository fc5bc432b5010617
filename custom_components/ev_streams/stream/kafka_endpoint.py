"""Where a Kafka topic is, and how to get in."""

from dataclasses import dataclass
from enum import StrEnum
from ssl import SSLContext


class SecurityProtocol(StrEnum):
    """What a listener of a broker wants: TLS or not, a login or not."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


class SaslMechanism(StrEnum):
    """How the password is shown; only PLAIN sends it over the line."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaEndpoint:
    """Which topic to read as which group, from brokers given as `host:port`.

    `ssl_context` is needed for the protocols with TLS, mechanism, name and password for
    those with SASL.
    """

    brokers: tuple[str, ...]
    topic: str
    group_id: str
    security_protocol: SecurityProtocol = SecurityProtocol.PLAINTEXT
    sasl_mechanism: SaslMechanism | None = None
    username: str | None = None
    password: str | None = None
    ssl_context: SSLContext | None = None

    def __repr__(self) -> str:
        """Keep the credentials out of logs and tracebacks."""
        return (
            f"KafkaEndpoint({', '.join(self.brokers)}, topic={self.topic}, "
            f"group_id={self.group_id}, {self.security_protocol})"
        )
