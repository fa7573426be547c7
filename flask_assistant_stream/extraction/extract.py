"""Read the text of an uploaded file, within limits that keep a malicious file harmless.

Every reader is bounded, and every error of a reader becomes a `RequestError`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import BinaryIO

from ..errors import AssistantStreamError
from .readers.base import Notes, Reader, invalid
from .readers.host import reader_of
from .readers.html import read_html
from .readers.mail import read_eml
from .readers.opendocument import read_odf
from .readers.pdf import read_pdf
from .readers.plain import read_json, read_plain, read_xml
from .readers.rtf import read_rtf
from .readers.sheets import read_xlsx
from .readers.slides import read_pptx
from .readers.word import read_docx

MAX_TEXT_CHARS = 5_000_000
"""Maximum length of a text; the rest is left out."""

_PLAIN = "txt md markdown csv tsv log rst yaml yml toml ini c cpp cs css go h java js php py rb rs sh sql tex ts"

_READERS: Mapping[str, Reader] = MappingProxyType(
    {
        **dict.fromkeys(_PLAIN.split(), read_plain),
        **dict.fromkeys(("json", "jsonl"), read_json),
        **dict.fromkeys(("html", "htm"), read_html),
        **dict.fromkeys(("odt", "ods", "odp"), read_odf),
        "xml": read_xml,
        "docx": read_docx,
        "pptx": read_pptx,
        "xlsx": read_xlsx,
        "pdf": read_pdf,
        "rtf": read_rtf,
        "eml": read_eml,
    }
)

SEARCHABLE: frozenset[str] = frozenset(_READERS)
"""Endings of file names that can be read, lower case, without the dot."""


NO_EXTRACTORS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ExtractedText:
    """What a reader returns.

    Attributes:
        text: not empty, at most `MAX_TEXT_CHARS`.
        note: what is missing from the text, as sentences; "" if nothing is.
    """

    text: str
    note: str = ""


def ending(filename: str) -> str:
    """Return a file name's ending in lower case without its dot, or ""."""
    return filename.rpartition(".")[2].lower() if "." in filename else ""


def extract_text(filename: str, content: BinaryIO, extractors: Mapping[str, str] = NO_EXTRACTORS) -> ExtractedText:
    """Return the text of a file; blocks this thread.

    Args:
        filename: its ending selects the reader.
        content: at its beginning, seekable.
        extractors: the host's own readers, `module:function` by ending; they come first.

    Raises:
        RequestError: there is no text; the message says why, and `code` is that of a failed `vector_store.file`:
            `unsupported_file` or `invalid_file`.
    """
    kind = ending(filename)
    reader = reader_of(kind, extractors[kind]) if kind in extractors else _READERS.get(kind)
    if reader is None:
        raise invalid(f"Files ending in '{kind}' cannot be searched.", code="unsupported_file")
    notes = Notes()
    text = _clean(_bounded(kind, reader(content, notes), notes))
    if text.strip():
        return ExtractedText(text, str(notes))
    cause = str(notes) or ("Its pages may be images." if kind == "pdf" else "")
    raise invalid(f"The file has no text. {cause}".rstrip())


def _bounded(kind: str, pieces: Iterable[str], notes: Notes) -> str:
    """Return the pieces up to the maximum, or up to where the file is damaged."""
    kept: list[str] = []
    length = 0
    try:
        for piece in pieces:
            kept.append(piece)
            length += len(piece)
            if length > MAX_TEXT_CHARS:
                notes.add(f"The text is longer than {MAX_TEXT_CHARS:,} characters; the rest is missing.")
                break
    except AssistantStreamError:
        raise
    except MemoryError as error:
        raise invalid("The file needs too much memory to be read.") from error
    except RecursionError:
        raise invalid("The file is nested too deeply to be read.") from None
    except Exception as error:  # the libraries document no classes, least of all for malicious files
        if not "".join(kept).strip():
            raise invalid(f"The file cannot be read as {kind}: it is damaged or of another type.") from error
        notes.add("The file is damaged; only its beginning could be read.")
    return "".join(kept)[:MAX_TEXT_CHARS]


_NEWLINE = re.compile(r"\r\n?|[\u2028\u2029]")
_INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\xad\ufeff\ufffe\uffff]")


def _clean(text: str) -> str:
    """Return text that every store accepts: without lone surrogates, control characters and soft hyphens."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _INVISIBLE.sub("", _NEWLINE.sub("\n", whole))
