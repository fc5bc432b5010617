"""The tenant's subscription to a webhook: made once, found again, put right, made anew."""

from collections.abc import Awaitable, Callable
import logging

from ...model import DeviceRecord
from ...stream.errors import StreamError
from .api import (
    AmpecoClient,
    NotAllowedError,
    SubscriptionGoneError,
    SubscriptionIdleError,
    SubscriptionRefusedError,
)
from .notifications import DEFAULT_NOTIFICATIONS

_LOGGER = logging.getLogger(__name__)

type FindUrl = Callable[[], Awaitable[str]]
type KeepId = Callable[[str], None]


async def subscribed(
    client: AmpecoClient, subscription_id: str | None, url: str
) -> str:
    """See that a subscription calls the address, and return its id; raises StreamError.

    One that calls it already is found where its id got lost.
    """
    if subscription_id is None:
        found = await calling(client, url)
        subscription_id = found[0] if found else None
    if subscription_id is None or not await client.update(subscription_id, url):
        return await client.subscribe(url)
    return subscription_id


async def subscribed_anew(
    client: AmpecoClient, subscription_id: str | None, url: str
) -> str:
    """Replace whatever calls the address, and return the new id; raises StreamError.

    Inferred from the vendor's words: calls are signed with the token that made their
    subscription, so that one made with another token is of no use any more.
    """
    old = {*await calling(client, url), *filter(None, (subscription_id,))}
    # The new one first: where that fails, the old one has to stay.
    new = await client.subscribe(url)
    for each in old - {new}:
        await client.unsubscribe(each)
    return new


async def calling(client: AmpecoClient, url: str) -> list[str]:
    """Return the ids of the subscriptions that call the address; raises StreamError."""
    found = await client.subscriptions()
    return [each.subscription_id for each in found if each.callback_url == url]


class Subscriber:
    """Keeps the tenant's subscription to a webhook, and has what was missed sent again.

    `find_url` returns where the tenant is to call, `keep_id` stores the id of the
    subscription.
    """

    def __init__(
        self,
        client: AmpecoClient,
        subscription_id: str | None,
        *,
        find_url: FindUrl,
        keep_id: KeepId,
    ) -> None:
        """Know the subscription of before, if there was one."""
        self._client = client
        self._id = subscription_id
        self._find_url = find_url
        self._keep_id = keep_id
        self._url: str | None = None
        self._is_refusal_told = False
        self._is_idleness_told = False

    async def names(self) -> list[DeviceRecord]:
        """Return what the tenant calls its charge points; raises StreamError."""
        try:
            return await self._client.charge_points()
        except NotAllowedError:
            _LOGGER.debug("The owner of the API token may not list charge points")
            return []

    async def keep(self) -> None:
        """See that the subscription is there and calls us; raises StreamError."""
        url = await self._find_url()
        if url == self._url:
            return
        try:
            self._id = await subscribed(self._client, self._id, url)
        except SubscriptionRefusedError as err:
            self._tell_refusal(err)
            return
        self._keep_id(self._id)
        self._url = url

    async def have_sent_again(self) -> None:
        """Ask for what could not be delivered, be it as we were away or as the line was.

        The tenant sends each once more, at most every quarter of an hour. This is also
        how it turns out that somebody has taken the subscription away: it is made anew
        then. Raises StreamError.
        """
        if self._id is None:
            return
        try:
            await self._client.resend(self._id, DEFAULT_NOTIFICATIONS)
        except SubscriptionGoneError:
            self._url = None
            await self.keep()
        except SubscriptionIdleError as err:
            if not self._is_idleness_told:
                self._is_idleness_told = True
                _LOGGER.warning(
                    "%s: see in its back office whether the subscription is disabled",
                    str(err).capitalize(),
                )
        else:
            self._is_idleness_told = False

    def _tell_refusal(self, err: StreamError) -> None:
        """Log it once: what the tenant sends already goes on, and this is asked every hour."""
        if not self._is_refusal_told:
            self._is_refusal_told = True
            _LOGGER.warning("Nothing new is subscribed: %s", err)
