"""Tells the user in time that what an account logs in with runs out."""

from datetime import datetime, timedelta
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN

ISSUE_EXPIRES: Final = "certificate_expires"
ISSUE_EXPIRED: Final = "certificate_expired"
WARN_BEFORE: Final = timedelta(days=30)


def check_expiry(
    hass: HomeAssistant, entry: ConfigEntry, expires_at: datetime | None, now: datetime
) -> None:
    """Raise the repair issue that is due and take back the other; times are aware UTC."""
    due = None
    if expires_at is not None and expires_at - now <= WARN_BEFORE:
        due = ISSUE_EXPIRES if expires_at > now else ISSUE_EXPIRED
    for issue in (ISSUE_EXPIRES, ISSUE_EXPIRED):
        issue_id = f"{issue}_{entry.entry_id}"
        if issue != due or expires_at is None:
            ir.async_delete_issue(hass, DOMAIN, issue_id)
            continue
        ir.async_create_issue(
            hass,
            DOMAIN,
            issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING
            if issue == ISSUE_EXPIRES
            else ir.IssueSeverity.ERROR,
            translation_key=issue,
            translation_placeholders={
                "account": entry.title,
                "date": f"{expires_at:%Y-%m-%d}",
            },
        )
