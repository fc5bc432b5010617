"""A message's body that is a JSON object."""

from collections.abc import Mapping

import orjson

from ..model import BadInputError


def json_object(body: bytes | str) -> dict[str, object]:
    """Read it; raises BadInputError where it is none."""
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError as err:
        raise BadInputError("not_json") from err
    if not isinstance(read, dict):
        raise BadInputError("not_an_object")
    return read


def canonical(body: Mapping[str, object], raw: bytes) -> bytes:
    """Return what two bodies that say the same have in common, in whichever order.

    `raw` is the text of it: that may nest deeper than the writer goes, though not
    deeper than the reader, and then stands for itself.
    """
    try:
        return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return raw
