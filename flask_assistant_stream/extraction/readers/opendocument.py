"""OpenDocument files: texts, spreadsheets and presentations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from .base import Notes, invalid, paragraphs
from .package import ENCRYPTED, Package

_SKIPPED = {
    "tracked-changes",
    "styles",
    "automatic-styles",
    "forms",
    "scripts",
    "font-face-decls",
    "meta",
    "binary-data",
}
_SKIPPED |= {"note-citation"}
"""Elements without visible text; `tracked-changes` has what was deleted."""
_MARKS = {"tab": "\t", "line-break": "\n"}
_CELLS = {"table-cell", "covered-table-cell"}
_VALUES = ("string-value", "date-value", "time-value", "boolean-value", "value")
"""Attributes with the value of a cell; programs that write files may leave out its text."""
_PARAGRAPHS = {"p", "h"}
_HEADERS = {f"{place}{kind}" for place in ("header", "footer") for kind in ("", "-left", "-first")}


def read_odf(content: BinaryIO, notes: Notes) -> Iterator[str]:
    """Yield the text of an OpenDocument file: its content, then its headers and footers."""
    package = Package(content, notes)
    if "META-INF/manifest.xml" in package and b"encryption-data" in package.whole("META-INF/manifest.xml"):
        raise invalid(ENCRYPTED)
    if "content.xml" not in package:
        raise ValueError("no content")
    if any(name.endswith("/content.xml") for name in package.names("")):
        notes.add("Embedded files are not read.")
    yield from paragraphs(_parts(package))


def _parts(package: Package) -> Iterator[str]:
    yield from package.walk("content.xml", _Content())
    if "styles.xml" in package:
        yield "\n\n"
        yield from package.walk_optional("styles.xml", _Content(within=_HEADERS))


class _Content:
    """Takes the text of paragraphs, and of tables with a line for each row.

    Args:
        within: only inside elements of these names; by default everywhere.
    """

    def __init__(self, within: set[str] | None = None) -> None:
        self._text: list[str] = []
        self._within = within
        self._inside = 0
        self._skipped = 0  # open elements from a skipped one on
        self._paragraphs = 0
        self._rows: list[bool] = []  # whether each open row has text
        self._cells = 0
        self._bar = False  # before the text of this cell
        self._value = ""  # of this cell, as long as it has no text

    def taken(self) -> str:
        """Return the text since the last call."""
        text = "".join(self._text)
        self._text.clear()
        return text

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self._within and name in self._within:
            self._inside += 1
        if self._skipped or (name in _SKIPPED and not self._within):
            self._skipped += 1
        elif name in _PARAGRAPHS:
            self._paragraphs += 1
            self._text.append(" " if self._cells else "\n\n")
            level = attributes.get("outline-level", "") if name == "h" else ""
            self._text.append("#" * int(level) + " " if level in tuple("123456") and not self._cells else "")
        elif name == "table-row":
            self._text.append(" " if self._cells else "\n")
            self._rows.append(False)
        elif name in _CELLS and self._rows:
            self._bar = self._rows[-1]
            self._cells += 1
            self._value = next((attributes[each] for each in _VALUES if each in attributes), "")
        elif name == "s":
            self._text.append(" ")
        elif name in ("title", "desc"):
            self._paragraphs += 1
        else:
            self._text.append(_MARKS.get(name, ""))

    def end(self, name: str) -> None:
        if self._within and name in self._within:
            self._inside -= 1
        if self._skipped:
            self._skipped -= 1
        elif name in _PARAGRAPHS:
            self._paragraphs -= 1
            self._text.append(" " if self._cells else "\n\n")
        elif name == "table-row" and self._rows:
            self._rows.pop()
        elif name in _CELLS and self._cells:
            self._take(self._value)
            self._cells -= 1
        elif name in ("title", "desc"):
            self._paragraphs -= 1
            self._text.append(" ")

    def data(self, text: str) -> None:
        if self._paragraphs and not self._skipped and (self._inside or self._within is None):
            self._take(text)

    def _take(self, text: str) -> None:
        if self._rows and text:
            self._text.append(" | " if self._bar else "")
            self._bar, self._rows[-1], self._value = False, True, ""
        self._text.append(text)
