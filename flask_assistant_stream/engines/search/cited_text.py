"""Take the marks (`[doc2]`) out of a model's streamed text and return their citations.

Pure. The result does not depend on how the text is cut into pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ...protocol.text import mend

Note = dict[str, Any]
"""A `file_citation` of the Responses API: `file_id`, `filename`, and the `index` of the character after it."""

MARK = re.compile(
    r" ?[\[【<] ?\^?doc ?[0-9]{1,3}(?: ?[,;] ?\^?(?:doc ?)?[0-9]{1,3}){0,9} ?[\]】>](?!\()",  # `[doc1](` starts a link
    re.IGNORECASE | re.ASCII,
)
"""One or several marks in a pair of brackets, in the variants that models write."""

_BEGUN = re.compile(r" ?(?:[\[【<] ?\^?(?:d(?:oc?)?|doc[ 0-9doc,;^]{0,120}[\]】>]?)?)?\Z", re.IGNORECASE | re.ASCII)
"""The end of a text that may turn out to be the start of a mark."""
_LONGEST = 130
"""More characters than `_BEGUN` can match."""
_TOKEN = re.compile(rf"(?P<ticks>`+)|(?P<line>\n)|(?P<mark>{MARK.pattern})", re.IGNORECASE | re.ASCII)
_MOST_TICKS = 1000
"""A longer run of backticks is not withheld."""
_FENCE = 3
"""Backticks that start a code block."""


def mark(number: int) -> str:
    """Return the mark of a source."""
    return f"[doc{number}]"


class CitedText:
    """One text. A mark counts only if it names existing sources and is not inside code.

    Args:
        sources: `file_id` and `filename` of each; the first has number 1.

    Attributes:
        text: the text without marks so far.
        notes: the citations so far, in order.
    """

    def __init__(self, sources: Sequence[dict[str, Any]]) -> None:
        self.notes: list[Note] = []
        self._sources = sources
        self._said: list[str] = []
        self._received: list[str] = []
        self._held = ""
        self._ticks = 0
        self._cuts: list[tuple[int, int]] = []
        self._cut = 0
        self._length = 0
        self._noted: set[tuple[Any, int]] = set()

    @property
    def text(self) -> str:
        """The text without marks so far."""
        return mend("".join(self._said))

    @property
    def received(self) -> str:
        """The text with marks so far."""
        if len(self._received) > 1:
            self._received[:] = ["".join(self._received)]
        return mend("".join(self._received))

    def feed(self, piece: str) -> list[str | Note]:
        """Read a piece of the model's text; return texts and citations in order."""
        self._received.append(piece)
        text = self._held + piece
        end = _certain(text)
        self._held = text[end:]
        return list(self._read(text, end))

    def finish(self) -> list[str | Note]:
        """Return the withheld end of the text."""
        text, self._held = self._held, ""
        return list(self._read(text, len(text)))

    def place(self, offset: int) -> int:
        """Convert an offset of the model's text to one of the text without marks."""
        return offset - sum(min(length, offset - at) for at, length in self._cuts if at < offset)

    def _read(self, text: str, end: int) -> Iterator[str | Note]:
        """Read a text up to `end`, which is not inside a token."""
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
        """Return the sources that a token cites; track the start and end of code."""
        if token["ticks"]:
            self._tick(len(token["ticks"]))
        elif token["line"] and self._ticks < _FENCE:  # inline code ends with its line
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
            self._length += len(mend(text))
            if "\udc00" <= text[0] <= "\udfff" and self._said and "\ud800" <= self._said[-1][-1] <= "\udbff":
                self._length -= 1  # two halves of a character
            self._said.append(text)
            yield text

    def _cite(self, numbers: list[int], written: str) -> Iterator[Note]:
        index = self._length
        self._cuts.append((index + self._cut, len(written)))
        self._cut += len(written)
        for number in numbers:
            source = self._sources[number - 1]
            note = {"type": "file_citation", "file_id": source["file_id"], "filename": source["filename"]}
            note["index"] = index
            if (source["file_id"], index) not in self._noted:
                self._noted.add((source["file_id"], index))
                self.notes.append(note)
                yield note


def _certain(text: str) -> int:
    """Return how much of a text can be read without knowing the rest."""
    unticked = len(text.rstrip("`"))
    if 0 < len(text) - unticked <= _MOST_TICKS:
        return unticked
    begun = _BEGUN.search(text, max(0, len(text) - _LONGEST))
    return begun.start() if begun else len(text)
