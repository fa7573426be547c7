"""Cut a file's text into the passages that a search returns. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

USUAL_CHARS = 600
"""Usual length of a passage of joined or cut paragraphs."""

MAX_CHARS = 1000

_HEADING = re.compile(r"#{1,6} ")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]{0,3} |[。！？]|\n")
_WORD_END = re.compile(r"\W(?=\w)")
_GLUE = frozenset("\u200d\ufe0e\ufe0f")
"""Characters that join their neighbours into one: joiner and variation selectors."""


def cut(text: str) -> list[str]:
    """Cut a text into passages of about `USUAL_CHARS` characters, at most `MAX_CHARS`, none empty.

    A passage has single spaces and an empty line between paragraphs. It ends between words, if possible between
    sentences. A Markdown heading is in the same passage as the text below it. The passages have all words of the text
    in order; only a word longer than a passage is cut.
    """
    passages: list[str] = []
    for block in _blocks(text):
        for piece in _pieces(block):
            if passages and _belongs(passages[-1], piece):
                passages[-1] += f"\n\n{piece}"
            else:
                passages.append(piece)
    return passages


def _blocks(text: str) -> Iterator[str]:
    """Yield paragraphs with the headings before them; an empty line or a heading ends one."""
    held: list[str] = []
    headed = False  # whether only headings are held
    for line in text.split("\n"):
        line = " ".join(line.split())
        heading = _HEADING.match(line) is not None
        if held and not headed and (heading or not line):
            yield "\n".join(held)
            held.clear()
        if line:
            headed = heading and (headed or not held)
            held.append(f"{line}\n" if heading else line)
    if held:
        yield "\n".join(held).rstrip("\n")


def _belongs(passage: str, piece: str) -> bool:
    """Return whether a piece joins the passage before it."""
    length = len(passage) + 2 + len(piece)
    if len(passage) < USUAL_CHARS // 2:
        return length <= MAX_CHARS
    return length <= USUAL_CHARS and not _HEADING.match(piece)


def _pieces(block: str) -> Iterator[str]:
    start = 0
    while len(block) - start > MAX_CHARS:
        end = start + _end(block[start : start + MAX_CHARS + 1])
        yield block[start:end].strip()
        start = end
        while block[start : start + 1].isspace():
            start += 1
    if start < len(block):
        yield block[start:]


def _end(window: str) -> int:
    """Return the best end of the first piece of a longer block: near the usual length."""
    ends = [match.end() for match in _SENTENCE_END.finditer(window, USUAL_CHARS // 2)]
    ends = [place for place in ends if place <= MAX_CHARS or window[place - 1].isspace()]
    if not ends:
        places = (window.rfind(space, 1, stop) for space in " \n" for stop in (USUAL_CHARS, None))
        ends = [place for place in places if place > 0]
    if not ends:
        ends = [match.end() for match in _WORD_END.finditer(window, USUAL_CHARS // 2, MAX_CHARS)]
    return min(ends, key=lambda place: abs(place - USUAL_CHARS)) if ends else _within_a_word(window)


def _within_a_word(window: str) -> int:
    """Return the last place that separates no mark from its letter and cuts no emoji."""
    for place in range(MAX_CHARS, MAX_CHARS // 2, -1):
        if not (_joins(window[place]) or window[place - 1] in _GLUE):
            return place
    return MAX_CHARS


def _joins(char: str) -> bool:
    return char in _GLUE or unicodedata.combining(char) != 0 or "\U0001f3fb" <= char <= "\U0001f3ff"
