"""Filters of a search by the attributes of files. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import RequestError

MAX_DEPTH = 20

_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": lambda have, want: have > want,
    "gte": lambda have, want: have >= want,
    "lt": lambda have, want: have < want,
    "lte": lambda have, want: have <= want,
}


def matches(filters: Any, attributes: Mapping[str, Any], *, depth: int = 0) -> bool:
    """Return whether attributes pass a comparison or a compound filter; all pass None.

    A file without the attribute passes only `ne` and `nin`. Values of different types are never equal and have no
    order.

    Raises:
        RequestError: the filter is invalid.
    """
    if filters is None:
        return True
    if not isinstance(filters, Mapping) or depth > MAX_DEPTH:
        raise _invalid(f"it must be a comparison, or 'and' or 'or' of filters, at most {MAX_DEPTH} deep")
    kind = filters.get("type", "eq")
    if kind in ("and", "or"):
        parts = filters.get("filters")
        if not isinstance(parts, list):
            raise _invalid(f"'{kind}' needs a list 'filters'")
        passed = [matches(part, attributes, depth=depth + 1) for part in parts]  # checks each, unlike a generator
        return all(passed) if kind == "and" else any(passed)
    return _compare(kind, filters, attributes)


def _compare(kind: Any, filters: Mapping[str, Any], attributes: Mapping[str, Any]) -> bool:
    key = filters.get("key")
    if not isinstance(key, str) or "value" not in filters:
        raise _invalid("a comparison needs 'key' and 'value'")
    have, want = attributes.get(key), filters["value"]
    if kind in ("in", "nin"):
        if not isinstance(want, list):
            raise _invalid(f"'{kind}' needs a list as 'value'")
        return any(_equal(have, value) for value in want) is (kind == "in")
    if kind in ("eq", "ne"):
        return _equal(have, want) is (kind == "eq")
    if not isinstance(kind, str) or kind not in _ORDERED:
        raise _invalid("'type' must be one of eq, ne, gt, gte, lt, lte, in, nin, and, or")
    if not (_number(have) and _number(want)) and not (isinstance(have, str) and isinstance(want, str)):
        return False
    return _ORDERED[kind](have, want)


def _equal(have: Any, want: Any) -> bool:
    if isinstance(have, bool) or isinstance(want, bool):
        return have is want
    return have == want and (type(have) is type(want) or (_number(have) and _number(want)))


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _invalid(reason: str) -> RequestError:
    return RequestError(f"Invalid 'filters': {reason}.", param="filters")
