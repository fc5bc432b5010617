"""The vendor's side of the broker: event consumers, their queues, and what goes in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
import random
import secrets
from types import TracebackType
from typing import Any, Self

from ..administrator import Administrator, QueueState
from ..rabbitmq import RabbitMQ
from .events import Event, Topic, make_event

EXCHANGE = "events"
CONSUMERS_AT_MOST = 5


class TooManyConsumersError(Exception):
    """A fleet has as many event consumers as it may."""


@dataclass(slots=True, kw_only=True)
class EventConsumer:
    """What the fleet's portal shows of an event consumer, to be pasted."""

    host: str
    port: int
    tls_port: int
    virtual_host: str
    username: str
    password: str = field(repr=False)
    queues: dict[Topic, str] = field(default_factory=dict)


class InversFleet:
    """One fleet: a virtual host with an exchange, and a queue for each subscribed topic.

    Bound to the event loop it is entered in; entering begins afresh, and leaving
    takes everything away. How the vendor calls virtual hosts and queues is not public.
    """

    def __init__(self, broker: RabbitMQ, name: str = "4711") -> None:
        self.name = name
        self.administrator: Administrator = broker.administrator(f"fleet-{name}")
        self.consumers: dict[str, EventConsumer] = {}
        self._random = random.Random(name)

    async def __aenter__(self) -> Self:
        await self.administrator.create_virtual_host()
        await self.administrator.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for consumer in self.consumers.values():
            await self.administrator.delete_user(consumer.username)
        await self.administrator.delete_virtual_host()

    async def add_consumer(
        self, name: str = "home", topics: Iterable[Topic] = tuple(Topic)
    ) -> EventConsumer:
        """Make an event consumer, who may read and nothing else, and subscribe its topics."""
        if len(self.consumers) == CONSUMERS_AT_MOST:
            raise TooManyConsumersError
        broker = self.administrator.broker
        consumer = EventConsumer(
            host=broker.host,
            port=broker.port,
            tls_port=broker.tls_port,
            virtual_host=self.administrator.virtual_host,
            username=f"f-{self.name}-c-{name}",
            password=secrets.token_hex(12),
        )
        await self.administrator.create_user(
            consumer.username, consumer.password, write="^$", read=".*"
        )
        self.consumers[name] = consumer
        for topic in topics:
            await self.subscribe(consumer, topic)
        return consumer

    async def subscribe(self, consumer: EventConsumer, topic: Topic) -> str:
        """Switch a topic on, in the portal; returns the name of its new queue."""
        queue = f"{consumer.username}-{topic}"
        await self.administrator.create_queue(queue, EXCHANGE, keys=(topic,))
        consumer.queues[topic] = queue
        return queue

    async def remove_queue(self, consumer: EventConsumer, topic: Topic) -> None:
        """Do what happens after three days without an acknowledgement.

        The queue goes with all it holds, and the topic is subscribed no more.
        """
        await self.administrator.delete_queue(consumer.queues.pop(topic))

    async def set_password(self, consumer: EventConsumer, password: str) -> None:
        """Change the password of a consumer, whose connections are cut."""
        await self.administrator.set_password(consumer.username, password)
        consumer.password = password
        await self.administrator.close_connections(consumer.username)

    async def queue_state(self, consumer: EventConsumer, topic: Topic) -> QueueState:
        """What waits for a consumer; raises LookupError where the queue is gone."""
        queue = consumer.queues.get(topic, f"{consumer.username}-{topic}")
        return await self.administrator.queue_state(queue)

    async def publish(
        self,
        kind: str,
        data: Mapping[str, Any],
        *,
        occurred_at: datetime | None = None,
        **members: Any,
    ) -> Event:
        """Publish one event of a type, which happened now unless told otherwise."""
        when = occurred_at or datetime.now(UTC)
        event = make_event(kind, data, when, self._random, **members)
        await self.publish_many([event])
        return event

    async def publish_many(self, events: Iterable[Event]) -> None:
        """Publish events in order; who has not subscribed their topic gets none of them."""
        await self.administrator.post_many(
            EXCHANGE, ((event.topic, event.message) for event in events)
        )

    async def publish_raw(self, topic: Topic, body: bytes) -> None:
        """Publish anything at all."""
        await self.administrator.publish(EXCHANGE, topic, body)
