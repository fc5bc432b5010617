"""What the user is told of the stream's connection: status, availability, one log line, repairs."""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
import logging
from typing import override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_call_later

from .const import DOMAIN
from .providers.base import Provider
from .stream.backlog import Backlog
from .stream.errors import SourceGoneError, SourceSharedError, StreamError
from .stream.supervisor import SourceState, StreamObserver

_LOGGER = logging.getLogger(__name__)

ISSUE_SOURCE_GONE = "source_gone"
ISSUE_SHARED_SOURCE = "shared_source"
ISSUE_OVERFLOW = "overflow"
# A consumer of a connection that broke lingers at the broker until its heartbeat ends.
SHARED_AFTER_LOOKS = 2


class StreamStatus(StrEnum):
    """How the stream fares."""

    CONNECTING = "connecting"
    REPLAYING = "replaying"
    LIVE = "live"
    WAITING_TO_RETRY = "waiting_to_retry"
    CREDENTIALS_REFUSED = "credentials_refused"


class ConnectionMonitor(StreamObserver):
    """Follows the supervisor; calls `on_change` for status and `on_available` for availability."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        provider: Provider,
        grace: timedelta,
        *,
        on_change: Callable[[], None],
        on_available: Callable[[], None],
        on_connected: Callable[[], None],
        on_exhausted: Callable[[], None],
    ) -> None:
        """Know nothing yet; the entities count as available."""
        self.backlog = Backlog()
        self.available = True
        self.retries = 0
        self.last_error: str | None = None
        self._hass = hass
        self._entry = entry
        self._provider = provider
        self._grace = grace
        self._on_change = on_change
        self._on_available = on_available
        self._on_connected = on_connected
        self._on_exhausted = on_exhausted
        self._status = StreamStatus.CONNECTING
        self._is_connected = False
        self._loss_logged = False
        self._shared_looks = 0
        self._is_full = False
        self._missing: tuple[str, ...] = ()
        self._cancel_grace: CALLBACK_TYPE | None = None

    def start(self) -> None:
        """Let the grace time run: the first connection has to be made within it."""
        self._start_grace()

    @property
    def is_connected(self) -> bool:
        """Whether the stream is subscribed right now."""
        return self._is_connected

    @property
    def status(self) -> StreamStatus:
        """Return how the stream fares."""
        if self._is_connected:
            return StreamStatus.LIVE if self.backlog.is_live else StreamStatus.REPLAYING
        return self._status

    @override
    def connecting(self) -> None:
        self._not_connected(StreamStatus.CONNECTING)

    @override
    def connected(self, backlog: int | None) -> None:
        self._is_connected = True
        self.backlog.begin(backlog)
        self.last_error = None
        self._end_grace()
        self._set_available(True)
        if not self._missing:
            self._clear(ISSUE_SOURCE_GONE)
        if self._loss_logged:
            self._loss_logged = False
            _LOGGER.info("The stream of %s is connected again", self._entry.title)
        self._on_change()
        self._on_connected()

    @override
    def watched(self, state: SourceState) -> None:
        if state.missing != self._missing:
            self._missing = state.missing
            if state.missing:
                self._source_gone(", ".join(state.missing))
            else:
                self._clear(ISSUE_SOURCE_GONE)
        if state.is_exhausted:
            self._exhausted()
            return
        self._check_overflow(state.fullest)
        self._shared_looks = self._shared_looks + 1 if state.other_consumers else 0
        if self._shared_looks == SHARED_AFTER_LOOKS:
            self._raise(ISSUE_SHARED_SOURCE, ir.IssueSeverity.WARNING)
        elif not state.other_consumers:
            self._clear(ISSUE_SHARED_SOURCE)

    @override
    def lost(self, error: StreamError, retry_in: float) -> None:
        self._disconnected(StreamStatus.WAITING_TO_RETRY, error)
        self.retries += 1
        if isinstance(error, SourceGoneError):
            # Of these some may be back before others.
            self._missing = ()
            self._source_gone(error.source)
        elif isinstance(error, SourceSharedError):
            self._raise(ISSUE_SHARED_SOURCE, ir.IssueSeverity.WARNING)

    @override
    def refused(self, error: StreamError) -> None:
        self._disconnected(StreamStatus.CREDENTIALS_REFUSED, error)
        self._entry.async_start_reauth(self._hass)

    def close(self) -> None:
        """Stop the clock. Repairs stay: one that is ignored must outlast a reload."""
        self._end_grace()

    def _disconnected(self, status: StreamStatus, error: StreamError) -> None:
        self._shared_looks = 0
        self._is_full = False
        self.last_error = str(error)
        if not self._loss_logged:
            self._loss_logged = True
            _LOGGER.info(
                "The stream of %s is disconnected: %s", self._entry.title, error
            )
        self._not_connected(status)

    def _not_connected(self, status: StreamStatus) -> None:
        self._is_connected = False
        self._status = status
        self._start_grace()
        self._on_change()

    def _start_grace(self) -> None:
        if self.available and self._cancel_grace is None:
            self._cancel_grace = async_call_later(
                self._hass, self._grace, self._grace_over
            )

    @callback
    def _grace_over(self, _now: datetime) -> None:
        self._cancel_grace = None
        self._set_available(False)

    def _end_grace(self) -> None:
        if self._cancel_grace is not None:
            self._cancel_grace()
            self._cancel_grace = None

    def _set_available(self, available: bool) -> None:
        if available is not self.available:
            self.available = available
            self._on_available()

    def _exhausted(self) -> None:
        """End a replay that counts on messages which there are not."""
        if not self.backlog.is_live:
            self.backlog.begin(None)
            self._on_change()
            self._on_exhausted()

    def _check_overflow(self, waiting: int) -> None:
        """Tell that messages may be lost, once for each time, until the user has read it.

        A vendor's limit is that of each queue.
        """
        limit = self._provider.backlog_limit
        was_full, self._is_full = self._is_full, limit is not None and waiting >= limit
        if self._is_full and not was_full:
            self._raise(
                ISSUE_OVERFLOW,
                ir.IssueSeverity.WARNING,
                is_fixable=True,
                waiting=str(waiting),
                limit=str(limit),
            )

    def _source_gone(self, source: str) -> None:
        self._raise(ISSUE_SOURCE_GONE, ir.IssueSeverity.ERROR, source=source)

    def _raise(
        self,
        issue: str,
        severity: ir.IssueSeverity,
        *,
        is_fixable: bool = False,
        **placeholders: str,
    ) -> None:
        """Raise a repair issue; the translation is the provider's, it knows the cure."""
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            f"{issue}_{self._entry.entry_id}",
            is_fixable=is_fixable,
            # What is over stays until it was read.
            is_persistent=is_fixable,
            severity=severity,
            translation_key=f"{self._provider.key}_{issue}",
            translation_placeholders={"account": self._entry.title, **placeholders},
        )

    def _clear(self, issue: str) -> None:
        ir.async_delete_issue(self._hass, DOMAIN, f"{issue}_{self._entry.entry_id}")
