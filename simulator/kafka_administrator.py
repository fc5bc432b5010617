"""The administrator of a private Kafka: its topics, accounts, rights and messages."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
import time
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    NewTopic,
    ResourcePattern,
    ResourceType,
    UserScramCredentialUpsertion,
)
from kafka.errors import RetriableError

from .kafka import Kafka
from .ports import BrokerError

_SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_PATIENCE = 20.0


class KafkaAdministrator:
    """Does what the owner of a cluster can do.

    Each call has connections of its own, so that none outlives the broker. Methods block
    and may be called from any thread.
    """

    def __init__(self, broker: Kafka) -> None:
        self._broker = broker

    def create_topic(
        self, name: str, partitions: int = 1, settings: Mapping[str, str] | None = None
    ) -> None:
        """Create a topic and wait until it can be used."""
        topic = NewTopic(
            name=name,
            num_partitions=partitions,
            replication_factor=1,
            topic_configs=dict(settings or {}),
        )
        with self._admin() as admin:
            admin.create_topics([topic])
            admin.wait_for_topics([name])

    def add_partitions(self, name: str, total: int) -> None:
        """Give a topic more partitions."""
        with self._admin() as admin:
            admin.create_partitions({name: total})

    def delete_topic(self, name: str) -> None:
        """Delete a topic and all that is in it."""
        with self._admin() as admin:
            admin.delete_topics([name])

    def set_password(self, name: str, password: str) -> None:
        """Let an account log in by SCRAM; PLAIN has a list of its own."""
        for each in _SCRAM:
            self._alter(UserScramCredentialUpsertion(name, each, password))

    def allow(
        self, name: str, *, topics: Iterable[str] = (), groups: Iterable[str] = ()
    ) -> None:
        """Let an account read topics and use groups; `*` means any."""
        resources = [
            *(ResourcePattern(ResourceType.TOPIC, topic) for topic in topics),
            *(ResourcePattern(ResourceType.GROUP, group) for group in groups),
        ]
        rules = [
            ACL(
                principal=f"User:{name}",
                host="*",
                operation=ACLOperation.READ,
                permission_type=ACLPermissionType.ALLOW,
                resource_pattern=resource,
            )
            for resource in resources
        ]
        with self._admin() as admin:
            result = admin.create_acls(rules)
        if result["failed"]:
            raise BrokerError(f"Kafka refused: {result['failed']}")

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """The offset that a group has committed for each topic and partition."""
        with self._admin() as admin:
            offsets = _patiently(lambda: admin.list_group_offsets(group))[group]
        return {
            (partition.topic, partition.partition): offset.offset
            for partition, offset in offsets.items()
            if offset.offset >= 0
        }

    def members(self, group: str) -> int:
        """How many consumers a group has at the moment."""
        with self._admin() as admin:
            groups = _patiently(lambda: admin.describe_groups([group]))
        return len(groups[group]["members"])

    def produce(
        self,
        topic: str,
        values: Sequence[bytes | None],
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        codec: str | None = None,
    ) -> None:
        """Write messages and wait until the broker has them; None makes a tombstone."""
        producer = KafkaProducer(
            bootstrap_servers=self._broker.address(),
            compression_type=codec,
            linger_ms=5,
        )
        try:
            sent = [
                producer.send(
                    topic,
                    value,
                    key=key,
                    partition=partition,
                    headers=list(headers),
                )
                for value in values
            ]
            producer.flush(30)
            for each in sent:
                each.get(30)
        finally:
            producer.close(10)

    def produce_in_transactions(self, topic: str, values: Sequence[bytes]) -> None:
        """Write each message in a transaction, whose end takes an offset of its own."""
        producer = KafkaProducer(
            bootstrap_servers=self._broker.address(), transactional_id=f"to-{topic}"
        )
        try:
            producer.init_transactions()
            for value in values:
                producer.begin_transaction()
                producer.send(topic, value, partition=0).get(30)
                producer.commit_transaction()
        finally:
            producer.close(10)

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Forget the messages below an offset, as retention does in time."""
        with self._admin() as admin:
            admin.delete_records({TopicPartition(topic, partition): before})

    @contextmanager
    def _admin(self) -> Iterator[Any]:
        admin = KafkaAdminClient(bootstrap_servers=self._broker.address())
        try:
            yield admin
        finally:
            admin.close()

    def _alter(self, alteration: object) -> None:
        # One at a time: it takes no two for the same account at once.
        with self._admin() as admin:
            errors = admin.alter_user_scram_credentials([alteration])
        for error in errors.values():
            if error is not None:
                raise BrokerError(f"Kafka refused: {error}")


def _patiently[T](call: Callable[[], T]) -> T:
    """Call until a broker that has only just begun to care for groups is ready to."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return call()
        except RetriableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
