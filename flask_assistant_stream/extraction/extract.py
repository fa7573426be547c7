"""Read the text of an uploaded file, within limits that keep a malicious file harmless.

Every reader is bounded, and every error of a reader becomes a `RequestError`.
"""

from __future__ import annotations

import codecs
import io
import logging
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..errors import AssistantStreamError, RequestError

MAX_TEXT_CHARS = 5_000_000
"""Maximum length of a text; the rest is left out."""

MAX_TEXT_BYTES = 4 * MAX_TEXT_CHARS
MAX_HTML_BYTES = 8 * 1024 * 1024
"""Maximum that is read of a text or HTML file; the tree of a page needs a hundred times its bytes in memory."""

MAX_PARTS = 10_000
MAX_PARTS_BYTES = 256 * 1024 * 1024
MAX_XML_BYTES = 16 * 1024 * 1024
MAX_RATIO = 200
RATIO_FREE_BYTES = 4 * 1024 * 1024
"""Limits of the unpacked parts of a Word document: their number, their size, the size of XML parts, and the ratio to
the packed size, which only counts above `RATIO_FREE_BYTES`."""

MAX_PAGE_BYTES = 8 * 1024 * 1024
MAX_PDF_SECONDS = 120.0
"""Limits of a PDF: the drawing commands of one page, and the time for all pages."""

_PLAIN = "txt md markdown csv json c cpp cs css go java js php py rb sh tex ts"

SEARCHABLE: frozenset[str] = frozenset(f"{_PLAIN} html htm pdf docx".split())
"""Endings of file names that can be read, lower case, without the dot."""


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
        raise _invalid(f"Files ending in '{kind}' cannot be searched.", code="unsupported_file")
    try:
        text = _clean(_bounded(_READERS.get(kind, _plain)(content)))
    except AssistantStreamError:
        raise
    except Exception as error:  # the libraries document no classes, least of all for malicious files
        raise _invalid(f"The file cannot be read as {kind}: it is damaged or of another type.") from error
    if not text.strip():
        scanned = " Its pages may be images." if kind == "pdf" else ""
        raise _invalid(f"The file has no text.{scanned}")
    return ExtractedText(text)


def _invalid(message: str, *, code: str = "invalid_file") -> RequestError:
    return RequestError(message, param="file", code=code)


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


def _paragraphs(text: str) -> str:
    """Return lines with single spaces and at most one empty line between them."""
    lines = "\n".join(" ".join(line.split()) for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip()


# -- plain text -------------------------------------------------------------------------------------------------

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16's, hence before it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def _plain(content: BinaryIO) -> Iterator[str]:
    yield _decoded(*_read(content, MAX_TEXT_BYTES))


def _read(content: BinaryIO, limit: int) -> tuple[bytes, bool]:
    """Return the bytes up to a limit, and whether they are complete; if not, they may end within a character."""
    data = content.read(limit + 1)
    return data[:limit], len(data) <= limit


def _decoded(data: bytes, whole: bool) -> str:
    """Decode by the byte order mark, else as UTF-8, else as Windows-1252 if the result is text."""
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = codecs.getincrementaldecoder(marked)().decode(data, whole)
    except UnicodeDecodeError:
        if marked != "utf-8":
            raise _invalid(f"The file begins as {marked.removesuffix('-sig').upper()} but is not valid.") from None
        text = _western(data)
    controls = len(_CONTROL.findall(text))
    if "\0" in text or controls > len(text) // 200:
        raise _invalid("The file is not text: it contains control characters.")
    return text


def _western(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


# -- HTML -------------------------------------------------------------------------------------------------------

_SILENT = {"head", "iframe", "noscript", "object", "script", "style", "svg", "template"}
_LINES = {"br", "caption", "dd", "dt", "li", "option", "tr"}
_BLOCKS = {"h1", "h2", "h3", "h4", "h5", "h6", "p", "pre", "hr", "div", "body", "main", "section", "article", "aside"}
_BLOCKS |= {"ol", "ul", "dl", "table", "figure", "figcaption", "blockquote", "details", "summary", "address"}
_BLOCKS |= {"header", "footer", "nav", "form", "fieldset"}
_DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.IGNORECASE)


def _html(content: BinaryIO) -> Iterator[str]:
    from lxml import etree, html

    text = _decoded_html(*_read(content, MAX_HTML_BYTES))
    if not text.strip():
        return
    parser = html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    root = html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    title = " ".join((root.findtext(".//title") or "").split())
    yield _paragraphs("".join([title, "\n\n", *_html_text(etree.iterwalk(root, events=("start", "end")))]))


def _decoded_html(data: bytes, whole: bool) -> str:
    """Decode a page by its byte order mark or its `<meta charset>`, else like any text."""
    declared = _DECLARED.search(data[:4096])
    if declared and not data.startswith(tuple(mark for mark, _ in _MARKS)):
        try:
            return codecs.getincrementaldecoder(declared[1].decode("ascii"))().decode(data, whole).replace("\0", "")
        except (LookupError, TypeError, ValueError):
            pass  # the declaration is wrong
    return _decoded(data, whole)


def _html_text(walk: Any) -> Iterator[str]:
    """Yield the text of a page's nodes in order; `walk` is lxml's iterator over starts and ends."""
    kept = 0  # open <pre> elements, whose spaces are kept
    for event, node in walk:
        name, begins = node.tag, event == "start"
        if name == "pre":
            kept += 1 if begins else -1
        yield "\n\n" if name in _BLOCKS else "\n" if begins and name in _LINES else ""
        if not begins:
            yield _spaced(node.tail, kept)
            continue
        if name in _SILENT:
            walk.skip_subtree()
            continue
        if name in ("td", "th") and node.getprevious() is not None:
            yield " | "
        elif len(name) == 2 and name[0] == "h" and name[1] in "123456":
            yield "#" * int(name[1]) + " "
        yield _spaced(node.text, kept)


def _spaced(text: str | None, kept: int) -> str:
    """Return text with single spaces, as a browser shows it outside `<pre>`."""
    if not text or kept:
        return text or ""
    return re.sub(r"[ \t\n\r\f]+", " ", text)


# -- Word -------------------------------------------------------------------------------------------------------

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"  # repeats the text of its choice
_HEADING = re.compile(r"[Hh]eading ?([1-6])")


def _docx(content: BinaryIO) -> Iterator[str]:
    from docx import Document
    from lxml import etree

    if not hasattr(content, "seekable"):  # a SpooledTemporaryFile of Python 3.10
        content = io.BytesIO(content.read())
    with zipfile.ZipFile(content) as packed:
        _check_parts(packed.infolist())
    content.seek(0)
    body = Document(content).element.body
    yield _paragraphs("".join(_docx_text(etree.iterwalk(body, events=("start", "end")))))


def _check_parts(parts: list[zipfile.ZipInfo]) -> None:
    """Reject a document that is too large unpacked. No more than the declared sizes is ever unpacked."""
    size, packed = sum(part.file_size for part in parts), sum(part.compress_size for part in parts)
    xml = sum(part.file_size for part in parts if part.filename.lower().endswith((".xml", ".rels")))
    if len(parts) > MAX_PARTS or size > MAX_PARTS_BYTES or xml > MAX_XML_BYTES:
        raise _invalid("The Word document is too large when unpacked.")
    if size > RATIO_FREE_BYTES and size > MAX_RATIO * max(packed, 1):
        raise _invalid("The Word document is compressed too much to be a real one.")
    if any(part.flag_bits & 0x1 for part in parts):
        raise _invalid("The Word document is encrypted. Save it without a password and upload it again.")


def _docx_text(walk: Any) -> Iterator[str]:
    """Yield the text of a document's body in order: paragraphs, and tables with a line for each row."""
    cells = 0  # open table cells, in which a paragraph does not end a line
    for event, node in walk:
        name, begins = str(node.tag).removeprefix(_W), event == "start"
        if name == "tc":
            cells += 1 if begins else -1
            yield " | " if begins and node.getprevious() is not None and node.getprevious().tag == node.tag else ""
        elif name == "p":
            yield " " if cells else "\n\n"
            yield _heading(node) if begins and not cells else ""
        elif name == "tbl":
            yield " " if cells else "\n\n"
        elif name == "tr":
            yield " " if cells else "\n" if begins else ""
        elif begins:
            if name in ("pPr", "moveFrom", _FALLBACK):
                walk.skip_subtree()
            yield _run(name, node.text)


def _run(name: str, text: str | None) -> str:
    if name == "t":
        return text or ""
    return {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}.get(name, "")


def _heading(paragraph: Any) -> str:
    """Return the Markdown prefix of a paragraph in one of Word's heading styles, or ""."""
    style = paragraph.find(f"{_W}pPr/{_W}pStyle")
    level = _HEADING.fullmatch(style.get(f"{_W}val", "")) if style is not None else None
    return "#" * int(level[1]) + " " if level else ""


# -- PDF --------------------------------------------------------------------------------------------------------


def _pdf(content: BinaryIO) -> Iterator[str]:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError

    _silence_pypdf()
    until = time.monotonic() + MAX_PDF_SECONDS
    try:
        for page in PdfReader(content).pages:
            drawn = page.get_contents()
            if drawn is not None and len(drawn.get_data()) > MAX_PAGE_BYTES:
                raise _invalid("The PDF has a page that is too large to read.")
            yield page.extract_text() + "\n\n"
            if time.monotonic() > until:
                raise _invalid("The PDF takes too long to read.")
    except (DependencyError, FileNotDecryptedError):
        raise _invalid("The PDF is encrypted. Save it without a password and upload it again.") from None


def _silence_pypdf() -> None:
    """Keep pypdf's warnings about uploaded files out of the app's log, unless the app has set its level."""
    log = logging.getLogger("pypdf")
    if log.level == logging.NOTSET:
        log.setLevel(logging.CRITICAL)


_READERS: dict[str, Callable[[BinaryIO], Iterator[str]]] = {"html": _html, "htm": _html, "docx": _docx, "pdf": _pdf}
