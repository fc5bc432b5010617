"""A real broker as a process that ends with its parent."""

from abc import abstractmethod
from collections.abc import Sequence
import contextlib
import os
from pathlib import Path
import re
import signal
import subprocess
import time
from typing import ClassVar, override

from .broker import Broker
from .certificates import Authority
from .ports import BrokerError

# Its standard input ends with its parent, by whatever death; the broker goes with it.
_GUARD = '"$@" >>"$0" 2>&1 & echo $!; cat >/dev/null; kill -KILL $! 2>/dev/null'
_STOP_TIMEOUT = 15.0


class BrokerProcess(Broker):
    """A broker that runs in the foreground and tells in its log how it is."""

    taken = "Address already in use"
    # Its own word that it runs.
    running: ClassVar[re.Pattern[str]]
    start_timeout: ClassVar[float]

    def __init__(self, directory: Path, authority: Authority) -> None:
        """`authority` signs the broker's certificate."""
        super().__init__(directory)
        self.authority = authority
        self._guard: subprocess.Popen[str] | None = None
        self._pid: int | None = None

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """Return the command that runs the broker in the foreground."""

    @property
    def pid(self) -> int | None:
        """The process id of the broker while it runs."""
        return self._pid

    @override
    def stop(self) -> None:
        if self._pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_TIMEOUT
        while time.monotonic() < deadline and _runs(self._pid):
            time.sleep(0.02)
        self.kill()

    def kill(self) -> None:
        """End the broker as a power cut would; `start` brings it back."""
        guard, self._guard, self._pid = self._guard, None, None
        if guard is not None:
            # Its input ends, and it ends the broker.
            guard.communicate()

    def restart(self) -> None:
        """Stop and start the broker; clients lose their connections."""
        self.stop()
        self.start()

    @property
    def _log(self) -> Path:
        return self.directory / "broker.log"

    def _log_since(self, offset: int) -> str:
        if not self._log.exists():
            return ""
        return self._log.read_bytes()[offset:].decode(errors="replace")

    @override
    def _start_process(self) -> None:
        offset = self._log.stat().st_size if self._log.exists() else 0
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, str(self._log), *self._command()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # Ctrl-C in a terminal goes to the whole process group: the broker would be
            # gone before it is told to stop.
            start_new_session=True,
        )
        assert self._guard.stdout is not None
        self._pid = int(self._guard.stdout.readline())
        try:
            self._wait_until_running(self._pid, offset)
        except BrokerError:
            self.kill()
            raise

    def _wait_until_running(self, pid: int, offset: int) -> None:
        """Wait for its own word: who listens on its ports may be somebody else."""
        deadline = time.monotonic() + self.start_timeout
        while time.monotonic() < deadline and _runs(pid):
            if self.running.search(self._log_since(offset)):
                return
            time.sleep(0.02)
        raise BrokerError(
            f"{self.name} did not start:\n{self._log_since(offset)[-3000:]}"
        )


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
