"""Read the text of an uploaded file, within limits that keep a malicious file harmless.

Every reader is bounded, and every error of a reader becomes a `RequestError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ..errors import AssistantStreamError
from .readers.base import invalid
from .readers.html import read_html
from .readers.pdf import read_pdf
from .readers.plain import read_plain
from .readers.word import read_docx

MAX_TEXT_CHARS = 5_000_000
"""Maximum length of a text; the rest is left out."""

_PLAIN = "txt md markdown csv json c cpp cs css go java js php py rb sh tex ts"

SEARCHABLE: frozenset[str] = frozenset(f"{_PLAIN} html htm pdf docx".split())
"""Endings of file names that can be read, lower case, without the dot."""


_READERS: dict[str, Callable[[BinaryIO], Iterator[str]]] = {
    "html": read_html,
    "htm": read_html,
    "docx": read_docx,
    "pdf": read_pdf,
}


@dataclass(frozen=True, slots=True)
class ExtractedText:
    """What a reader returns.

    Attributes:
        text: not empty, at most `MAX_TEXT_CHARS`.
        note: what is missing from the text, as a sentence; "" if nothing is.
    """

    text: str
    note: str = ""


def ending(filename: str) -> str:
    """Return a file name's ending in lower case without its dot, or ""."""
    return filename.rpartition(".")[2].lower() if "." in filename else ""


def extract_text(filename: str, content: BinaryIO) -> ExtractedText:
    """Return the text of a file; blocks this thread.

    Args:
        filename: its ending selects the reader.
        content: at its beginning, seekable.

    Raises:
        RequestError: there is no text; the message says why, and `code` is that of a failed `vector_store.file`:
            `unsupported_file` or `invalid_file`.
    """
    kind = ending(filename)
    if kind not in SEARCHABLE:
        raise invalid(f"Files ending in '{kind}' cannot be searched.", code="unsupported_file")
    try:
        text = _clean(_bounded(_READERS.get(kind, read_plain)(content)))
    except AssistantStreamError:
        raise
    except Exception as error:  # the libraries document no classes, least of all for malicious files
        raise invalid(f"The file cannot be read as {kind}: it is damaged or of another type.") from error
    if not text.strip():
        scanned = " Its pages may be images." if kind == "pdf" else ""
        raise invalid(f"The file has no text.{scanned}")
    return ExtractedText(text)


def _bounded(pieces: Iterator[str]) -> str:
    kept, length = [], 0
    for piece in pieces:
        kept.append(piece)
        length += len(piece)
        if length >= MAX_TEXT_CHARS:
            break
    return "".join(kept)[:MAX_TEXT_CHARS]


_NEWLINE = re.compile(r"\r\n?|[\u2028\u2029]")
_INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufeff\ufffe\uffff]")


def _clean(text: str) -> str:
    """Return text that every store accepts: without lone surrogates and control characters."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _INVISIBLE.sub("", _NEWLINE.sub("\n", whole))
