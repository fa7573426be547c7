"""An output limit that a server may ignore, kept from outside: `spec/servers.md#ignored-limits`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..base import Item

BYTES_PER_TOKEN = 8
"""Twice of what is usual: who keeps to the limit is never cut off by an estimate."""


def limited(reads: Iterable[list[Item]], limit: int) -> Iterator[list[Item]]:
    """Yield the items of a response, ended as incomplete where it has reached `limit` tokens.

    A response that says it is complete and has used them all up was cut off (transformers and llama.cpp tell it so).
    One that goes on far beyond is not read to its end.
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
    """Say whether an item ends a response as completed that has used up its tokens."""
    response = item.get("response")
    if item.get("type") != "response.completed" or not isinstance(response, dict):
        return False
    usage = response.get("usage")
    used = usage.get("output_tokens") if isinstance(usage, dict) else None
    return response.get("status") in ("completed", None) and isinstance(used, int) and used >= limit


def _cut(response: dict[str, Any] | None) -> Item:
    ending = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    return {"type": "response.incomplete", "response": {"output": [], "usage": None, **(response or {}), **ending}}
