"""Excel workbooks: a line for each row that has values; dates and percentages as Excel shows them.

Cells are read in the order of the file, and only those that it has: the size of a sheet's range costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import BinaryIO

from .base import Notes, paragraphs
from .package import Package
from .word import drawn_parts
from .xml_events import SilentWalker

MAX_SHARED_CHARS = 20_000_000
"""Maximum of the strings that cells refer to."""

MAX_DAYS = 2_958_466
"""Excel's last day, in the year 9999."""

_OTHER_PARTS = ("comments", "threadedComment", "drawing")
_OF_DRAWING = ("chart", "chartEx", "diagramData")
_DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
_PERCENTAGES = {9, 10}
_ELAPSED_HOURS = 46
"""Numbers of built-in formats."""
_ELAPSED = re.compile(r"\[([hms])+\]", re.IGNORECASE)
"""Marks the format of a duration, which may be longer than a day."""
_LITERALS = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.')


def read_xlsx(content: BinaryIO, notes: Notes) -> Iterator[str]:
    """Yield the text of a workbook, sheet by sheet."""
    yield from paragraphs(_workbook(Package(content, notes), notes))


def _workbook(package: Package, notes: Notes) -> Iterator[str]:
    main = package.main("xl/workbook.xml")
    book = _Book()
    for _ in package.walk(main, book):
        pass
    related = package.relationships(main)
    shared, formats = _Strings(notes), _Formats()
    for kind, walker in (("sharedStrings", shared), ("styles", formats)):
        for each in related:
            if each.kind == kind and each.target in package:
                package.visit(each.target, walker)
    targets = {each.id: each.target for each in related}
    for title, id in book.sheets:
        name = targets.get(id, "")
        yield f"\n\n## {title}\n\n"
        if not package.is_new(name):
            notes.add(f"The sheet {title} is missing.")
            continue
        yield from package.walk_optional(name, _Sheet(shared.texts, formats, from_1904=book.from_1904))
        yield from _drawings(package, name, notes)


def _drawings(package: Package, name: str, notes: Notes) -> Iterator[str]:
    """Yield the comments, text boxes and charts of a sheet."""
    for kind in _OTHER_PARTS:
        for text in drawn_parts(package, name, kind, notes):
            yield f"\n\n{text}"
    for each in package.relationships(name):
        if each.kind == "drawing":
            for kind in _OF_DRAWING:
                for text in drawn_parts(package, each.target, kind, notes):
                    yield f"\n\n{text}"


class _Book(SilentWalker):
    """Takes the names of the sheets, and from which year days are counted."""

    def __init__(self) -> None:
        self.sheets: list[tuple[str, str]] = []
        self.from_1904 = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sheet":
            self.sheets.append((attributes.get("name", ""), attributes.get("r:id", "")))
        elif name == "workbookPr":
            self.from_1904 = attributes.get("date1904") in ("1", "true")


class _Strings(SilentWalker):
    """Takes the strings that cells refer to by number."""

    def __init__(self, notes: Notes) -> None:
        self.texts: list[str] = []
        self._notes = notes
        self._parts: list[str] = []
        self._room = MAX_SHARED_CHARS
        self._in_text = self._phonetic = False

    def start(self, name: str, attributes: dict[str, str]) -> None:  # noqa: ARG002
        self._in_text = name == "t" and not self._phonetic
        if name == "si":
            self._parts.clear()
        elif name == "rPh":  # how to say the string, beside it
            self._phonetic = True

    def end(self, name: str) -> None:
        self._in_text = False
        if name == "rPh":
            self._phonetic = False
        elif name == "si":
            text = "".join(self._parts)
            self._room -= len(text)
            if self._room < 0:
                self._notes.add("The workbook has too many texts; some are missing.")
            self.texts.append(text if self._room >= 0 else "")

    def data(self, text: str) -> None:
        if self._in_text:
            self._parts.append(text)


class _Formats(SilentWalker):
    """Takes the number formats of cell styles."""

    def __init__(self) -> None:
        self._codes: dict[int, str] = {}
        self._of_style: list[int] = []
        self._in_styles = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "numFmt":
            self._codes[_number(attributes.get("numFmtId"))] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            self._in_styles = True
        elif name == "xf" and self._in_styles:
            self._of_style.append(_number(attributes.get("numFmtId")))

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self._in_styles = False

    def shown(self, value: str, style: str | None, *, from_1904: bool) -> str:
        """Return a number as its style shows it."""
        try:
            number = float(value)
        except ValueError:
            return value
        place = _number(style)
        format = self._of_style[place] if 0 <= place < len(self._of_style) else 0
        written = self._codes.get(format, "[h]" if format == _ELAPSED_HOURS else "")
        if (elapsed := _ELAPSED.search(written)) and 0 <= number < MAX_DAYS:
            return _duration(number, elapsed[1].lower())
        code = _LITERALS.sub("", written).lower()
        if format in _PERCENTAGES or "%" in code:
            return f"{number * 100:.10g}%"
        if format in _DATES or re.search("[dmyhs]", code.replace("general", "")):
            return _date(number, from_1904) or value
        return f"{number:.15g}" if abs(number) < 1e15 else value


def _duration(days: float, unit: str) -> str:
    """Return a time whose first part, hours, minutes or seconds, has no end."""
    seconds = round(days * 86_400)
    minutes, rest = divmod(seconds, 60)
    if unit == "h":
        return f"{minutes // 60}:{minutes % 60:02}" + (f":{rest:02}" if rest else "")
    return f"{minutes}:{rest:02}" if unit == "m" else str(seconds)


def _date(days: float, from_1904: bool) -> str:
    """Return a date, a time, or both; "" if it is none."""
    begin = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 31 if days < 60 else 30)  # Excel has 1900-02-29
    if not 0 <= days < MAX_DAYS:
        return ""
    try:
        moment = begin + timedelta(seconds=round(days * 86_400))
    except OverflowError:
        return ""
    date, time = moment.strftime("%Y-%m-%d"), moment.strftime("%H:%M:%S").removesuffix(":00")
    return time if days < 1 else date if time == "00:00" else f"{date} {time}"


class _Sheet(SilentWalker):
    """Takes the values of a sheet's cells; a formula without a stored value is shown itself."""

    def __init__(self, shared: list[str], formats: _Formats, *, from_1904: bool) -> None:
        self._shared = shared
        self._formats = formats
        self._from_1904 = from_1904
        self._text: list[str] = []
        self._cell: dict[str, str] = {}
        self._value: list[str] = []
        self._formula: list[str] = []
        self._into: list[str] | None = None
        self._begun = self._phonetic = False

    def taken(self) -> str:
        """Return the text since the last call."""
        text = "".join(self._text)
        self._text.clear()
        return text

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._cell = attributes
            self._value, self._formula = [], []
        elif name in ("v", "t"):
            self._into = None if self._phonetic else self._value
        elif name == "f":
            self._into = self._formula
        elif name == "rPh":
            self._phonetic = True

    def end(self, name: str) -> None:
        self._into = None
        if name == "c":
            if shown := self._shown():
                self._text.append(f" | {shown}" if self._begun else shown)
                self._begun = True
        elif name == "row":
            self._text.append("\n" if self._begun else "")
            self._begun = False
        elif name == "rPh":
            self._phonetic = False

    def data(self, text: str) -> None:
        if self._into is not None:
            self._into.append(text)

    def _shown(self) -> str:
        value, kind = "".join(self._value), self._cell.get("t", "n")
        if not value:
            return "=" + "".join(self._formula) if self._formula else ""
        if kind == "s":
            place = _number(value)
            return " ".join(self._shared[place].split()) if 0 <= place < len(self._shared) else ""
        if kind == "b":
            return "TRUE" if value == "1" else "FALSE"
        if kind == "n":
            return self._formats.shown(value, self._cell.get("s"), from_1904=self._from_1904)
        return " ".join(value.split())


def _number(text: str | None) -> int:
    """Return a number of at most nine digits, or 0 for anything else."""
    text = (text or "").strip()
    return int(text) if len(text) < 10 and text.isascii() and text.isdigit() else 0
