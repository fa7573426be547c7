"""Add up deltas: those from an upstream, and those from a log. Knows no event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .text import mend, mend_piece


class GrowingText:
    """A text that arrives in pieces and perhaps once more as a whole. Returns the new text in whole characters."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0
        self._half = ""

    @property
    def text(self) -> str:
        """The text so far, in whole characters."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return "".join(self._pieces)

    def add(self, piece: str) -> str:
        """Add a piece."""
        new, self._half = mend_piece(self._half + piece)
        self._pieces.append(new)
        self._size += len(new)
        return new

    def complete(self, whole: str) -> str:
        """Add the rest of the whole text. On a contradiction the pieces win (spec/servers.md#text-from-done-events)."""
        full = mend(whole)
        if len(full) < self._size or not full.startswith(self.text):
            return ""
        new, self._half = full[self._size :], ""
        self._pieces, self._size = [full], len(full)
        return new


def add_up(value: Any, *deltas: Any) -> Any:
    """Add deltas of a run step as clients do, without `index` keys (spec/assistants.md#delta-merging).

    The time is linear in their length, so a caller adds many at once.
    """
    if not deltas:
        return value
    if isinstance(deltas[-1], dict):
        return _merged(value or {}, deltas)
    if isinstance(deltas[-1], list):
        return _extended(list(value or ()), deltas)
    if all(isinstance(piece, str) for piece in deltas):
        return "".join([value or "", *deltas])
    for delta in deltas:
        value = delta if value is None or delta is None else value + delta
    return value


def _merged(value: dict[str, Any], deltas: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
    pieces: dict[str, list[Any]] = {}
    for delta in deltas:
        for key, piece in (delta or {}).items():
            pieces.setdefault(key, []).append(piece)
    pieces.pop("index", None)
    return {
        **value,
        **{key: parts[-1] if key == "type" else add_up(value.get(key), *parts) for key, parts in pieces.items()},
    }


def _extended(entries: list[Any], deltas: Sequence[list[Any] | None]) -> list[Any]:
    pieces: dict[int, list[Any]] = {}
    for delta in deltas:
        for entry in delta or ():
            pieces.setdefault(entry["index"], []).append(entry)
    for at, parts in pieces.items():
        entries[at : at + 1] = [add_up(entries[at] if at < len(entries) else None, *parts)]
    return entries
