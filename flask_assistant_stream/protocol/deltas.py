"""How deltas add up, on the way in from an upstream and on the way back from a log. Knows no event."""

from __future__ import annotations

from typing import Any

from .text import mend, mend_piece


class GrowingText:
    """A text that arrives in pieces, and at its end perhaps whole; says what is new in whole characters.

    Attributes:
        text: what was said to be new so far.
    """

    def __init__(self) -> None:
        self.text = ""
        self._half = ""

    def add(self, piece: Any) -> str:
        """Add a piece; anything but a string counts for nothing."""
        if not isinstance(piece, str):
            return ""
        new, self._half = mend_piece(self._half + piece)
        self.text += new
        return new

    def complete(self, whole: Any) -> str:
        """Add the tail of the whole text; the pieces win a conflict (`spec/servers.md#text-from-done-events`)."""
        found = mend(whole) if isinstance(whole, str) else ""
        if not found.startswith(self.text):
            return ""
        new, self._half = found[len(self.text) :], ""
        self.text = found
        return new


def add_up(value: Any, delta: Any) -> Any:
    """Merge a delta of a run step (`spec/assistants.md#delta-merging`), without the `index` of array entries."""
    if isinstance(delta, dict):
        made = dict(value or {})
        for key, piece in delta.items():
            if key != "index":
                made[key] = piece if key == "type" else add_up(made.get(key), piece)
        return made
    if isinstance(delta, list):
        entries = list(value or ())
        for entry in delta:
            at = entry["index"]
            entries[at : at + 1] = [add_up(entries[at] if at < len(entries) else None, entry)]
        return entries
    return delta if value is None or delta is None else value + delta
