"""Word documents: body, notes, comments, headers and footers, text boxes, diagrams. Also the text of other drawings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from .base import Notes, paragraphs
from .html import html_text
from .package import Package, Relationship

_HEADING = re.compile(r"[Hh]eading ?([1-6])")
_SKIPPED = {"moveFrom", "Fallback", "pPr", "rPr", "sectPr", "tblPr", "trPr", "tcPr", "rt"}
"""Elements without text of their own. `Fallback` repeats the text of its choice, `rt` that of the ruby base."""
_MARKS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "den": "/"}
_TEXTS = {"t", "v", "text"}
_TITLES = {"title", "ctrTitle"}

_OTHER_PARTS = ("footnotes", "endnotes", "comments", "header", "footer", "diagramData", "chart", "chartEx", "aFChunk")
"""Kinds of parts with text, in the order in which they follow the body."""
_PAGES = (".html", ".htm", ".xhtml")


def read_docx(content: BinaryIO, notes: Notes) -> Iterator[str]:
    """Yield the text of a Word document."""
    yield from paragraphs(_document(Package(content, notes), notes))


def _document(package: Package, notes: Notes) -> Iterator[str]:
    main = package.main("word/document.xml")
    yield from package.walk(main, DrawnText())
    shown: set[str] = set()  # headers repeat each other
    for kind in _OTHER_PARTS:
        for text in drawn_parts(package, main, kind, notes):
            if text not in shown:
                shown.add(text)
                yield f"\n\n{text}"


def drawn_parts(package: Package, name: str, kind: str, notes: Notes) -> Iterator[str]:
    """Yield the text of each part of a kind that a part refers to and that was not read before."""
    for each in package.relationships(name):
        if each.kind in ("package", "oleObject"):
            notes.add("Embedded files are not read.")
        if each.kind == kind and package.is_new(each.target):
            yield _imported(package, each, notes) if kind == "aFChunk" else drawn_text(package, each.target)


def drawn_text(package: Package, name: str) -> str:
    """Return the text of a part of drawings or paragraphs."""
    return "".join(package.walk_optional(name, DrawnText()))


def _imported(package: Package, each: Relationship, notes: Notes) -> str:
    """Return the text of a document that Word shows inside this one."""
    if each.target.lower().endswith(_PAGES):
        return html_text(package.whole(each.target), notes)
    notes.add("Embedded files are not read.")
    return ""


class DrawnText:
    """Takes the text of WordprocessingML and DrawingML: paragraphs, and tables with a line for each row."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._skipped = 0  # open elements from a skipped one on
        self._in_text = 0
        self._rows: list[int] = []  # cells of each open row
        self._cells = 0  # open cells, in which a paragraph does not end a line
        self._heading = ""
        self._described = ""

    def taken(self) -> str:
        """Return the text since the last call."""
        text = "".join(self._text)
        self._text.clear()
        return text

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take marks, and prefixes of headings."""
        if self._skipped or name in _SKIPPED:
            self._skipped += 1
            if name == "pStyle" and not self._cells:
                level = _HEADING.fullmatch(attributes.get("val", ""))
                self._text.append("#" * int(level[1]) + " " if level else "")
        elif name in _TEXTS:
            self._in_text += 1
        elif name == "p":
            self._text.append(" " if self._cells else f"\n\n{self._heading}")
            self._heading = ""
        elif name == "ph":
            self._heading = "## " if attributes.get("type") in _TITLES else ""
        elif name in ("docPr", "cNvPr", "textpath"):
            self._describe(attributes.get("descr") or attributes.get("string", ""))
        elif name == "sym":
            self._text.append(_symbol(attributes.get("char", "")))
        else:
            self._text.append(_MARKS.get(name, ""))
            self._start_table(name)

    def _describe(self, description: str) -> None:
        if description and description != self._described:  # Word repeats it in an inner element
            self._described = description
            self._text.append(f" {description} ")

    def _start_table(self, name: str) -> None:
        if name == "tbl":
            self._text.append(" " if self._cells else "\n\n")
        elif name == "tr":
            self._text.append(" " if self._cells else "\n")
            self._rows.append(0)
        elif name == "tc" and self._rows:
            self._text.append(" | " if self._rows[-1] else "")
            self._rows[-1] += 1
            self._cells += 1

    def end(self, name: str) -> None:
        """End an element."""
        if self._skipped:
            self._skipped -= 1
        elif name in _TEXTS:
            self._in_text -= 1
            self._text.append(" " if name == "v" else "")
        elif name in ("p", "tbl"):
            self._text.append(" " if self._cells else "\n\n")
        elif name == "tr" and self._rows:
            self._rows.pop()
            self._text.append(" " if self._cells else "")
        elif name == "tc" and self._cells:
            self._cells -= 1

    def data(self, text: str) -> None:
        """Take text."""
        if self._in_text:
            self._text.append(text)


def _symbol(code: str) -> str:
    """Return the character of a symbol; those of symbol fonts have no Unicode character."""
    number = int(code, 16) if re.fullmatch("[0-9A-Fa-f]{1,6}", code) else 0
    return chr(number) if 0x20 <= number < 0xD800 else ""
