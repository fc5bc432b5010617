"""What every real broker has: a directory of its own, and free ports of loopback."""

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from .ports import HOST, BrokerError, free_ports


class Broker(ABC):
    """A broker whose ports outlive `stop` and `start`.

    Methods block and may be called from a thread.
    """

    host = HOST
    # What it is called, what its ports are for, and its word for one that is taken.
    name: ClassVar[str]
    listeners: ClassVar[tuple[str, ...]]
    taken: ClassVar[str]

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self._ports: dict[str, int] | None = None

    @staticmethod
    @abstractmethod
    def available() -> str | None:
        """None when a broker can be started, otherwise one line on what is missing."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the broker in an orderly way; nothing of it is left running."""

    @abstractmethod
    def _write_configuration(self) -> None:
        """Write what the broker is started with, once its ports are known."""

    @abstractmethod
    def _start_process(self) -> None:
        """Start it and wait until it accepts connections; the error quotes its log."""

    @property
    def ca_file(self) -> Path:
        """PEM of the authority that signed the broker's certificate."""
        return self.directory / "ca.pem"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the broker and wait until it accepts connections."""
        if missing := self.available():
            raise BrokerError(missing)
        if self._ports is not None:
            self._start_process()
            return
        for attempt in range(3):
            ports = free_ports(len(self.listeners))
            self._ports = dict(zip(self.listeners, ports, strict=True))
            self._write_configuration()
            try:
                self._start_process()
            except BrokerError as error:
                if attempt == 2 or self.taken not in str(error):
                    raise
                # Somebody else was quicker to take one of the ports.
                continue
            return

    def _port_of(self, listener: str) -> int:
        if self._ports is None:
            raise BrokerError(f"{self.name} has not been started yet")
        return self._ports[listener]
