"""How many messages a second go from the broker to the disk, and how long the loop is held.

Home Assistant takes no part: what is measured is what every message costs
before anybody looks at it. The floor is a consumer that only acknowledges;
above it what is decoded and taken into the ledger, and what is committed
before it is acknowledged, as while a backlog is replayed.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
from statistics import median
import tempfile
import time

from custom_components.ev_streams.batch import Batch
from custom_components.ev_streams.commit import Committer
from custom_components.ev_streams.derivation import Derivation
from custom_components.ev_streams.history import history_keys
from custom_components.ev_streams.intake import Intake
from custom_components.ev_streams.ledger import Ledger
from custom_components.ev_streams.model import Reading
from custom_components.ev_streams.providers.easee import EASEE
from custom_components.ev_streams.providers.easee.decode import decode
from custom_components.ev_streams.store import Store
from custom_components.ev_streams.stream.amqp import AmqpEndpoint, AmqpStream
from custom_components.ev_streams.stream.delivery import Delivery
from simulator.administrator import RoutedMessage
from simulator.rabbitmq import Administrator, RabbitMQ

from . import bench_mqtt
from .bench_stream import Deaf, longest_hold

ACCOUNT = ("bench", "bench", "Bench.Q", "Bench.X")
RUNS = 3

type Handle = Callable[[Delivery], None]
type Consumer = Callable[[Path], AbstractAsyncContextManager[Handle]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Messages a second, and the longest time in seconds that the event loop was held."""

    rate: float
    longest: float


@asynccontextmanager
async def acknowledge(_directory: Path) -> AsyncIterator[Handle]:
    """Do the least that a consumer can do."""
    yield lambda delivery: delivery.ack()


@asynccontextmanager
async def decode_and_apply(_directory: Path) -> AsyncIterator[Handle]:
    """Take readings into the ledger, and nothing else."""
    ledger = Ledger()

    def handle(delivery: Delivery) -> None:
        now = datetime.now(UTC)
        for update in decode(delivery).updates:
            if isinstance(update, Reading):
                ledger.apply(update, now)
        delivery.ack()

    yield handle


@asynccontextmanager
async def commit_first(directory: Path) -> AsyncIterator[Handle]:
    """Do all that the integration does before it tells an entity."""
    store, ledger = Store(directory / f"{time.monotonic_ns()}.sqlite3"), Ledger()
    await store.open()
    committer = Committer(
        store, is_live=lambda: False, everything=Batch, on_trouble=lambda _error: None
    )
    intake = Intake(
        ledger,
        committer,
        Derivation(EASEE),
        history_keys=history_keys(EASEE),
        meter_keys=EASEE.meter_inputs,
        register_keys=EASEE.meter_keys,
        personal_keys=EASEE.personal_keys,
        keeps_history=True,
        keeps_tokens=False,
    )

    def handle(delivery: Delivery) -> None:
        now = datetime.now(UTC)
        for update in decode(delivery).updates:
            intake.take(update, now, is_replaying=True)
        committer.settle(delivery.ack)

    committing = asyncio.create_task(committer.run())
    yield handle
    await committer.flush()
    committing.cancel()
    await asyncio.gather(committing, return_exceptions=True)
    await store.close()


async def measure(
    broker: RabbitMQ, messages: int, consumer: Consumer, directory: Path
) -> Result:
    """Take a full queue to its end; the last acknowledgement counts."""
    async with broker.administrator() as administrator:
        await administrator.create_account(*ACCOUNT)
        await _fill(administrator, messages)
        async with consumer(directory) as handle:
            return await _consume(broker, messages, handle)


async def _consume(broker: RabbitMQ, messages: int, handle: Handle) -> Result:
    username, password, queue, _ = ACCOUNT
    done = asyncio.Event()
    left = messages

    class Counter:
        """Counts the messages as they are acknowledged."""

        def handle(self, delivery: Delivery) -> None:
            def ack() -> None:
                nonlocal left
                delivery.ack()
                left -= 1
                if not left:
                    done.set()

            handle(
                Delivery(
                    address=delivery.address,
                    body=delivery.body,
                    headers=delivery.headers,
                    ack=ack,
                )
            )

        async def settle(self) -> None:
            """Nothing is pending at the end."""

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
    stream = asyncio.create_task(AmqpStream(endpoint, Counter()).run(Deaf()))
    longest = await longest_hold(done)
    rate = messages / (time.perf_counter() - started)
    stream.cancel()
    await asyncio.gather(stream, return_exceptions=True)
    return Result(rate=rate, longest=longest)


async def _fill(administrator: Administrator, messages: int) -> None:
    begin = datetime.now(UTC) - timedelta(hours=12)
    content: list[RoutedMessage] = []
    for number in range(messages):
        moment = (begin + timedelta(seconds=number)).isoformat()
        body = json.dumps({"Timestamp": moment, "Value": number / 1000}).encode()
        key = f"EH{number % 20:06}.O.{(120, 121, 183, 194)[number % 4]}"
        content.append((key, body, {"ArrivalTime": moment}))
    await administrator.publish_many(ACCOUNT[3], content)


def main() -> None:
    """Measure in turn, so that a drifting machine drifts for all."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--messages", type=int, default=30_000)
    messages: int = parser.parse_args().messages
    consumers: dict[str, Consumer] = {
        "acknowledge": acknowledge,
        "decode and apply": decode_and_apply,
        "commit, then acknowledge": commit_first,
    }
    results: dict[str, list[Result]] = {name: [] for name in consumers}
    with (
        tempfile.TemporaryDirectory(prefix="ev-streams-") as directory,
        RabbitMQ(Path(directory)) as broker,
    ):
        for _ in range(RUNS):
            for name, consumer in consumers.items():
                measured = measure(broker, messages, consumer, Path(directory))
                results[name].append(asyncio.run(measured))
    floor = median(each.rate for each in results["acknowledge"])
    for name, seen in results.items():
        rates = [each.rate for each in seen]
        held = max(each.longest for each in seen)
        print(
            f"{name:26} {median(rates):8.0f} messages/s  ({median(rates) / floor:.2f}),"
            f" {min(rates):.0f} to {max(rates):.0f} in {RUNS} runs,"
            f" the loop held for {held * 1000:.0f} ms at most"
        )
    with tempfile.TemporaryDirectory(prefix="ev-streams-") as directory:
        asyncio.run(bench_mqtt.run(Path(directory)))


if __name__ == "__main__":
    main()
