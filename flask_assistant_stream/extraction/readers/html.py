"""HTML: the text that a browser shows, read as a stream of tags, so that no page is too deep or too large."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from .base import PIECE_BYTES, Clock, Notes, paragraphs
from .decoding import decoded, marked
from .plain import read_bytes, xml_label

MAX_HTML_BYTES = 64 * 1024 * 1024
"""Maximum that is read of a page: pictures are often inside it."""
MAX_HTML_SECONDS = 30.0

_SILENT = {"iframe", "noscript", "script", "style", "template"}
_LINES = {"br", "caption", "dd", "dt", "li", "object", "option", "svg", "text", "tr"}
_BLOCKS = {"h1", "h2", "h3", "h4", "h5", "h6", "p", "pre", "hr", "div", "body", "main", "section", "article", "aside"}
_BLOCKS |= {"ol", "ul", "dl", "table", "figure", "figcaption", "blockquote", "details", "summary", "address", "title"}
_BLOCKS |= {"header", "footer", "nav", "form", "fieldset", "dialog", "center"}
_BREAKS = {**dict.fromkeys(_LINES, "\n"), **dict.fromkeys(_BLOCKS, "\n\n")}
_SHOWN_INPUTS = {"", "text", "search", "email", "tel", "url", "number", "date", "button", "submit", "reset"}
_HEAD_BYTES = 1 << 16
"""Where a page may declare its encoding. Browsers read on until they find it, too."""
_NOT_MARKUP = re.compile(rb"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1|\Z)", re.IGNORECASE | re.DOTALL)
_ATTRIBUTE = rb"""\s+[\w:-]{1,50}(?:\s*=\s*(?:"[^"]{0,1000}"|'[^']{0,1000}'|[^\s"'>]{1,1000}))?"""
_CHARSET = rb"""charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]+)"""
_DECLARED = re.compile(
    rb"<meta(?:%b){0,20}?\s+(?:%b|content\s*=\s*[\"']?\s*[\w/+.-]{1,50}\s*;\s*%b)" % (_ATTRIBUTE, _CHARSET, _CHARSET),
    re.IGNORECASE,
)
_OF_META = {"utf-16": "utf-8", "utf-16le": "utf-8", "utf-16be": "utf-8", "x-user-defined": "windows-1252"}
"""Labels that cannot be right where ASCII has been read, and what a browser uses."""
_SPACES = re.compile(r"[ \t\n\r\f]+")


def read_html(content: BinaryIO, notes: Notes) -> Iterator[str]:
    """Yield the title and the text of a page."""
    data, whole = read_bytes(content, MAX_HTML_BYTES, notes)
    text = decoded(data, notes, label=_label(data), whole=whole)
    yield from paragraphs(_shown(text, notes))


def html_text(data: bytes, notes: Notes, label: str = "") -> str:
    """Return the text of a page that is part of another file; `label` is the encoding that the file declares for it."""
    text = decoded(data[:MAX_HTML_BYTES], notes, label=label or _label(data))
    return "".join(paragraphs(_shown(text, notes)))


def _label(data: bytes) -> str:
    declared = None if marked(data) else _DECLARED.search(_NOT_MARKUP.sub(b"", data[:_HEAD_BYTES]))
    if declared is None:
        return xml_label(data)
    label = (declared[1] or declared[2]).decode("ascii").lower()
    return _OF_META.get(label, label)


def _shown(pieces: Iterator[str], notes: Notes) -> Iterator[str]:
    from lxml import etree

    page, clock = _ShownText(notes), Clock(MAX_HTML_SECONDS)
    parser = etree.HTMLParser(target=page, encoding="utf-8", no_network=True, huge_tree=True)
    for piece in pieces:
        data = piece.replace("\0", "").encode("utf-8", "replace")
        for start in range(0, len(data), PIECE_BYTES):
            parser.feed(data[start : start + PIECE_BYTES])
            yield page.taken()
            if clock.is_over():
                notes.add("The page takes too long to read; the rest is missing.")
                return
    parser.close()
    yield page.taken()


class _ShownText:
    """Collects the text between tags: the target of lxml's parser."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._text: list[str] = []
        self._silent = 0
        self._kept = 0  # open <pre> elements, whose line ends are kept
        self._cells: list[int] = []  # of each open row, or table without rows

    def taken(self) -> str:
        """Return the text since the last call."""
        text = "".join(self._text)
        self._text.clear()
        return text

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "iframe" and attributes.get("srcdoc"):
            self._notes.add("Pages inside frames are not read.")
        if name in _SILENT or self._silent:
            self._silent += name in _SILENT
            return
        self._text.append(_BREAKS.get(name, ""))
        if name == "pre":
            self._kept += 1
        elif name in ("table", "tr"):
            self._cells.append(0)
        elif name in ("td", "th") and self._cells:
            self._text.append(" | " if self._cells[-1] else "")
            self._cells[-1] += 1
        elif len(name) == 2 and name[0] == "h" and name[1] in "123456":
            self._text.append("#" * int(name[1]) + " ")
        elif name == "frame":
            self._notes.add("The page consists of frames; their pages are other files.")
        self._text.append(_of_attributes(name, attributes))

    def end(self, name: str) -> None:
        if self._silent:
            self._silent -= name in _SILENT
            return
        if name in _BLOCKS:
            self._text.append("\n\n")
        if name == "pre":
            self._kept = max(self._kept - 1, 0)
        elif name in ("table", "tr") and self._cells:
            self._cells.pop()

    def data(self, text: str) -> None:
        if not self._silent:
            self._text.append(text if self._kept else _SPACES.sub(" ", text))

    def comment(self, text: str) -> None:
        """Ignore a comment; one that is a CDATA section is text, as in XHTML and SVG."""
        if text.startswith("[CDATA["):
            self.data(text[len("[CDATA[") :].removesuffix("]]"))

    def pi(self, target: str, data: str | None = None) -> None:
        """Ignore a processing instruction."""

    def close(self) -> None:
        """Do nothing: the text has been taken."""


def _of_attributes(name: str, attributes: Mapping[str, str]) -> str:
    """Return the text that a browser shows in place of a picture or in a form's field."""
    if name in ("img", "area"):
        return f" {attributes.get('alt', '')} "
    if name == "input" and attributes.get("type", "").lower() in _SHOWN_INPUTS:
        return f" {attributes.get('value', '')} "
    return ""
