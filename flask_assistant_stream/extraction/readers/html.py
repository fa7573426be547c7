"""HTML: the text that a browser shows."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from .base import paragraphs
from .plain import MARKS, decoded, read_bytes

MAX_HTML_BYTES = 8 * 1024 * 1024
"""Maximum that is read of a page; its tree needs a hundred times its bytes in memory."""

_SILENT = {"head", "iframe", "noscript", "object", "script", "style", "svg", "template"}
_LINES = {"br", "caption", "dd", "dt", "li", "option", "tr"}
_BLOCKS = {"h1", "h2", "h3", "h4", "h5", "h6", "p", "pre", "hr", "div", "body", "main", "section", "article", "aside"}
_BLOCKS |= {"ol", "ul", "dl", "table", "figure", "figcaption", "blockquote", "details", "summary", "address"}
_BLOCKS |= {"header", "footer", "nav", "form", "fieldset"}
_DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.IGNORECASE)


def read_html(content: BinaryIO) -> Iterator[str]:
    """Yield the title and the text of a page."""
    from lxml import etree, html

    text = _decoded_html(*read_bytes(content, MAX_HTML_BYTES))
    if not text.strip():
        return
    parser = html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    root = html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    title = " ".join((root.findtext(".//title") or "").split())
    yield paragraphs("".join([title, "\n\n", *_html_text(etree.iterwalk(root, events=("start", "end")))]))


def _decoded_html(data: bytes, whole: bool) -> str:
    """Decode a page by its byte order mark or its `<meta charset>`, else like any text."""
    declared = _DECLARED.search(data[:4096])
    if declared and not data.startswith(tuple(mark for mark, _ in MARKS)):
        try:
            return codecs.getincrementaldecoder(declared[1].decode("ascii"))().decode(data, whole).replace("\0", "")
        except (LookupError, TypeError, ValueError):
            pass  # the declaration is wrong
    return decoded(data, whole)


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
