"""A model's text with marks such as `[doc2]` in it, as it arrives: the text without them, and what they cite.

Pure. However a text is cut into pieces, the same text and the same citations come out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ...protocol.text import mend

Note = dict[str, Any]
"""A `file_citation` of the Responses API: `file_id`, `filename`, and the `index` that it stands before."""

MARK = re.compile(
    r" ?[\[【<] ?\^?doc ?[0-9]{1,3}(?: ?[,;] ?\^?(?:doc ?)?[0-9]{1,3}){0,9} ?[\]】>](?!\()",  # `[doc1](` begins a link
    re.IGNORECASE | re.ASCII,
)
"""One mark or several in one pair of brackets; models also write them a little otherwise than they are told."""

_BEGUN = re.compile(r" ?(?:[\[【<] ?\^?(?:d(?:oc?)?|doc[ 0-9doc,;^]{0,120}[\]】>]?)?)?\Z", re.IGNORECASE | re.ASCII)
"""What a text ends with that may become a mark with what follows."""
_LONGEST = 130
"""More characters than `_BEGUN` fits on."""
_TOKEN = re.compile(rf"(?P<ticks>`+)|(?P<line>\n)|(?P<mark>{MARK.pattern})", re.IGNORECASE | re.ASCII)
_FENCE = 3
"""So many backticks begin a block of code."""


def mark(number: int) -> str:
    """Return the mark of a source."""
    return f"[doc{number}]"


class CitedText:
    """One text. A mark is one only if it names sources that there are, and outside of code.

    Args:
        sources: `file_id` and `filename` of each, the first is number 1.

    Attributes:
        text: what has come out so far.
        notes: the citations in it, in order.
    """

    def __init__(self, sources: Sequence[dict[str, Any]]) -> None:
        self.notes: list[Note] = []
        self._sources = sources
        self._said: list[str] = []
        self._heard: list[str] = []
        self._held = ""
        self._ticks = 0
        self._cuts: list[tuple[int, int]] = []

    @property
    def text(self) -> str:
        """What has come out so far."""
        return mend("".join(self._said))

    @property
    def heard(self) -> str:
        """What has been fed so far, marks included."""
        return mend("".join(self._heard))

    def feed(self, piece: str) -> list[str | Note]:
        """Take a piece of the model's text; return texts and citations in order."""
        self._heard.append(piece)
        text = self._held + piece
        end = _certain(text)
        self._held = text[end:]
        return list(self._read(text, end))

    def finish(self) -> list[str | Note]:
        """Return what was held back because more might have come."""
        text, self._held = self._held, ""
        return list(self._read(text, len(text)))

    def place(self, offset: int) -> int:
        """Return where an offset of the model's text is in the text without marks."""
        return offset - sum(min(length, offset - at) for at, length in self._cuts if at < offset)

    def _read(self, text: str, end: int) -> Iterator[str | Note]:
        """Read a text up to `end`, which is no place within a token."""
        position = 0
        for token in _TOKEN.finditer(text):
            if token.start() >= end:
                break
            numbers = self._numbers(token)
            if numbers:
                yield from self._say(text[position : token.start()])
                yield from self._cite(numbers, token[0])
                position = token.end()
        yield from self._say(text[position:end])

    def _numbers(self, token: re.Match[str]) -> list[int]:
        """Return the sources that a token cites; one that begins or ends code is noted."""
        if token["ticks"]:
            self._tick(len(token["ticks"]))
        elif token["line"] and self._ticks < _FENCE:  # a lone backtick is no code that goes on and on
            self._ticks = 0
        elif token["mark"] and not self._ticks:
            numbers = [int(number) for number in re.findall("[0-9]+", token["mark"])]
            return numbers if all(0 < number <= len(self._sources) for number in numbers) else []
        return []

    def _tick(self, count: int) -> None:
        if not self._ticks:
            self._ticks = count
        elif count == self._ticks or count > self._ticks >= _FENCE:
            self._ticks = 0

    def _say(self, text: str) -> Iterator[str]:
        if text:
            self._said.append(text)
            yield text

    def _cite(self, numbers: list[int], written: str) -> Iterator[Note]:
        index = len(self.text)
        self._cuts.append((index + sum(length for _, length in self._cuts), len(written)))
        for number in numbers:
            source = self._sources[number - 1]
            note = {"type": "file_citation", "file_id": source["file_id"], "filename": source["filename"]}
            note["index"] = index
            if note not in self.notes:
                self.notes.append(note)
                yield note


def _certain(text: str) -> int:
    """Return how much of a text can be read, whatever follows."""
    unticked = len(text.rstrip("`"))
    if unticked < len(text):
        return unticked
    begun = _BEGUN.search(text, max(0, len(text) - _LONGEST))
    return begun.start() if begun else len(text)
