"""How many messages of cars a second are decoded, mapped and kept, over TLS from a Mosquitto.

A broker of this kind keeps nothing (QoS 0): what counts is that none is lost at the rate
at which they come. The sender is in the same process and takes its share of the time: what
the loop is held for while it sends as fast as it can is for the most part its own.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
import time

from custom_components.ev_streams.batch import Batch
from custom_components.ev_streams.commit import Committer
from custom_components.ev_streams.derivation import Derivation
from custom_components.ev_streams.intake import Intake
from custom_components.ev_streams.ledger import Ledger
from custom_components.ev_streams.providers.stellantis import STELLANTIS
from custom_components.ev_streams.providers.stellantis.decode import decode
from custom_components.ev_streams.providers.stellantis.presets import V4_STATUS
from custom_components.ev_streams.providers.stellantis.topics import (
    DEFAULT_ROOT,
    Direction,
    Topics,
)
from custom_components.ev_streams.store import Store
from custom_components.ev_streams.stream.certificate import (
    read_authorities,
    read_client_certificate,
)
from custom_components.ev_streams.stream.delivery import Delivery
from custom_components.ev_streams.stream.mqtt import MqttStream
from custom_components.ev_streams.stream.mqtt_client import MqttEndpoint
from custom_components.ev_streams.stream.tls import client_context
from custom_components.ev_streams.traffic import Traffic
from simulator.mosquitto import Mosquitto
from simulator.stellantis import Car, StellantisPlatform

from .bench_stream import Deaf, longest_hold

UID = "BENCH"
VIN = "VR3UHZKXZPT123456"
PATIENCE = 60.0
# As an account with a large fleet would send, and as fast as it goes.
RATES = {1_000: 10_000, 20_000: 40_000}


class CarTaker:
    """Takes each message as the integration does, up to the file."""

    def __init__(self, store: Store) -> None:
        self.count = 0
        ledger = Ledger()
        self.committer = Committer(
            store,
            is_live=lambda: True,
            everything=Batch,
            on_trouble=lambda _error: None,
        )
        self._topics = Topics(root=DEFAULT_ROOT, uid=UID, direction=Direction.SAMPLES)
        self._traffic = Traffic(
            ledger,
            self.committer,
            {VIN: V4_STATUS.mappings},
            lambda text, _variables: text,
        )
        self._intake = Intake(
            ledger,
            self.committer,
            Derivation(STELLANTIS),
            history_keys=(),
            meter_keys=(),
            register_keys=(),
            personal_keys=(),
            keeps_history=False,
            keeps_tokens=False,
        )

    def handle(self, delivery: Delivery) -> None:
        """Decode, map, take in."""
        now = datetime.now(UTC)
        message = decode(delivery, self._topics)
        if message.content is not None:
            for reading in self._traffic.take(VIN, message.content, now):
                self._intake.take(reading, now)
        self.count += 1

    async def settle(self) -> None:
        """Nothing is pending at the end."""


async def run(directory: Path) -> None:
    """Measure at every rate, and tell."""
    with Mosquitto(directory / "mosquitto") as broker:
        async with StellantisPlatform(broker) as platform:
            await platform.add_account(UID, "bench")
            for rate, messages in RATES.items():
                store = Store(directory / f"{rate}.sqlite3")
                await store.open()
                try:
                    await _measure(platform, CarTaker(store), rate, messages)
                finally:
                    await store.close()


async def _measure(
    platform: StellantisPlatform, taker: CarTaker, rate: int, messages: int
) -> None:
    committing = asyncio.create_task(taker.committer.run())
    stream = asyncio.create_task(
        MqttStream(_endpoint(platform.broker), taker).run(Deaf())
    )
    async with asyncio.timeout(PATIENCE):
        while not await platform.is_connected(UID):
            await asyncio.sleep(0.1)
    # It is connected before it is subscribed.
    await asyncio.sleep(0.5)
    body = Car(uid=UID, vin=VIN).status(
        datetime.now(UTC), plugged=True, charging="InProgress"
    )
    done = asyncio.Event()
    holding = asyncio.create_task(longest_hold(done))
    begin = time.perf_counter()
    sending = asyncio.create_task(platform.say_many(UID, VIN, [body] * messages, rate))
    while taker.count < messages and time.perf_counter() - begin < PATIENCE:
        await asyncio.sleep(0.01)
    took = time.perf_counter() - begin
    done.set()
    held = await holding
    await sending
    for task in (stream, committing):
        task.cancel()
    await asyncio.gather(stream, committing, return_exceptions=True)
    print(
        f"cars, {rate:6} sent a second   {taker.count / took:8.0f} messages/s,"
        f" {messages - taker.count} of {messages} lost,"
        f" the loop held for {held * 1000:.0f} ms at most"
    )


def _endpoint(broker: Mosquitto) -> MqttEndpoint:
    identity = broker.authority.client(UID)
    certificate = read_client_certificate(
        identity.pem(), identity.key_pem(), None, now=datetime.now(UTC)
    )
    topics = Topics(root=DEFAULT_ROOT, uid=UID, direction=Direction.SAMPLES)
    return MqttEndpoint(
        host=broker.host,
        port=broker.port,
        username=UID,
        password="bench",
        client_id="bench",
        filters=topics.filters,
        ssl_context=client_context(
            certificate, read_authorities(broker.authority.pem())
        ),
    )
