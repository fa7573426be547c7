"""Word documents: their paragraphs and tables."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from .base import invalid, paragraphs

MAX_PARTS = 10_000
MAX_PARTS_BYTES = 256 * 1024 * 1024
MAX_XML_BYTES = 16 * 1024 * 1024
MAX_RATIO = 200
RATIO_FREE_BYTES = 4 * 1024 * 1024
"""Limits of the unpacked parts of a Word document: their number, their size, the size of XML parts, and the ratio to
the packed size, which only counts above `RATIO_FREE_BYTES`."""

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"  # repeats the text of its choice
_HEADING = re.compile(r"[Hh]eading ?([1-6])")


def read_docx(content: BinaryIO) -> Iterator[str]:
    """Yield the text of a Word document."""
    from docx import Document
    from lxml import etree

    if not hasattr(content, "seekable"):  # a SpooledTemporaryFile of Python 3.10
        content = io.BytesIO(content.read())
    with zipfile.ZipFile(content) as packed:
        _check_parts(packed.infolist())
    content.seek(0)
    body = Document(content).element.body
    yield paragraphs("".join(_docx_text(etree.iterwalk(body, events=("start", "end")))))


def _check_parts(parts: list[zipfile.ZipInfo]) -> None:
    """Reject a document that is too large unpacked. No more than the declared sizes is ever unpacked."""
    size, packed = sum(part.file_size for part in parts), sum(part.compress_size for part in parts)
    xml = sum(part.file_size for part in parts if part.filename.lower().endswith((".xml", ".rels")))
    if len(parts) > MAX_PARTS or size > MAX_PARTS_BYTES or xml > MAX_XML_BYTES:
        raise invalid("The Word document is too large when unpacked.")
    if size > RATIO_FREE_BYTES and size > MAX_RATIO * max(packed, 1):
        raise invalid("The Word document is compressed too much to be a real one.")
    if any(part.flag_bits & 0x1 for part in parts):
        raise invalid("The Word document is encrypted. Save it without a password and upload it again.")


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
