"""Strings, lists and objects from an upstream that may have sent something else. Knows no item."""

from __future__ import annotations

import json
from typing import Any

from ..protocol.objects import Object
from ..protocol.text import mend


def text_of(value: Any) -> str:
    """Return a string that every store can hold; "" for anything else."""
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
