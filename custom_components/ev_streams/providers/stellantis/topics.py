"""The topics of a partner account, and which vehicle one of them is about."""

from dataclasses import dataclass
from enum import StrEnum
import re
from typing import Final

from ...model import BadInputError

# The only root that the vendor's page shows, for both of its environments.
DEFAULT_ROOT: Final = "psa/OVIPPartners-Dev"
# The vendor says 17 characters; its own sample has letters that no VIN may have.
VIN: Final = re.compile(r"[A-Z0-9]{17}")
LONGEST_SUBTOPIC: Final = 200
WILDCARDS: Final = re.compile(r"[+#\x00]")


class Direction(StrEnum):
    """Which of the two branches is ours to read.

    The vendor's page contradicts itself: its code samples subscribe to `to` and publish
    to `from`, its sentences say the reverse. Its older pages, its demo and the sibling
    broker agree with the samples, so that these are the default; which is right has not
    been seen on a live connection.
    """

    SAMPLES = "samples"
    PROSE = "prose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """The topics of one account; `uid` is its login."""

    root: str
    uid: str
    direction: Direction

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to: every vehicle, with its subtopics and with or without a slash."""
        return (f"{self._incoming}#",)

    def publishing(self, vin: str) -> str:
        """Return where a vehicle's application listens; as in the samples, without a slash."""
        return f"{self._branch(incoming=False)}{vin}"

    def vehicle(self, topic: str) -> tuple[str, str]:
        """Return the VIN and the subtopic ("" for none); raises BadInputError.

        A topic with a slash at its end is another one than without, and both are told
        of: empty levels are left out.
        """
        incoming = self._incoming
        if not topic.startswith(incoming):
            raise BadInputError("foreign_topic")
        levels = [level for level in topic[len(incoming) :].split("/") if level]
        vin = read_vin(levels[0]) if levels else None
        if vin is None:
            raise BadInputError("no_vehicle_in_topic")
        return vin, "/".join(levels[1:])[:LONGEST_SUBTOPIC]

    @property
    def _incoming(self) -> str:
        return self._branch(incoming=True)

    def _branch(self, *, incoming: bool) -> str:
        is_to = incoming is (self.direction is Direction.SAMPLES)
        return f"{self.root}/{'to' if is_to else 'from'}/uid/{self.uid}/opa/"


def read_vin(text: str) -> str | None:
    """Return a VIN as it is known here, None for what is none."""
    vin = text.strip().upper()
    return vin if VIN.fullmatch(vin) else None


def is_usable_root(root: str) -> bool:
    """Whether the text can begin a topic."""
    return bool(root) and not WILDCARDS.search(root) and root == root.strip("/ ")


def is_usable_uid(uid: str) -> bool:
    """Whether the login can be a level of a topic."""
    return bool(uid) and not WILDCARDS.search(uid) and "/" not in uid
