"""The path language: where in a message's content a value lies.

`a.b` is a member of a member, `[0]` and `[-1]` are elements of a list, `[type=Electric]`
is the first element whose member says so, `["a.b"]` is a member whose name has signs of
this language in it, `a|b` takes what exists first, and `$` is the content itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
import json
import re
from typing import Final

LONGEST: Final = 500
MOST_STEPS: Final = 32
DEEPEST: Final = 16
MOST_SAMPLES: Final = 200
# Members by which an element of a list is known better than by its place.
NAMES: Final = ("type", "name", "id", "identifier")

PLAIN: Final = re.compile(r"[^\s.\[\]|=\"$]+")
STEP: Final = re.compile(
    r"""
    (?P<dot>\.)? (?P<plain>[^\s.\[\]|="$]+)
    | \[ (?P<index>-?\d{1,6}) \]
    | \[ (?P<quoted>"(?:[^"\\]|\\.)*") \]
    | \[ (?P<name>[^\s.\[\]|="$]+) = (?P<text>"(?:[^"\\]|\\.)*"|[^\[\]|"]*) \]
    """,
    re.VERBOSE,
)


class MappingError(ValueError):
    """A path or a mapping that makes no sense; `reason` is a stable snake case word."""

    def __init__(self, reason: str, field: str | None = None) -> None:
        """`field` names the part of a mapping that is wrong."""
        super().__init__(reason if field is None else f"{field}: {reason}")
        self.reason = reason
        self.field = field


class _Missing:
    """The type of MISSING."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Selector:
    """The first element whose member has this text."""

    name: str
    text: str


type _Step = str | int | _Selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A path that makes sense: ways to try, each of them steps."""

    ways: tuple[tuple[_Step, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A value that was seen, and the path that leads to it."""

    path: str
    value: str | int | float | bool | None


@lru_cache(maxsize=1000)
def parse_path(text: str) -> Path:
    """Read a path; raises MappingError."""
    if len(text) > LONGEST:
        raise MappingError("bad_path")
    ways: list[tuple[_Step, ...]] = []
    rest = text.strip()
    while True:
        way, rest = _read_way(rest)
        ways.append(way)
        if not rest:
            return Path(ways=tuple(ways))
        rest = rest[1:].lstrip()
        if not rest:
            raise MappingError("bad_path")


def lookup(content: object, path: Path) -> object:
    """Return what lies at the path, MISSING where nothing does; null is something."""
    for way in path.ways:
        found = content
        for step in way:
            found = _follow(found, step)
            if found is MISSING:
                break
        else:
            return found
    return MISSING


def flatten(content: object, limit: int = MOST_SAMPLES) -> list[Sample]:
    """Return the values in a content, each with a path that finds it again."""
    samples: list[Sample] = []
    for path, value in _leaves(content, "", DEEPEST):
        # What a path may not be as long as cannot be mapped.
        if len(path) <= LONGEST and lookup(content, parse_path(path)) == value:
            samples.append(Sample(path=path, value=value))
        if len(samples) >= limit:
            break
    return samples


def json_text(value: object) -> str:
    """Return a scalar as JSON writes it, but a text without its quotes."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return json.dumps(value, default=str)


def _read_way(text: str) -> tuple[tuple[_Step, ...], str]:
    """Read up to the end or to the next `|`; returns the steps and what is left."""
    if text[:1] == "$" or not text:
        rest = text[1:].lstrip()
        if rest and not rest.startswith("|"):
            raise MappingError("bad_path")
        return (), rest
    steps: list[_Step] = []
    at = 0
    while at < len(text) and text[at] != "|":
        match = STEP.match(text, at)
        if match is None:
            if text[at].isspace() and text[at:].lstrip()[:1] in {"|", ""}:
                at += 1
                continue
            raise MappingError("bad_path")
        # A dot stands between two steps, and before a member it has to.
        if match["plain"] is not None and (match["dot"] is None) is bool(steps):
            raise MappingError("bad_path")
        steps.append(_step(match))
        at = match.end()
    if not steps or len(steps) > MOST_STEPS:
        raise MappingError("bad_path")
    return tuple(steps), text[at:]


def _step(match: re.Match[str]) -> _Step:
    if match["index"] is not None:
        return int(match["index"])
    if match["quoted"] is not None:
        return _unquoted(match["quoted"])
    if match["name"] is not None:
        text: str = match["text"]
        return _Selector(
            name=match["name"],
            text=_unquoted(text) if text.startswith('"') else text.strip(),
        )
    return str(match["plain"])


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError as err:
        raise MappingError("bad_path") from err


def _follow(content: object, step: _Step) -> object:
    if isinstance(step, str):
        return content.get(step, MISSING) if isinstance(content, dict) else MISSING
    if not isinstance(content, list):
        return MISSING
    if isinstance(step, int):
        return content[step] if -len(content) <= step < len(content) else MISSING
    return next((each for each in content if _is_selected(each, step)), MISSING)


def _leaves(
    content: object, path: str, depth: int
) -> Iterator[tuple[str, str | int | float | bool | None]]:
    if content is None or isinstance(content, str | int | float):
        yield path or "$", content
    elif depth > 0 and isinstance(content, dict):
        for name, member in content.items():
            yield from _leaves(member, path + _member(str(name), path), depth - 1)
    elif depth > 0 and isinstance(content, list):
        for place, element in enumerate(content):
            step = _element(content, place)
            yield from _leaves(element, path + step, depth - 1)


def _member(name: str, before: str) -> str:
    if PLAIN.fullmatch(name):
        return f".{name}" if before else name
    return f"[{json.dumps(name)}]"


def _element(elements: list[object], place: int) -> str:
    """Prefer what an element alone says of itself to its place, which may change."""
    element = elements[place]
    if isinstance(element, dict):
        for name in NAMES:
            text = element.get(name)
            if isinstance(text, str) and 0 < len(text) <= 50:
                selector = _Selector(name=name, text=text)
                if sum(_is_selected(each, selector) for each in elements) == 1:
                    plain = PLAIN.fullmatch(text)
                    return f"[{name}={text if plain else json.dumps(text)}]"
    return f"[{place}]"


def _is_selected(element: object, selector: _Selector) -> bool:
    if not isinstance(element, dict) or selector.name not in element:
        return False
    said = element[selector.name]
    return not isinstance(said, dict | list) and json_text(said) == selector.text
