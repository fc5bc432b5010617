"""What the demo prints."""

from collections.abc import Sequence
import contextlib
from dataclasses import dataclass
import time

STARTED = time.monotonic()
TAIL_LINES = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One line of the summary."""

    check: str
    expected: str
    seen: str
    ok: bool


def say(text: str) -> None:
    """Print one line with the seconds since the start."""
    tell(f"[{time.monotonic() - STARTED:5.1f} s] {text}")


def print_results(results: Sequence[Result]) -> None:
    """Print the summary table."""
    rows = [
        ("check", "expected", "seen", ""),
        *((r.check, r.expected, r.seen, "ok" if r.ok else "FAILED") for r in results),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        tell(
            "  ".join(
                [
                    *(
                        cell.ljust(width)
                        for cell, width in zip(row, widths, strict=False)
                    ),
                    row[3],
                ]
            ).rstrip()
        )
    failed = sum(not result.ok for result in results)
    tell(f"{len(results)} checks, {failed} failed")
    if not failed:
        tell("Everything that the cars did arrived in Home Assistant, whole and right.")


def print_tail(title: str, text: str) -> None:
    """Print the last lines of a log."""
    tell(f"--- {title}, last {TAIL_LINES} lines")
    for line in text.splitlines()[-TAIL_LINES:]:
        tell(line)
    tell("---")


def tell(text: str) -> None:
    """Print a text as it is."""
    # The terminal may be gone already; what was started still has to be stopped in order.
    with contextlib.suppress(OSError):
        print(text, flush=True)
