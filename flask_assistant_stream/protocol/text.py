"""Text in pieces: halves of surrogate pairs, and markers of citations. Knows no event and no item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MARKER_BEGIN, MARKER_END = "【", "】"
"""The brackets of a citation's marker."""
FILE_GONE = "[A file that was here cannot be shown any more.]"
"""What the model reads in place of an old file or image that does not exist any more."""


def mend(text: str) -> str:
    """Return `text` without lone surrogates: adjacent halves become one character, other halves U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def mend_piece(piece: str) -> tuple[str, str]:
    """Mend a piece of a stream. Return it, and the half that waits for the next piece or ""."""
    if piece and "\ud800" <= piece[-1] <= "\udbff":
        return mend(piece[:-1]), piece[-1]
    return mend(piece), ""


def without_markers(value: str, annotations: Sequence[Any]) -> str:
    """Return the text of the model: `value` without the markers of citations."""
    spans = sorted((note["start_index"], note["end_index"]) for note in annotations if _is_marker(value, note))
    kept, position = [], 0
    for start, end in spans:
        kept.append(value[position:start])
        position = max(position, end)
    return "".join([*kept, value[position:]])


def _is_marker(value: str, note: Any) -> bool:
    if not isinstance(note, dict):
        return False
    start, end, text = note.get("start_index"), note.get("end_index"), note.get("text")
    if not (isinstance(start, int) and isinstance(end, int) and isinstance(text, str)):
        return False
    return value[start:end] == text and text.startswith(MARKER_BEGIN) and text.endswith(MARKER_END)
