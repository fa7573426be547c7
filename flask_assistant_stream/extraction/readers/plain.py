"""Plain text, and JSON and XML, whose characters may be written as escapes."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from .base import Notes
from .decoding import decoded, marked

MAX_TEXT_BYTES = 20_000_000
"""Maximum that is read of a file: four bytes for each character that is kept."""

MANY_PIECES = 10_000

_LABEL = re.compile(rb"<\?xml[^>]{0,200}?\sencoding\s*=\s*[\"']([A-Za-z0-9_:.-]+)")
_WIDE_STARTS = {b"<\0?\0": "utf-16le", b"\0<\0?": "utf-16be"}

_ESCAPE = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.S)
_SIMPLE = {"n": "\n", "r": "\n", "t": "\t", "b": " ", "f": " ", "/": "/"}
_NOT_JSON = re.compile(r"[^\s{}\[\]:,\d.+\-eEtrufalsnNIiy]")
_WRONG_ESCAPE = re.compile(r'\\(?:\\\\|[^"\\/bfnrtu]|u(?![0-9a-fA-F]{4}))')

_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_MARKUP = {"&lt;", "&gt;", "&amp;", "&quot;", "&apos;"}


def read_plain(content: BinaryIO, notes: Notes) -> Iterator[str]:
    """Yield the text of a file that is text already."""
    data, whole = read_bytes(content, MAX_TEXT_BYTES, notes)
    yield from decoded(data, notes, whole=whole)


def read_bytes(content: BinaryIO, limit: int, notes: Notes) -> tuple[bytes, bool]:
    """Return the bytes up to a limit, and whether they are complete; if not, they may end within a character."""
    data = content.read(limit + 1)
    if len(data) <= limit:
        return data, True
    notes.add(f"The file is longer than {limit:,} bytes; the rest is missing.")
    return data[:limit], False


def read_json(content: BinaryIO, notes: Notes) -> Iterator[str]:
    r"""Yield JSON, or lines of JSON, with `\u00fc` as ü and `\n` as a line end; other text unchanged."""
    for line in io.StringIO("".join(read_plain(content, notes))):
        if "\\" in line and _is_json(line):
            yield from _without_escapes(line)
        else:
            yield line


def _without_escapes(text: str) -> Iterator[str]:
    pieces, place = list[str](), 0
    for escape in _ESCAPE.finditer(text):
        pieces += (text[place : escape.start()], _unescaped(escape))
        place = escape.end()
        if len(pieces) > MANY_PIECES:
            yield "".join(pieces)
            pieces.clear()
    yield "".join([*pieces, text[place:]])


def _is_json(text: str) -> bool:
    """Return whether a line consists of JSON's tokens, or `NaN`: enough to know that a backslash begins an escape."""
    bare = text.replace("\\\\", "")
    outside = "".join(bare.replace('\\"', "").split('"')[::2])
    return not _NOT_JSON.search(outside) and not _WRONG_ESCAPE.search(bare)


def _unescaped(match: re.Match[str]) -> str:
    high, low, unit, simple = match.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    if unit:
        character = chr(int(unit, 16))
        return character if character > "\x7f" or character.isalnum() or character in " -._'" else match[0]
    return _SIMPLE.get(simple, match[0])


def read_xml(content: BinaryIO, notes: Notes) -> Iterator[str]:
    """Yield XML with its markup, and with `&#252;` and `&uuml;` as ü."""
    data, whole = read_bytes(content, MAX_TEXT_BYTES, notes)
    text = "".join(decoded(data, notes, label=xml_label(data), whole=whole))
    yield _REFERENCE.sub(lambda match: match[0] if match[0] in _MARKUP else html.unescape(match[0]), text)


def xml_label(data: bytes) -> str:
    """Return the encoding that an XML declaration names or shows, or ""."""
    declared = _LABEL.match(data[:512].lstrip())
    wide = "" if marked(data) else _WIDE_STARTS.get(data[:4], "")
    return wide or (declared[1].decode("ascii") if declared else "")
