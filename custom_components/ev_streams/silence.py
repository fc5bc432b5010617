"""Tells the user when nothing has come for so long that the vendor may give up on them."""

from datetime import datetime, timedelta
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN, KEY_LAST_MESSAGE
from .intake import Intake
from .ledger import Ledger
from .model import Reading
from .providers.base import Provider

ISSUE_SILENT: Final = "silent"
# Silence is counted in hours: to write down each message would be for nothing.
NOTED_EVERY: Final = timedelta(minutes=1)


class Silence:
    """How long the stream of an account has been silent, over restarts as well.

    Times are aware UTC. `account_id` is under whose name the last message is noted.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        provider: Provider,
        ledger: Ledger,
        intake: Intake,
        *,
        account_id: str,
    ) -> None:
        """Know of no message before the ledger was restored."""
        self._hass = hass
        self._entry = entry
        self._provider = provider
        self._ledger = ledger
        self._intake = intake
        self._account_id = account_id

    def heard(self, now: datetime) -> None:
        """Note that a message came; where silence was told of, that is over."""
        if self._provider.silence_limit is None:
            return
        last = self._last_heard
        if last is None or not timedelta(0) <= now - last < NOTED_EVERY:
            self._note(now)
            ir.async_delete_issue(self._hass, DOMAIN, self._issue_id)

    def check(self, now: datetime) -> None:
        """Tell the user where it is due; the first look counts as the first message."""
        limit = self._provider.silence_limit
        if limit is None:
            return
        last = self._last_heard
        if last is None:
            self._note(now)
        elif now - last >= limit:
            ir.async_create_issue(
                self._hass,
                DOMAIN,
                self._issue_id,
                is_fixable=False,
                severity=ir.IssueSeverity.WARNING,
                translation_key=f"{self._provider.key}_{ISSUE_SILENT}",
                translation_placeholders={
                    "account": self._entry.title,
                    "hours": str(int(limit.total_seconds() // 3600)),
                    "since": f"{last:%Y-%m-%d %H:%M} UTC",
                },
            )

    @property
    def _last_heard(self) -> datetime | None:
        held = self._ledger.reading(self._account_id, KEY_LAST_MESSAGE)
        return None if held is None else held.measured_at

    @property
    def _issue_id(self) -> str:
        return f"{ISSUE_SILENT}_{self._entry.entry_id}"

    def _note(self, now: datetime) -> None:
        self._intake.note(
            Reading(
                device_id=self._account_id,
                key=KEY_LAST_MESSAGE,
                value=now,
                measured_at=now,
            ),
            now,
        )
