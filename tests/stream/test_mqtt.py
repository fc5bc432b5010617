"""The MQTT transport against a broker that does what real ones do on their bad days."""

import asyncio
from collections.abc import AsyncIterator
import contextlib
import fcntl
import logging
import socket
import ssl
import struct
import termios
import threading
import time
from typing import Any

import pytest

from custom_components.ev_streams.stream import mqtt_client, mqtt_connection
from custom_components.ev_streams.stream.certificate import (
    read_authorities,
    read_client_certificate,
)
from custom_components.ev_streams.stream.delivery import Delivery
from custom_components.ev_streams.stream.errors import (
    ConnectionFailedError,
    CredentialsRefusedError,
    LoginCutOffError,
    StreamError,
    TlsNeededError,
    TopicDeniedError,
)
from custom_components.ev_streams.stream.mqtt import MqttStream, probe
from custom_components.ev_streams.stream.mqtt_client import MqttEndpoint
from custom_components.ev_streams.stream.supervisor import SourceState
from custom_components.ev_streams.stream.tls import client_context
from simulator.certificates import Authority
from simulator.network import Link

from .raw_broker import RawBroker, packet, published

pytestmark = pytest.mark.usefixtures("socket_enabled")

PATIENCE = 10.0


class Observer:
    """Notes that the stream was connected."""

    def __init__(self) -> None:
        self.is_connected = asyncio.Event()

    def connecting(self) -> None:
        """Of no interest here."""

    def connected(self, backlog: int | None) -> None:
        assert backlog is None
        self.is_connected.set()

    def watched(self, state: SourceState) -> None:
        """Of no interest here."""

    def lost(self, error: StreamError, retry_in: float) -> None:
        """Of no interest here."""

    def refused(self, error: StreamError) -> None:
        """Of no interest here."""


class Receiver:
    """Keeps deliveries; fails at each of them if it is told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.deliveries: list[Delivery] = []
        self._fails = fails

    def handle(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        if self._fails:
            raise RuntimeError("a defect")

    async def settle(self) -> None:
        """There is nothing to settle."""

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(self.deliveries) < count:
                await asyncio.sleep(0.01)


def endpoint(port: int, **changes: Any) -> MqttEndpoint:
    return MqttEndpoint(
        **{
            "host": "127.0.0.1",
            "port": port,
            "username": "uid",
            "password": "secret",
            "client_id": "test",
            "filters": ("to/#",),
            "ssl_context": None,
            **changes,
        }
    )


@contextlib.asynccontextmanager
async def running(
    port: int, receiver: Receiver | None = None, **changes: Any
) -> AsyncIterator[tuple[MqttStream, asyncio.Task[None]]]:
    """A stream that is connected."""
    stream = MqttStream(endpoint(port, **changes), receiver or Receiver())
    observer = Observer()
    task = asyncio.create_task(stream.run(observer))
    try:
        async with asyncio.timeout(PATIENCE):
            connected = asyncio.create_task(observer.is_connected.wait())
            await asyncio.wait({task, connected}, return_when=asyncio.FIRST_COMPLETED)
            connected.cancel()
        if task.done():
            task.result()
        yield stream, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def run_to_its_end(port: int, **changes: Any) -> None:
    """Run a stream that does not last."""
    stream = MqttStream(endpoint(port, **changes), Receiver())
    async with asyncio.timeout(PATIENCE):
        await stream.run(Observer())


async def publish_much(stream: MqttStream) -> None:
    """Publish more than lines have room for."""
    for _ in range(50):
        await stream.publish("from/1", b"z" * 1_000_000)


def tls_of(authority: Authority, tmp_path: Any, *, wants_certificate: bool) -> Any:
    """The context of a server that may want a certificate of the same authority."""
    server = authority.server()
    file = tmp_path / "server.pem"
    file.write_bytes(server.pem() + server.key_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if wants_certificate:
        context.load_verify_locations(cadata=authority.pem().decode())
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"\x20\x02\x00\x04", CredentialsRefusedError),
        (b"\x20\x02\x00\x05", CredentialsRefusedError),
        (b"\x20\x02\x00\x03", ConnectionFailedError),
        (b"\x20\x02\x00\x02", ConnectionFailedError),
        # To this one the library does not call back: all that shows is the end.
        (b"\x20\x02\x00\x01", LoginCutOffError),
    ],
    ids=["bad password", "not authorized", "unavailable", "client id", "protocol"],
)
async def test_a_refused_login_says_why(
    answer: bytes, expected: type[StreamError]
) -> None:
    async with RawBroker(connack=answer) as broker:
        with pytest.raises(StreamError) as caught:
            await probe(endpoint(broker.port))
    assert type(caught.value) is expected
    assert "secret" not in str(caught.value)


async def test_a_broker_that_hangs_up_before_the_login_is_told_apart() -> None:
    async with RawBroker(connack=None) as broker:
        with pytest.raises(LoginCutOffError) as caught:
            await probe(endpoint(broker.port))
    assert caught.value.form_error == "bad_certificate"


async def test_a_denied_subscription_is_no_silent_success() -> None:
    async with RawBroker(suback=0x80) as broker:
        with pytest.raises(TopicDeniedError) as caught:
            await probe(endpoint(broker.port))
    assert caught.value.source == "to/#"


async def test_a_lower_quality_of_service_than_asked_for_is_no_denial() -> None:
    async with RawBroker(suback=0) as broker:
        await probe(endpoint(broker.port))
        assert broker.logins == 1


@pytest.mark.parametrize("silent", [{"connack": b""}, {"suback": None}])
async def test_a_broker_that_never_answers_is_given_up(
    silent: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_connection, "PATIENCE", 0.2)
    async with RawBroker(**silent) as broker:
        with pytest.raises(ConnectionFailedError, match="no answer"):
            await probe(endpoint(broker.port))
        async with asyncio.timeout(PATIENCE):
            await broker.ended.wait()


async def test_nobody_listening_is_told(unused_tcp_port: int) -> None:
    with pytest.raises(ConnectionFailedError, match="nobody listens"):
        await probe(endpoint(unused_tcp_port))


async def test_an_empty_host_is_told() -> None:
    with pytest.raises(ConnectionFailedError):
        await probe(endpoint(1883, host=""))


@pytest.mark.parametrize(
    "address",
    [
        "198.41.0.4",
        "2001:4860:4860::8888",
        # A carrier's network is not one's own, and tunnels lead to the internet.
        "100.64.0.1",
        "2002:c629:4::1",
        "::ffff:198.41.0.4",
    ],
)
async def test_no_password_goes_unencrypted_beyond_the_own_network(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Where a name means several addresses, those of the own network are used."""
    beyond = (2, 1, 6, "", (address, 1))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: [beyond])
    with pytest.raises(TlsNeededError):
        await probe(endpoint(1, host="broker.example.com"))
    async with RawBroker() as broker:
        near = (2, 1, 6, "", ("127.0.0.1", broker.port))
        both = [beyond, near, beyond]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: both)
        await probe(endpoint(1, host="broker.example.com"))
        assert broker.logins == 1


async def test_five_messages_in_one_record_of_tls_all_arrive(tmp_path: Any) -> None:
    """OpenSSL decrypts all of them at once: no byte is left on the line to wake anybody."""
    authority = Authority()
    bodies = [b"%d" % number for number in range(5)]
    receiver = Receiver()
    context = tls_of(authority, tmp_path, wants_certificate=False)
    async with RawBroker(
        context=context,
        after_subscription=b"".join(published(b"to/1", body) for body in bodies),
    ) as broker:
        trusting = client_context(None, read_authorities(authority.pem()))
        async with running(broker.port, receiver, ssl_context=trusting):
            await receiver.wait_for(5)
    assert [delivery.body for delivery in receiver.deliveries] == bodies


async def test_many_messages_in_one_record_let_others_have_their_turn(
    tmp_path: Any,
) -> None:
    """More of them than are read at once: the rest is read all the same."""
    authority = Authority()
    receiver = Receiver()
    context = tls_of(authority, tmp_path, wants_certificate=False)
    async with RawBroker(
        context=context,
        after_subscription=published(b"to/1", b"x") * 1000,
    ) as broker:
        trusting = client_context(None, read_authorities(authority.pem()))
        async with running(broker.port, receiver, ssl_context=trusting):
            await receiver.wait_for(1000)


async def test_a_topic_that_is_no_text_harms_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    receiver = Receiver()
    messages = published(b"to/\xff\xfe", b"a") + published(b"to/1", b"b")
    async with (
        RawBroker(after_subscription=messages) as broker,
        running(broker.port, receiver),
    ):
        await receiver.wait_for(2)
    assert [each.address for each in receiver.deliveries] == ["", "to/1"]
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


async def test_a_defect_of_the_receiver_costs_one_message_only() -> None:
    """The library would read the same message for ever, and keep the event loop busy."""
    receiver = Receiver(fails=True)
    messages = published(b"to/1", b"a") + published(b"to/1", b"b")
    async with (
        RawBroker(after_subscription=messages) as broker,
        running(broker.port, receiver) as (_, task),
    ):
        await receiver.wait_for(2)
        await asyncio.sleep(0.1)
        assert not task.done()
    assert [each.body for each in receiver.deliveries] == [b"a", b"b"]


async def test_a_message_of_200_kib_is_handed_over() -> None:
    """What is too large for the vendor's rules is for the decoder to refuse."""
    receiver = Receiver()
    async with (
        RawBroker(after_subscription=published(b"to/1", b"x" * 200 * 1024)) as broker,
        running(broker.port, receiver),
    ):
        await receiver.wait_for(1)
    assert len(receiver.deliveries[0].body) == 200 * 1024


async def test_a_packet_of_absurd_size_is_not_taken_into_memory() -> None:
    announced = bytes([0x30, 0xFF, 0xFF, 0xFF, 0x7F])
    async with RawBroker(after_subscription=announced + b"x" * 1000) as broker:
        with pytest.raises(ConnectionFailedError, match="268435455 bytes"):
            await run_to_its_end(broker.port)


async def test_garbage_ends_the_connection_and_nothing_else() -> None:
    async with RawBroker(after_subscription=b"\xf0\x00garbage") as broker:
        with pytest.raises(ConnectionFailedError):
            await run_to_its_end(broker.port)


async def test_a_packet_that_the_library_cannot_digest_ends_the_connection(
    tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A PUBLISH too short for its own topic makes the library raise, again and again."""
    authority = Authority()
    broken = packet(3, b"\x00\x30to/1")
    async with RawBroker(
        context=tls_of(authority, tmp_path, wants_certificate=False),
        after_subscription=broken + published(b"to/1", b"never read"),
    ) as broker:
        trusting = client_context(None, read_authorities(authority.pem()))
        with pytest.raises(ConnectionFailedError):
            await run_to_its_end(broker.port, ssl_context=trusting)
    told = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert len(told) == 1


async def test_a_broken_line_is_told() -> None:
    async with RawBroker() as broker, running(broker.port) as (_, task):
        broker.writers[0].transport.abort()
        with pytest.raises(ConnectionFailedError):
            async with asyncio.timeout(PATIENCE):
                await task


async def test_a_dead_line_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers the pings any more, nobody closes either."""
    monkeypatch.setattr(mqtt_connection, "KEEPALIVE", 1)
    async with RawBroker() as broker, running(broker.port) as (_, task):
        broker.stop_reading()
        with pytest.raises(ConnectionFailedError):
            async with asyncio.timeout(PATIENCE):
                await task


async def test_what_is_published_arrives() -> None:
    body = b"y" * 100_000
    async with RawBroker() as broker, running(broker.port) as (stream, _):
        await stream.publish("from/1", body)
        async with asyncio.timeout(PATIENCE):
            while not broker.received:
                await asyncio.sleep(0.01)
    assert broker.received == [b"\x00\x06from/1" + body]


async def test_nothing_is_published_without_a_connection() -> None:
    """Nor later: a new connection begins with nothing to send."""
    async with RawBroker() as broker:
        async with running(broker.port) as (stream, task):
            broker.writers[0].transport.abort()
            with pytest.raises(ConnectionFailedError):
                await task
            with pytest.raises(ConnectionFailedError, match="not connected"):
                await stream.publish("from/1", b"late")
        async with running(broker.port):
            await asyncio.sleep(0.1)
        assert broker.received == []


async def test_what_cannot_be_written_is_not_written_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A line that takes nothing is given up, with what was to go over it."""
    monkeypatch.setattr(mqtt_connection, "PATIENCE", 0.3)
    async with RawBroker() as broker, running(broker.port) as (stream, task):
        broker.stop_reading()
        with pytest.raises(ConnectionFailedError):
            await publish_much(stream)
        with pytest.raises(ConnectionFailedError):
            await asyncio.wait_for(task, PATIENCE)


async def wait_until_full(broker: RawBroker, stream: MqttStream) -> asyncio.Task[None]:
    """Publish more than the line has room for; the rest waits."""
    broker.stop_reading()
    waiting = asyncio.create_task(publish_much(stream))
    while not await stands_still(broker):
        assert not waiting.done()
    return waiting


async def stands_still(broker: RawBroker) -> bool:
    """Whether nothing arrived in the buffer of the system meanwhile."""
    peer = broker.writers[0].get_extra_info("socket")

    def unread() -> int:
        (count,) = struct.unpack(
            "i", fcntl.ioctl(peer.fileno(), termios.FIONREAD, b"    ")
        )
        return int(count)

    before = unread()
    await asyncio.sleep(0.1)
    return before == unread() > 0


async def test_a_message_that_nobody_waits_for_is_not_written_later() -> None:
    """Whoever gives up a message does not expect it to arrive minutes later."""
    async with RawBroker() as broker, running(broker.port) as (stream, task):
        first = await wait_until_full(broker, stream)
        second = asyncio.create_task(stream.publish("from/1", b"late"))
        await asyncio.sleep(0.05)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        broker.go_on_reading()
        with pytest.raises(ConnectionFailedError):
            await first
        with pytest.raises(ConnectionFailedError):
            await task
        async with asyncio.timeout(PATIENCE):
            await broker.ended.wait()
    assert not any(b"late" in each for each in broker.received)


async def test_a_message_that_waits_when_the_stream_is_stopped_is_told_as_not_sent() -> (
    None
):
    async with RawBroker() as broker:
        async with running(broker.port) as (stream, _):
            waiting = await wait_until_full(broker, stream)
        with pytest.raises(ConnectionFailedError, match="closed"):
            await waiting
        broker.go_on_reading()
        async with asyncio.timeout(PATIENCE):
            await broker.ended.wait()


async def test_the_broker_hears_goodbye() -> None:
    async with RawBroker() as broker:
        async with running(broker.port):
            pass
        async with asyncio.timeout(PATIENCE):
            await broker.ended.wait()


async def test_cancelling_while_connecting_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread goes on for a while; what comes of it is closed."""
    connect = mqtt_connection.MqttConnection._connect

    def slow(self: mqtt_connection.MqttConnection) -> None:
        time.sleep(0.2)
        connect(self)

    monkeypatch.setattr(mqtt_connection.MqttConnection, "_connect", slow)
    async with RawBroker() as broker:
        task = asyncio.create_task(probe(endpoint(broker.port)))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(PATIENCE):
            await broker.ended.wait()


async def test_a_client_certificate_is_shown(tmp_path: Any) -> None:
    authority = Authority()
    identity = authority.client("uid")
    certificate = read_client_certificate(
        identity.pem(), identity.key_pem(), None, now=identity_time(identity)
    )
    context = tls_of(authority, tmp_path, wants_certificate=True)
    async with RawBroker(context=context) as broker:
        own = client_context(certificate, read_authorities(authority.pem()))
        await probe(endpoint(broker.port, ssl_context=own))
        assert broker.logins == 1


def identity_time(identity: Any) -> Any:
    """A time at which it is valid."""
    return identity.certificate.not_valid_before_utc.replace(microsecond=1)


async def test_segments_are_small_enough_for_the_vendors_network() -> None:
    """Peers found that larger ones never arrive, so that the handshake does not end."""
    async with RawBroker() as broker, running(broker.port):
        (writer,) = broker.writers
        peer = writer.get_extra_info("socket")
        assert peer.getsockopt(6, 2) <= mqtt_client.LARGEST_SEGMENT


async def test_what_was_given_up_during_its_handshake_does_not_log_in(
    tmp_path: Any,
) -> None:
    """It would throw out the stream that came after it, whose client id is the same."""
    authority = Authority()
    context = tls_of(authority, tmp_path, wants_certificate=False)
    trusting = client_context(None, read_authorities(authority.pem()))
    async with (
        RawBroker(context=context) as broker,
        Link("127.0.0.1", broker.port) as link,
    ):
        link.cut()
        stream = MqttStream(endpoint(link.port, ssl_context=trusting), Receiver())
        task = asyncio.create_task(stream.run(Observer()))
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.wait({task})
        link.restore()
        async with asyncio.timeout(PATIENCE):
            await broker.ended.wait()
        assert broker.logins == 0


async def test_a_connection_that_fails_after_the_end_is_nobodys_news(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    is_asked, may_fail = asyncio.Event(), threading.Event()

    def unknown(*_args: Any, **_more: Any) -> None:
        loop.call_soon_threadsafe(is_asked.set)
        may_fail.wait(PATIENCE)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    stream = MqttStream(endpoint(1, host="broker.example.com"), Receiver())
    task = asyncio.create_task(stream.run(Observer()))
    await is_asked.wait()
    task.cancel()
    await asyncio.wait({task})
    may_fail.set()
    await loop.run_in_executor(None, time.sleep, 0.2)
    assert task.cancelled()
    assert complaints == []
