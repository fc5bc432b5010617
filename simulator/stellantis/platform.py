"""The vendor's side of the broker: partner accounts, and the cars behind the platform."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
import contextlib
from dataclasses import dataclass
import json
from types import TracebackType
from typing import Any, Self
import uuid

from ..mosquitto import Mosquitto
from ..mqtt_client import MqttClient
from ..ports import BrokerError

ROOT = "psa/OVIPPartners-Dev"
_CONTROL = "$CONTROL/dynamic-security/v1"
_PATIENCE = 10.0

type Answer = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a partner is handed, apart from the certificate."""

    uid: str
    password: str


class StellantisPlatform:
    """Runs accounts on a broker, sends what cars say and hears what partners send them.

    Topics are as in the vendor's code samples: cars' messages come on `to`, the
    partner's are expected on `from`. Bound to the event loop it is entered in.
    """

    def __init__(self, broker: Mosquitto) -> None:
        self.broker = broker
        self.accounts: dict[str, Account] = {}
        self._client: MqttClient
        self._stack = contextlib.AsyncExitStack()
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._received: dict[str, deque[tuple[str, bytes]]] = defaultdict(deque)
        self._arrived = asyncio.Event()
        self._apps: dict[str, Answer] = {}

    async def __aenter__(self) -> Self:
        broker = self.broker
        self._client = await self._stack.enter_async_context(
            MqttClient(
                broker.plain_port,
                broker.administrator_name,
                broker.administrator_password,
            )
        )
        await self._client.subscribe(f"{_CONTROL}/response", self._message)
        await self._client.subscribe(f"{ROOT}/from/uid/+/opa/+/#", self._message)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def add_account(
        self, uid: str, password: str, *, reads: bool = True, root: str = ROOT
    ) -> Account:
        """Make an account; one that reads may subscribe to both branches of its topics."""
        branches = [f"{root}/{branch}/uid/{uid}/#" for branch in ("to", "from")]
        acls = [
            {"acltype": kind, "topic": topic, "priority": 0, "allow": True}
            for topic in branches
            for kind in ("publishClientSend", "subscribePattern")
            if reads or kind == "publishClientSend"
        ]
        await self._order({"command": "createRole", "rolename": uid, "acls": acls})
        await self._order(
            {
                "command": "createClient",
                "username": uid,
                "password": password,
                "roles": [{"rolename": uid}],
            }
        )
        account = self.accounts[uid] = Account(uid=uid, password=password)
        return account

    async def remove_account(self, uid: str) -> None:
        """Delete an account, whose connections are cut."""
        await self._order({"command": "deleteClient", "username": uid})
        await self._order({"command": "deleteRole", "rolename": uid})
        del self.accounts[uid]

    async def set_password(self, uid: str, password: str) -> None:
        """Change the password of an account, whose connections are cut."""
        await self._order(
            {"command": "setClientPassword", "username": uid, "password": password}
        )
        # The plugin changes it for the next login; the vendor revokes it at once.
        await self.disconnect(uid)

    async def disconnect(self, uid: str) -> None:
        """Cut the connections of an account."""
        await self._order({"command": "disableClient", "username": uid})
        await self._order({"command": "enableClient", "username": uid})

    async def is_connected(self, uid: str) -> bool:
        """Whether anybody is logged in with the account."""
        return bool(await asyncio.to_thread(self.broker.clients, uid))

    async def deny_reading(self, uid: str, *, root: str = ROOT) -> None:
        """Take from an account the right to subscribe, and cut its connections."""
        for branch in ("to", "from"):
            await self._order(
                {
                    "command": "removeRoleACL",
                    "rolename": uid,
                    "acltype": "subscribePattern",
                    "topic": f"{root}/{branch}/uid/{uid}/#",
                }
            )
        await self.disconnect(uid)

    async def allow_reading(self, uid: str, *, root: str = ROOT) -> None:
        """Give an account the right to subscribe."""
        for branch in ("to", "from"):
            await self._order(
                {
                    "command": "addRoleACL",
                    "rolename": uid,
                    "acltype": "subscribePattern",
                    "topic": f"{root}/{branch}/uid/{uid}/#",
                    "priority": 0,
                    "allow": True,
                }
            )

    async def say(
        self,
        uid: str,
        vin: str,
        content: object,
        *,
        subtopic: str = "",
        retain: bool = False,
    ) -> None:
        """Send what an application in a car says, in the documented envelope."""
        body = json.dumps({"content": content}).encode()
        topic = f"{topic_of(uid, vin)}{subtopic}"
        await self._client.publish(topic, body, retain=retain)

    async def publish(self, topic: str, body: bytes, *, retain: bool = False) -> None:
        """Send anything on any topic."""
        await self._client.publish(topic, body, retain=retain)

    async def say_many(
        self, uid: str, vin: str, contents: list[object], rate: float
    ) -> None:
        """Send one after the other, so many a second."""
        topic = topic_of(uid, vin)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for number, content in enumerate(contents):
            self._client.publish_soon(topic, json.dumps({"content": content}).encode())
            ahead = begin + number / rate - loop.time()
            if ahead > 0.005:
                await asyncio.sleep(ahead)

    async def next_message(self, vin: str) -> tuple[str, Any]:
        """Topic and decoded body of the next message that a partner sent to a car."""
        async with asyncio.timeout(_PATIENCE):
            while not self._received[vin]:
                self._arrived.clear()
                await self._arrived.wait()
        topic, body = self._received[vin].popleft()
        return topic, json.loads(body)

    def received(self, vin: str) -> int:
        """How many messages to a car nobody has asked for yet."""
        return len(self._received[vin])

    def install_app(self, uid: str, vin: str, answer: Answer) -> None:
        """Let an application in a car say what `answer` returns for a content, if not None."""
        self._apps[f"{uid}/{vin}"] = answer

    async def _order(self, command: dict[str, Any]) -> None:
        number = uuid.uuid4().hex
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        orders = {"commands": [{**command, "correlationData": number}]}
        await self._client.publish(_CONTROL, json.dumps(orders).encode())
        async with asyncio.timeout(_PATIENCE):
            response: dict[str, Any] = await answer
        if "error" in response:
            raise BrokerError(f"{command['command']}: {response['error']}")

    def _message(self, topic: str, body: bytes) -> None:
        if topic.startswith(_CONTROL):
            for response in json.loads(body)["responses"]:
                answer = self._answers.pop(response.get("correlationData", ""), None)
                if answer is not None:
                    answer.set_result(response)
            return
        levels = topic.split("/")
        uid, vin = levels[4], levels[6]
        self._received[vin].append((topic, body))
        self._arrived.set()
        app = self._apps.get(f"{uid}/{vin}")
        content = _content_of(body)
        if app is None or content is None:
            return
        if (answered := app(content)) is not None:
            reply = json.dumps({"content": answered}).encode()
            self._client.publish_soon(topic_of(uid, vin), reply)


def _content_of(body: bytes) -> Any:
    """What an application in a car is handed of a message; None where it is no envelope."""
    try:
        envelope = json.loads(body)
    except ValueError:
        return None
    return envelope.get("content") if isinstance(envelope, dict) else None


def topic_of(uid: str, vin: str) -> str:
    """The topic on which a partner hears of a car; the platform ends it with a slash."""
    return f"{ROOT}/to/uid/{uid}/opa/{vin}/"
