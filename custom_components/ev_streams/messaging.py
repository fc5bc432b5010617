"""The action that sends a message to a device, and waits for its answer where one is expected."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
import logging
from math import ceil
from typing import Any, Final
import uuid

from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import ServiceCall, ServiceResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
import probatio

from .const import DOMAIN
from .model import (
    Content,
    MessageRefusedError,
    NoApplicationError,
    OutgoingMessage,
    Popup,
    TooLargeError,
    TooSoonError,
)
from .paths import MISSING, MappingError, lookup, parse_path
from .stream.errors import StreamError
from .targets import Target, targets_of

_LOGGER = logging.getLogger(__name__)

SERVICE_SEND_MESSAGE: Final = "send_message"
ATTR_CONTENT: Final = "content"
ATTR_POPUP_TEXT: Final = "popup_text"
ATTR_POPUP_BUTTON: Final = "popup_button"
ATTR_ID_APP: Final = "id_app"
ATTR_ACKNOWLEDGEMENT: Final = "acknowledgement_path"
ATTR_TIMEOUT: Final = "acknowledgement_timeout"
ATTR_RETRIES: Final = "retries"

DEFAULT_TIMEOUT: Final = timedelta(seconds=10)
DEFAULT_RETRIES: Final = 2
MOST_RETRIES: Final = 10
PLAIN_PATH: Final = probatio.Match(
    r"^[A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+)*\Z",
    msg="give names with points between them, such as params.id",
)


def _path(text: str) -> str:
    """Return a path that can be looked up; raises Invalid."""
    try:
        parse_path(text)
    except MappingError as err:
        raise probatio.Invalid(err.reason) from err
    return text


SEND_MESSAGE_SCHEMA = probatio.Schema(
    {
        probatio.Required(ATTR_DEVICE_ID): probatio.All(
            cv.ensure_list, probatio.Length(max=1), [cv.string]
        ),
        probatio.Optional(ATTR_CONTENT): object,
        probatio.Optional(ATTR_POPUP_TEXT): probatio.All(
            cv.string, probatio.Length(min=1)
        ),
        probatio.Optional(ATTR_POPUP_BUTTON, default=False): cv.boolean,
        probatio.Optional(ATTR_ID_APP): cv.string,
        probatio.Optional(ATTR_ACKNOWLEDGEMENT): probatio.All(
            cv.string, PLAIN_PATH, _path
        ),
        probatio.Optional(ATTR_TIMEOUT, default=DEFAULT_TIMEOUT): probatio.All(
            cv.positive_time_period,
            probatio.Range(min=timedelta(seconds=1), max=timedelta(minutes=10)),
        ),
        probatio.Optional(ATTR_RETRIES, default=DEFAULT_RETRIES): probatio.All(
            cv.positive_int, probatio.Range(max=MOST_RETRIES)
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """How an answer is known: the same id under the same path of its content."""

    path: str
    message_id: str
    timeout: timedelta
    retries: int

    def is_given_by(self, body: object) -> bool:
        """Whether the content of a message is the answer."""
        found = lookup(body, parse_path(self.path))
        return found is not MISSING and str(found) == self.message_id


async def send_message(call: ServiceCall) -> ServiceResponse:
    """Send a message now; the response says what is known of its fate."""
    targets = targets_of(call)
    if len(targets) != 1 or not targets[0].coordinator.provider.can_send:
        raise _invalid("takes_no_messages")
    (target,) = targets
    message = _message(call.data)
    if ATTR_ACKNOWLEDGEMENT not in call.data:
        return {"sent": True, "size": await _send(target, message)}
    message, acknowledgement = _with_id(message, call.data)
    return await _send_until_acknowledged(target, message, acknowledgement)


def _message(data: Mapping[str, Any]) -> OutgoingMessage:
    if ATTR_CONTENT not in data and ATTR_POPUP_TEXT not in data:
        raise _invalid("nothing_to_send")
    popup = None
    if data[ATTR_POPUP_BUTTON] and ATTR_POPUP_TEXT not in data:
        raise _invalid("button_without_popup")
    if ATTR_POPUP_TEXT in data:
        popup = Popup(text=data[ATTR_POPUP_TEXT], has_button=data[ATTR_POPUP_BUTTON])
    return OutgoingMessage(
        content=data.get(ATTR_CONTENT), popup=popup, application=data.get(ATTR_ID_APP)
    )


async def _send(target: Target, message: OutgoingMessage) -> int:
    """Send once; returns the size, raises what the user is to read."""
    try:
        return await target.coordinator.account.send(target.device_id, message)
    except MessageRefusedError as err:
        raise _refused(err) from err
    except TypeError as err:
        raise _invalid("not_json") from err
    except StreamError as err:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="not_sent",
            translation_placeholders={"reason": str(err)},
        ) from err


async def _send_until_acknowledged(
    target: Target, message: OutgoingMessage, acknowledgement: Acknowledgement
) -> ServiceResponse:
    """Send, and again with the same id as long as nobody answers, as often as was asked for."""
    acknowledged, over = False, asyncio.Event()

    @callback
    def received(content: Content) -> None:
        nonlocal acknowledged
        if acknowledgement.is_given_by(content.body):
            acknowledged = True
            over.set()

    listening = (
        target.coordinator.traffic.contents.listen(target.device_id, received),
        # Once the account is unloaded nothing will be heard any more.
        target.entry.async_on_state_change(over.set),
    )
    try:
        size, attempts = await _send(target, message), 1
        wait = acknowledgement.timeout.total_seconds()
        while not await _happens(over, wait):
            if attempts > acknowledgement.retries:
                break
            wait = acknowledgement.timeout.total_seconds()
            try:
                await target.coordinator.account.send(target.device_id, message)
            except TooSoonError as err:
                # A popup has to wait for the one before it: no attempt was made.
                wait = err.seconds
                continue
            except StreamError as err:
                _LOGGER.debug("A message could not be sent again: %s", err)
            attempts += 1
    finally:
        for stop in listening:
            stop()
    if over.is_set() and not acknowledged:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="unloaded_while_waiting",
            translation_placeholders={"attempts": str(attempts)},
        )
    return {
        "sent": True,
        "acknowledged": acknowledged,
        "message_id": acknowledgement.message_id,
        "attempts": attempts,
        "size": size,
    }


async def _happens(event: asyncio.Event, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _with_id(
    message: OutgoingMessage, data: Mapping[str, Any]
) -> tuple[OutgoingMessage, Acknowledgement]:
    """Return the message with an id under the path, its own or a new one."""
    path: str = data[ATTR_ACKNOWLEDGEMENT]
    found = lookup(message.content, parse_path(path))
    content, message_id = message.content, str(found)
    if isinstance(found, dict | list):
        raise _invalid("id_not_plain")
    if found is MISSING or found is None or found == "":
        message_id = uuid.uuid4().hex
        content = _with_value(message.content, path.split("."), message_id)
    return replace(message, content=content), Acknowledgement(
        path=path,
        message_id=message_id,
        timeout=data[ATTR_TIMEOUT],
        retries=data[ATTR_RETRIES],
    )


def _with_value(content: object, keys: list[str], value: str) -> dict[str, object]:
    """Return the content with a value under the keys; it has to be an object, or nothing."""
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise _invalid("no_place_for_id")
    first, *rest = keys
    return {
        **content,
        first: _with_value(content.get(first), rest, value) if rest else value,
    }


def _refused(error: MessageRefusedError) -> ServiceValidationError:
    match error:
        case TooLargeError():
            return _invalid(
                "message_too_large", size=str(error.size), limit=str(error.limit)
            )
        case TooSoonError():
            return _invalid("popup_too_soon", seconds=str(ceil(error.seconds)))
        case NoApplicationError():
            return _invalid("no_application")
        case _:
            return _invalid("takes_no_messages")


def _invalid(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders=placeholders or None,
    )
