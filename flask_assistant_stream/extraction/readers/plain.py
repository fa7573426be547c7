"""Plain text: bytes to text."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

from .base import invalid

MAX_TEXT_BYTES = 20_000_000
"""Maximum that is read of a file: four bytes for each character that is kept."""

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16's, hence before it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def read_plain(content: BinaryIO) -> Iterator[str]:
    """Yield the text of a file that is text already."""
    yield decoded(*read_bytes(content, MAX_TEXT_BYTES))


def read_bytes(content: BinaryIO, limit: int) -> tuple[bytes, bool]:
    """Return the bytes up to a limit, and whether they are complete; if not, they may end within a character."""
    data = content.read(limit + 1)
    return data[:limit], len(data) <= limit


def decoded(data: bytes, whole: bool) -> str:
    """Decode by the byte order mark, else as UTF-8, else as Windows-1252 if the result is text."""
    marked = next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")
    try:
        text = codecs.getincrementaldecoder(marked)().decode(data, whole)
    except UnicodeDecodeError:
        if marked != "utf-8":
            raise invalid(f"The file begins as {marked.removesuffix('-sig').upper()} but is not valid.") from None
        text = _western(data)
    controls = len(_CONTROL.findall(text))
    if "\0" in text or controls > len(text) // 200:
        raise invalid("The file is not text: it contains control characters.")
    return text


def _western(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")
