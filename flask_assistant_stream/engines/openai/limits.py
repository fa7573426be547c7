"""Enforce an output limit that a server may ignore (`spec/servers.md#ignored-limits`). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...translation.coerce import object_of
from ..base import Item

BYTES_PER_TOKEN = 8
"""Twice the usual ratio, so a response within its limit is never cut off."""


def limited(reads: Iterable[list[Item]], limit: int) -> Iterator[list[Item]]:
    """Yield the items of a response, ended as incomplete if it reaches `limit` tokens.

    A completed response that used all tokens was cut off (transformers and llama.cpp report it that way). A response
    far beyond the limit is not read to its end.
    """
    left = limit * BYTES_PER_TOKEN
    for items in reads:
        left -= sum(_size(item) for item in items)
        if left < 0:
            yield [*items, _cut(None)]
            return
        yield [_cut(item["response"]) if _is_full(item, limit) else item for item in items]


def _size(item: Item) -> int:
    delta = item.get("delta")
    return len(delta.encode("utf-8", "replace")) if isinstance(delta, str) else 0


def _is_full(item: Item, limit: int) -> bool:
    """Return whether an item completes a response that used all its tokens."""
    response = item.get("response")
    if item.get("type") != "response.completed" or not isinstance(response, dict):
        return False
    used = object_of(response.get("usage")).get("output_tokens")
    return response.get("status") in ("completed", None) and isinstance(used, int) and used >= limit


def _cut(response: dict[str, Any] | None) -> Item:
    ending = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    return {"type": "response.incomplete", "response": {"output": [], "usage": None, **(response or {}), **ending}}
