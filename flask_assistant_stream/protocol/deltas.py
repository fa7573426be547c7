"""Add up deltas: those from an upstream, and those from a log. Knows no event."""

from __future__ import annotations

from typing import Any

from .text import mend, mend_piece


class GrowingText:
    """A text that arrives in pieces and perhaps once more as a whole. Returns the new text in whole characters."""

    def __init__(self) -> None:
        self.text = ""
        self._half = ""

    def add(self, piece: str) -> str:
        """Add a piece."""
        new, self._half = mend_piece(self._half + piece)
        self.text += new
        return new

    def complete(self, whole: str) -> str:
        """Add the rest of the whole text. On a contradiction the pieces win (spec/servers.md#text-from-done-events)."""
        full = mend(whole)
        if not full.startswith(self.text):
            return ""
        new, self._half = full[len(self.text) :], ""
        self.text = full
        return new


def add_up(value: Any, delta: Any) -> Any:
    """Add a delta of a run step as clients do, without `index` keys (spec/assistants.md#delta-merging)."""
    if isinstance(delta, dict):
        merged = dict(value or {})
        for key, piece in delta.items():
            if key != "index":
                merged[key] = piece if key == "type" else add_up(merged.get(key), piece)
        return merged
    if isinstance(delta, list):
        entries = list(value or ())
        for entry in delta:
            at = entry["index"]
            entries[at : at + 1] = [add_up(entries[at] if at < len(entries) else None, entry)]
        return entries
    return delta if value is None or delta is None else value + delta
