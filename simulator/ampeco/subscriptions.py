"""What a tenant sends to whom, and what it could not deliver."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

LONGEST_CALLBACK = 500
WEBHOOK, KAFKA = "webhook", "kafka"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A notification that was given up for now."""

    name: str
    body: bytes
    at: datetime


@dataclass(slots=True, kw_only=True)
class Subscription:
    """One subscription; `token` is whose it is, and signs what is posted for it."""

    subscription_id: int
    via: str
    notifications: tuple[str, ...]
    token: str
    callback_url: str = ""
    topic: str = ""
    is_disabled: bool = False
    failed: list[Failed] = field(default_factory=list)
    resent_at: datetime | None = None

    def document(self) -> dict[str, object]:
        """As the API shows it."""
        way: dict[str, object] = (
            {WEBHOOK: {"callbackUrl": self.callback_url}}
            if self.via == WEBHOOK
            else {KAFKA: {"topic": self.topic}}
        )
        return {
            "id": self.subscription_id,
            "via": self.via,
            "notifications": list(self.notifications),
            **way,
        }


def faults_of(body: Mapping[str, Any], known: Collection[str]) -> dict[str, list[str]]:
    """What is wrong with a subscription, field by field; nothing where it is fine."""
    faults: dict[str, list[str]] = {}
    names = body.get("notifications")
    if not isinstance(names, list) or not names:
        faults["notifications"] = ["The notifications field is required."]
    else:
        for position, name in enumerate(names):
            if name not in known:
                key = f"notifications.{position}"
                faults[key] = [f"The selected {key} is invalid."]
    via = body.get("via")
    if via not in {WEBHOOK, KAFKA}:
        faults["via"] = ["The selected via is invalid."]
    if via == WEBHOOK:
        webhook = body.get(WEBHOOK)
        url = webhook.get("callbackUrl") if isinstance(webhook, dict) else None
        if not isinstance(url, str) or "://" not in url:
            faults["webhook.callbackUrl"] = ["The callback url must be a valid URL."]
        elif len(url) > LONGEST_CALLBACK:
            faults["webhook.callbackUrl"] = ["The callback url is too long."]
    return faults
