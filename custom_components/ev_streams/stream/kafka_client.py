"""The Kafka library, made to say what went wrong.

Importing this loads the library, which takes its time: only the threads of `kafka` do,
so that whoever has no such stream is spared it. Everything here blocks.

By itself the library tries again for ever, with a line in the log for each failure. It
takes its network client from a factory, and ours remembers what happened to connections.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from ssl import SSLError
import time
from typing import Any, Final, override

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import (
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    InvalidReceiveError,
    InvalidTopicError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    RetriableError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    UnsupportedCodecError,
    UnsupportedSaslMechanismError,
)
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from .errors import (
    ConnectionFailedError,
    CredentialsRefusedError,
    GroupDeniedError,
    SourceGoneError,
    StreamError,
    TopicDeniedError,
)
from .kafka_endpoint import KafkaEndpoint
from .kafka_transport import opened
from .tls_errors import translated_tls

# Milliseconds, as the library counts.
CONNECT_TIMEOUT: Final = 10_000
CALL_TIMEOUT: Final = 10_000
# A line that is dead shows in a request that is not answered.
REQUEST_TIMEOUT: Final = 15_000
# After a power cut the group waits that long for the member that was.
SESSION_TIMEOUT: Final = 15_000
# How long others of the group may take to give up partitions, and we between two polls.
REBALANCE_TIMEOUT: Final = 60_000
# Also how soon a deleted topic and an added partition are noticed.
METADATA_MAX_AGE: Final = 60_000
RECONNECT_BACKOFF_MAX: Final = 1_000
# Enough for some thousand messages, and little for a small machine.
FETCH_MAX_BYTES: Final = 4 * 1024 * 1024
LOOK_INTERVAL: Final = 0.2

# These do not pass by themselves.
_FINAL: Final = (
    IllegalSaslStateError,
    InvalidReceiveError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)
_MEANINGS: Final = {
    IllegalSaslStateError: "the broker wants no login there",
    InvalidReceiveError: "what answers there does not speak Kafka, or only with TLS",
    UnsupportedSaslMechanismError: "the broker does not offer this SASL mechanism",
}


class Client:
    """A consumer that has found the cluster, was let in, and has no part in a group yet."""

    def __init__(self, endpoint: KafkaEndpoint) -> None:
        """Connect; raises StreamError."""
        self.topic = endpoint.topic
        self.manager: Manager | None = None
        with self.errors(), ExitStack() as stack:
            # Where it fails, it leaves a thread and its sockets behind.
            self._on_failure = stack.callback
            self.consumer: Any = KafkaConsumer(
                kafka_client=self._network_client, **_settings(endpoint)
            )
            stack.pop_all()

    def look(self) -> None:
        """See that the topic exists and the group may be used; raises StreamError."""
        with self.errors():
            self._look_at_topic()
            self.consumer.committed(
                TopicPartition(self.topic, 0), timeout_ms=CALL_TIMEOUT
            )

    def try_to_read(self) -> None:
        """See that the topic may be read, without a part in the group; raises StreamError."""
        with self.errors():
            partition = TopicPartition(self.topic, 0)
            self.consumer.assign([partition])
            self.consumer.seek_to_end(partition)
            self.consumer.poll(timeout_ms=1000, max_records=1)

    def subscribe(self, listener: object) -> None:
        """Ask for a part in the group, which `poll` then sees to.

        Who leads the group remembers for which state of the topic it shared it out, and
        does so again if that changes: let it know the state before, not in the middle.
        """
        self.consumer.subscribe([self.topic], listener=listener)
        manager = self._the_manager
        manager.run(manager.wait_for, manager.cluster.request_update(), CALL_TIMEOUT)

    def keep_joining(self) -> None:
        """Let a rebalance that has begun come to its end.

        The library forgets one that it began by itself if that takes longer than a call
        of `poll` and the reason for it is gone by then. It would never read again.
        """
        self.consumer._coordinator.request_rejoin()  # noqa: SLF001

    def see_that_topic_exists(self) -> None:
        """Ask the cluster where what is known tells nothing; raises StreamError."""
        cluster = self._the_manager.cluster
        if cluster.partitions_for_topic(self.topic) is None:
            with self.errors():
                self._look_at_topic()

    @property
    def is_connected(self) -> bool:
        """Whether there is a line to any broker."""
        return self._the_manager.is_connected

    @property
    def loss(self) -> StreamError:
        """Why there is no line."""
        return self._translated(KafkaConnectionError("the connection was lost"))

    @property
    def is_refused(self) -> bool:
        """Whether a connection failed for a reason that does not pass."""
        return bool(self._the_manager.closed)

    def close(self, patience: int) -> None:
        """Leave the group, after its listener has been told, and close all connections."""
        self.consumer.close(timeout_ms=patience)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the library's errors into ours."""
        try:
            yield
        except KafkaError as err:
            raise self._translated(err) from err
        except (OSError, ValueError, RuntimeError) as err:
            # So it reports an address that cannot be one, and that its own loop has died.
            raise ConnectionFailedError(f"{type(err).__name__}: {err}") from err

    @property
    def _the_manager(self) -> Manager:
        assert self.manager is not None
        return self.manager

    def _network_client(self, **settings: Any) -> Any:
        network = NetworkSelector(**settings)
        self.manager = Manager(network, **settings)
        client = KafkaNetClient(net=network, manager=self.manager, **settings)
        self._on_failure(client.close)
        return client

    def _look_at_topic(self) -> None:
        manager = self._the_manager
        try:
            manager.cluster.set_topics([self.topic])
        except ValueError as err:
            raise SourceGoneError(self.topic) from err
        deadline = time.monotonic() + CALL_TIMEOUT / 1000
        # An answer may still be one to a question that did not name the topic.
        while manager.cluster.partitions_for_topic(self.topic) is None:
            if time.monotonic() > deadline:
                raise KafkaTimeoutError
            update = manager.cluster.request_update()
            try:
                manager.run(manager.wait_for, update, CALL_TIMEOUT)
            except UnknownTopicOrPartitionError:
                raise
            except RetriableError:
                time.sleep(LOOK_INTERVAL)

    def _translated(self, error: KafkaError) -> StreamError:
        # That a time is over says less than what happened in it.
        if isinstance(error, KafkaTimeoutError | KafkaConnectionError):
            trouble = None if self.manager is None else self.manager.trouble
            if trouble is not None:
                return _translated_trouble(*trouble)
            return ConnectionFailedError("no answer in time")
        if isinstance(error, TopicAuthorizationFailedError):
            return TopicDeniedError(self.topic)
        if isinstance(error, UnknownTopicOrPartitionError | InvalidTopicError):
            return SourceGoneError(self.topic)
        return _translated(error)


class Manager(KafkaConnectionManager):  # type: ignore[misc]
    """Remembers which connections live and why the last one failed.

    What does not pass by itself ends all attempts: it closes the whole manager, upon
    which whoever waits for a connection is told.
    """

    def __init__(self, network: Any, **settings: Any) -> None:
        super().__init__(network, **settings)
        self.trouble: tuple[str, BaseException] | None = None
        self._network = network
        self._watched: set[Any] = set()
        self._alive: set[Any] = set()

    @property
    def is_connected(self) -> bool:
        """Whether any connection lives."""
        return bool(self._alive)

    @override
    def get_connection(self, node_id: object, *args: Any, **kwargs: Any) -> Any:
        connection = super().get_connection(node_id, *args, **kwargs)
        if connection not in self._watched:
            self._watch(node_id, connection)
        return connection

    @override
    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> Any:
        return await opened(self._network, node, self.config, timeout_at)

    def _watch(self, node_id: object, connection: Any) -> None:
        self._watched.add(connection)
        broker = self.cluster.broker_metadata(node_id)
        address = "the broker" if broker is None else f"{broker.host}:{broker.port}"
        connection.init_future.add_callback(partial(self._came, connection))
        connection.init_future.add_errback(partial(self._failed, address))
        connection.close_future.add_both(partial(self._went, connection, address))
        # Nothing else ends a handshake of TLS that the other side leaves unanswered.
        self._network.call_later(
            CONNECT_TIMEOUT / 1000, lambda: self._give_up(connection)
        )

    def _came(self, connection: Any, _result: object) -> None:
        self._alive.add(connection)
        self.trouble = None

    def _failed(self, address: str, error: BaseException) -> None:
        self.trouble = address, error
        if _is_final(error):
            self._network.call_soon(self.close)

    def _went(self, connection: Any, address: str, reason: object) -> None:
        self._watched.discard(connection)
        self._alive.discard(connection)
        if isinstance(reason, BaseException) and self.trouble is None:
            self.trouble = address, reason

    def _give_up(self, connection: Any) -> None:
        if connection.initializing:
            connection.close(KafkaConnectionError("no answer in time"))


def _settings(endpoint: KafkaEndpoint) -> dict[str, Any]:
    return {
        "bootstrap_servers": list(endpoint.brokers),
        "client_id": "ev-streams",
        "group_id": endpoint.group_id,
        "enable_auto_commit": False,
        # A group that is new, or was away for longer than its topic keeps messages,
        # begins with the oldest that is left: nothing is lost that can still be had.
        "auto_offset_reset": "earliest",
        "allow_auto_create_topics": False,
        # What a producer has taken back never happened.
        "isolation_level": "read_committed",
        "security_protocol": endpoint.security_protocol.value,
        "ssl_context": endpoint.ssl_context,
        "sasl_mechanism": endpoint.sasl_mechanism and endpoint.sasl_mechanism.value,
        "sasl_plain_username": endpoint.username,
        "sasl_plain_password": endpoint.password,
        "bootstrap_timeout_ms": CONNECT_TIMEOUT,
        "request_timeout_ms": REQUEST_TIMEOUT,
        "session_timeout_ms": SESSION_TIMEOUT,
        "max_poll_interval_ms": REBALANCE_TIMEOUT,
        "metadata_max_age_ms": METADATA_MAX_AGE,
        "reconnect_backoff_max_ms": RECONNECT_BACKOFF_MAX,
        "fetch_max_bytes": FETCH_MAX_BYTES,
        "metrics_enabled": False,
    }


def _is_final(error: BaseException) -> bool:
    return isinstance(error, _FINAL) or _tls_error(error) is not None


def _tls_error(error: BaseException | None) -> SSLError | None:
    """Find what the library has wrapped, or only mentions by raising in its wake."""
    while error is not None:
        if isinstance(error, SSLError):
            return error
        inner = next((arg for arg in error.args if isinstance(arg, SSLError)), None)
        if inner is not None:
            return inner
        error = error.__cause__ or error.__context__
    return None


def _translated_trouble(address: str, error: BaseException) -> StreamError:
    tls = _tls_error(error)
    if tls is not None:
        return translated_tls(tls)
    if isinstance(error, KafkaConnectionError):
        return ConnectionFailedError(f"{address} cannot be reached: {error}")
    return _translated(error)


def _translated(error: BaseException) -> StreamError:
    """Tell what an error means; the text names kinds and codes, never a secret."""
    if isinstance(error, SaslAuthenticationFailedError):
        # What the broker says besides may name the account.
        return CredentialsRefusedError("the broker refused the login")
    if isinstance(error, GroupAuthorizationFailedError):
        return GroupDeniedError("the broker does not let us use the consumer group")
    if isinstance(error, UnsupportedCodecError):
        return ConnectionFailedError(f"messages cannot be unpacked: {error}")
    if type(error) in _MEANINGS:
        return ConnectionFailedError(_MEANINGS[type(error)])
    if isinstance(error, KafkaError):
        return ConnectionFailedError(str(error))
    return ConnectionFailedError(f"{type(error).__name__}: {error}")
