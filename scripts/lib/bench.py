"""How many messages a second go from the broker through decoding into the ledger.

Home Assistant takes no part: what is measured is what every message costs
before anybody looks at it. The floor is a consumer that only acknowledges.
"""

import argparse
import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
from statistics import median
import tempfile
import time

from custom_components.ev_streams.ledger import Ledger
from custom_components.ev_streams.model import Reading
from custom_components.ev_streams.providers.easee.decode import decode
from custom_components.ev_streams.stream.amqp import AmqpEndpoint, AmqpStream
from custom_components.ev_streams.stream.delivery import Delivery
from custom_components.ev_streams.stream.errors import StreamError
from custom_components.ev_streams.stream.supervisor import SourceState
from simulator.administrator import RoutedMessage
from simulator.rabbitmq import Administrator, RabbitMQ

ACCOUNT = ("bench", "bench", "Bench.Q", "Bench.X")
RUNS = 3


class _Deaf:
    """Hears nothing of how the stream fares."""

    def connecting(self) -> None:
        """Nobody asked."""

    def connected(self, backlog: int | None) -> None:
        """Nobody asked."""

    def watched(self, state: SourceState) -> None:
        """Nobody asked."""

    def lost(self, error: StreamError, retry_in: float) -> None:
        """Nobody asked."""

    def refused(self, error: StreamError) -> None:
        """Nobody asked."""


def acknowledge() -> Callable[[Delivery], None]:
    """Return the least that a consumer can do."""
    return lambda delivery: delivery.ack()


def decode_and_apply() -> Callable[[Delivery], None]:
    """Return what the integration does before anybody is told."""
    ledger = Ledger()

    def handle(delivery: Delivery) -> None:
        now = datetime.now(UTC)
        for update in decode(delivery).updates:
            if isinstance(update, Reading):
                ledger.apply(update, now)
        delivery.ack()

    return handle


async def measure(
    broker: RabbitMQ, messages: int, handler: Callable[[Delivery], None]
) -> float:
    """Return the messages a second that the handler takes from a full queue."""
    async with broker.administrator() as administrator:
        await administrator.create_account(*ACCOUNT)
        await _fill(administrator, messages)
        username, password, queue, _ = ACCOUNT
        done = asyncio.Event()
        left = messages

        class Counter:
            """Takes the deliveries and counts them."""

            def handle(self, delivery: Delivery) -> None:
                nonlocal left
                handler(delivery)
                left -= 1
                if not left:
                    done.set()

            async def settle(self) -> None:
                """Nothing is pending."""

        endpoint = AmqpEndpoint(
            host=broker.host,
            port=broker.port,
            virtual_host="/",
            username=username,
            password=password,
            queues=(queue,),
            ssl_context=None,
        )
        started = time.perf_counter()
        stream = asyncio.create_task(AmqpStream(endpoint, Counter()).run(_Deaf()))
        await done.wait()
        rate = messages / (time.perf_counter() - started)
        stream.cancel()
        await asyncio.gather(stream, return_exceptions=True)
        return rate


async def _fill(administrator: Administrator, messages: int) -> None:
    begin = datetime.now(UTC)
    content: list[RoutedMessage] = []
    for number in range(messages):
        moment = (begin + timedelta(milliseconds=number)).isoformat()
        body = json.dumps({"Timestamp": moment, "Value": number / 1000}).encode()
        key = f"EH{number % 20:06}.O.{(120, 121, 183, 194)[number % 4]}"
        content.append((key, body, {"ArrivalTime": moment}))
    await administrator.publish_many(ACCOUNT[3], content)


def main() -> None:
    """Measure in turn, so that a drifting machine drifts for both."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--messages", type=int, default=30_000)
    messages: int = parser.parse_args().messages
    rates: dict[str, list[float]] = {"acknowledge": [], "decode and apply": []}
    with tempfile.TemporaryDirectory(prefix="ev-streams-") as directory:
        broker = RabbitMQ(Path(directory))
        with broker:
            for _ in range(RUNS):
                for name, handler in (
                    ("acknowledge", acknowledge()),
                    ("decode and apply", decode_and_apply()),
                ):
                    rates[name].append(asyncio.run(measure(broker, messages, handler)))
    floor = median(rates["acknowledge"])
    for name, seen in rates.items():
        print(
            f"{name:20} {median(seen):8.0f} messages/s  ({median(seen) / floor:.2f}),"
            f" {min(seen):.0f} to {max(seen):.0f} in {RUNS} runs"
        )


if __name__ == "__main__":
    main()
