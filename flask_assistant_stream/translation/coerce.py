"""Values from an upstream that may have sent another type. Knows no item.

Three rules, by what depends on the value:

* **content** (texts, pieces, code, images): null and nothing are "", any other type is an `InvalidResponse` and
  fails the run.
* **arguments and outputs of tools**: any JSON value, as its JSON text.
* **names, ids and labels**: any other type counts as missing, and the substitute is visible: an id, or an error.
"""

from __future__ import annotations

import json
from typing import Any

from ..protocol.objects import Object
from ..protocol.text import mend

UNREADABLE = "…"
"""The text of a value that JSON cannot hold. It is not JSON, so no call accepts it as arguments."""


MAX_ENTRIES = 1000
"""Limit of output items in a response, of parts, annotations and results in an item."""
OUTPUT_BYTES = 8 * 2**20
"""Limit of the events that one response becomes, and of the results of one search."""


class InvalidResponse(ValueError):
    """The response cannot be passed on: content of another type, or over a limit. The message names what, no value."""


def check_count(count: int, name: str) -> None:
    """Raise `InvalidResponse` for more than `MAX_ENTRIES`."""
    if count > MAX_ENTRIES:
        raise InvalidResponse(f"The upstream sent more than {MAX_ENTRIES} {name}.")


def check_size(size: int, name: str) -> None:
    """Raise `InvalidResponse` for more than `OUTPUT_BYTES`."""
    if size > OUTPUT_BYTES:
        raise InvalidResponse(f"The upstream sent more than {OUTPUT_BYTES} bytes of {name}.")


def content_of(value: Any, name: str) -> str:
    """Return content, which may be a piece with half a surrogate pair at its end; "" for null.

    Raises:
        InvalidResponse: it is neither a string nor null.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidResponse(
            f"The upstream sent {name} that is not text but {_TYPES.get(type(value), 'another type')}."
        )
    return value


def json_or_text(value: Any) -> str:
    """Return text as it is, null as "", and any other value as its JSON."""
    return "" if value is None else value if isinstance(value, str) else json_text(value)


def arguments_of(value: Any) -> str:
    """Return the arguments of a call as JSON text: "" for nothing and for null, also as text."""
    text = mend(json_or_text(value))
    return "" if text.strip() == "null" else text


def json_text(value: Any) -> str:
    """Return a value as JSON, or `UNREADABLE` for a value that JSON cannot hold."""
    try:
        return mend(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    except (ValueError, RecursionError):
        return UNREADABLE


def text_of(value: Any) -> str:
    """Return a name, id or label as a string that every store can hold; "" for anything else."""
    return mend(value) if isinstance(value, str) else ""


def list_of(value: Any) -> list[Any]:
    """Return a list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def object_of(value: Any) -> Object:
    """Return an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def objects_of(value: Any) -> list[Object]:
    """Return the objects of a list."""
    return [entry for entry in list_of(value) if isinstance(entry, dict)]


def is_json_object(text: str) -> bool:
    """Return whether a text is a JSON object that browsers can read too: no NaN."""
    try:
        return isinstance(json.loads(text, parse_constant=_refuse), dict)
    except (ValueError, RecursionError):
        return False


def _refuse(constant: str) -> None:
    raise ValueError(constant)


_TYPES = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}
