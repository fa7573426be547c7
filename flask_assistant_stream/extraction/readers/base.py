"""What all readers share.

A reader is a function from a file to pieces of its text. It reads what it can, and says in `Notes` what is missing.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from ...errors import RequestError

PIECE_BYTES = 1 << 16
"""What a parser receives at once: a reader stops between two pieces."""


class Notes:
    """Sentences about what a text does not contain, each once, in the order of their first mention."""

    def __init__(self) -> None:
        self._sentences: dict[str, None] = {}

    def add(self, sentence: str) -> None:
        """Say what is missing."""
        self._sentences[sentence] = None

    def __str__(self) -> str:
        return " ".join(self._sentences)


Reader = Callable[[BinaryIO, Notes], Iterable[str]]


class Clock:
    """The time that a reader may take.

    Args:
        seconds: from now on.
    """

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def is_over(self) -> bool:
        """Return whether the time is used up."""
        return time.monotonic() > self._until


def invalid(message: str, *, code: str = "invalid_file") -> RequestError:
    """Return the error of a file that cannot be read."""
    return RequestError(message, param="file", code=code)


def seekable(content: BinaryIO) -> BinaryIO:
    """Return a file that libraries accept: a `SpooledTemporaryFile` of Python 3.10 lacks `seekable`."""
    return content if hasattr(content, "seekable") else io.BytesIO(content.read())


def paragraphs(pieces: Iterable[str]) -> Iterator[str]:
    """Yield lines with single spaces and at most one empty line between them; pieces may end anywhere.

    If the pieces end in an error, what came before is yielded first.
    """
    rest, empty, begun = "", 0, False
    try:
        for piece in pieces:
            *lines, rest = (rest + piece).split("\n")
            shown = []
            for line in lines:
                if words := " ".join(line.split()):
                    shown.append("\n" * min(empty, 2) + words if begun else words)
                    begun, empty = True, 0
                empty += 1
            yield "".join(shown)
    except Exception:
        yield "\n" * min(empty, 2) + rest
        raise
    if words := " ".join(rest.split()):
        yield "\n" * min(empty, 2) + words if begun else words
