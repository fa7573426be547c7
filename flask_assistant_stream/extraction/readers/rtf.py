"""Rich Text Format: visible text with footnotes, headers, comments and text boxes."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from .base import Notes, paragraphs
from .plain import read_bytes

MAX_RTF_BYTES = 64 * 1024 * 1024
"""Maximum that is read of a file: pictures are inside it."""
TOKENS = 10_000
"""Tokens after which text is passed on."""

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,9})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|([^\\{}\r\n]+)|[\r\n\\]", re.DOTALL
)
_DESTINATIONS = """
aftnsep aftnsepc bkmkend bkmkstart colorschememapping colortbl datafield datastore do docvar fchars ffdeftext
ffexitmcr ffformat ffhelptext ffl ffname ffstattext filetbl fldinst fonttbl ftnsep ftnsepc generator gridtbl htmltag
info latentstyles lchars levelnumbers leveltext listlevel listname listoverridetable liststylename listtable mmathPr
nonshppict objclass objdata objname passwordhash pgptbl pict picprop revtbl rsidtbl rxe sn sp stylesheet sv tc
template themedata upr userprops wgrffmtfilter xe xmlattrname xmlattrvalue xmlnstbl
"""
_SKIPPED = set(_DESTINATIONS.split())
"""Destinations without visible text. Those marked with `*` are skipped too, unless they are in `_SHOWN`."""
_SHOWN = {"annotation", "shptxt", "ud"}
_LINES = {"par": "\n", "line": "\n", "row": "\n", "nestrow": "\n", "sect": "\n\n", "page": "\n\n", "column": "\n"}
_CELLS = {"cell": " | ", "nestcell": " | "}
_NOTES = dict.fromkeys(("footnote", "header", "headerl", "headerr", "headerf", "footer", "annotation"), "\n\n")
_NOTES |= dict.fromkeys(("footerl", "footerr", "footerf", "shptxt"), "\n\n")
_CHARACTERS = {"tab": "\t", "emdash": "—", "endash": "–", "bullet": "•", "lquote": "‘", "rquote": "’"}
_CHARACTERS |= {"ldblquote": "“", "rdblquote": "”", "emspace": " ", "enspace": " ", "qmspace": " "}
_WORDS = {**_LINES, **_CELLS, **_NOTES, **_CHARACTERS}
_SYMBOLS = {b"~": " ", b"_": "-", b"\n": "\n", b"\r": "\n", b"{": "{", b"}": "}", b"\\": "\\"}
_CHARSETS = {77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "big5hkscs", 161: "cp1253"}
_CHARSETS |= {162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874"}
_CHARSETS |= {238: "cp1250", 254: "cp437", 255: "cp850"}
_SETS = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}


@dataclass(frozen=True, slots=True)
class _Group:
    """What a closing brace restores.

    Attributes:
        skipped: whether the text is not shown.
        codec: of bytes; "" is that of the default font.
        replaced: bytes that follow a `\\u` in its place, for old programs.
        fonts: whether the group is in the table of fonts.
    """

    skipped: bool = False
    codec: str = ""
    replaced: int = 1
    fonts: bool = False


def read_rtf(content: BinaryIO, notes: Notes) -> Iterator[str]:
    """Yield the text of a file."""
    data, _ = read_bytes(content, MAX_RTF_BYTES, notes)
    begin = data.find(b"{\\rtf", 0, 1024)
    if begin < 0:
        raise ValueError("not RTF")
    yield from paragraphs(_Rtf(data, begin).pieces())


class _Rtf:
    """Reads tokens; only `pieces` is called, once."""

    def __init__(self, data: bytes, begin: int) -> None:
        self._data = data
        self._place = begin
        self._document_codec = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = 0  # the one that is described
        self._default_font = 0
        self._group = _Group()
        self._groups: list[_Group] = []
        self._starred = False
        self._left = 0  # of the bytes in place of a `\u`
        self._text: list[str] = []
        self._bytes = bytearray()

    def pieces(self) -> Iterator[str]:
        count = 0
        while token := _TOKEN.match(self._data, self._place):
            self._place = token.end()
            self._read(token)
            count += 1
            if count % TOKENS == 0:
                yield self._taken()
            if not self._groups and token[5] == b"}":
                break  # what follows is not part of the document
        self._flush()
        yield self._taken()
        if self._groups:
            raise ValueError("the file ends within a group")

    def _taken(self) -> str:
        text = "".join(self._text)
        self._text.clear()
        return text

    def _read(self, token: re.Match[bytes]) -> None:
        word, argument, code, symbol, brace, plain = token.groups()
        if code is not None:
            self._show_bytes(bytes.fromhex(code.decode("ascii")))
        elif plain is not None:
            self._show_bytes(plain)
        elif brace == b"{":
            self._flush()
            self._groups.append(self._group)
        elif brace == b"}":
            self._flush()
            self._group = self._groups.pop() if self._groups else _Group()
            self._left = 0
        elif symbol == b"*":
            self._starred = True
        elif symbol is not None:
            self._show(_SYMBOLS.get(symbol, ""))
        elif word is not None:
            self._control(word.decode("ascii"), int(argument) if argument else None)

    def _show_bytes(self, data: bytes) -> None:
        skipped = min(self._left, len(data))
        self._left -= skipped
        if not self._group.skipped:
            self._bytes += data[skipped:]

    def _show(self, text: str) -> None:
        self._flush()
        if not self._group.skipped:
            self._text.append(text)

    def _flush(self) -> None:
        if self._bytes:
            codec = self._group.codec or self._codec_of(self._default_font)
            self._text.append(self._bytes.decode(codec, "replace"))
            self._bytes.clear()

    def _control(self, word: str, number: int | None) -> None:
        starred, self._starred = self._starred, False
        if word == "bin":
            self._place += max(number or 0, 0)
        elif word == "u" and number is not None:
            self._show(chr(number % 0x10000))
            self._left = self._group.replaced
        elif word == "uc":
            self._group = replace(self._group, replaced=max(number or 0, 0))
        elif word in ("ansicpg", *_SETS):
            self._document_codec = _SETS.get(word) or _known(f"cp{number}")
        elif word == "deff":
            self._default_font = number or 0
        elif word in ("f", "fcharset", "cpg", "plain"):
            self._set_font(word, number or 0)
        elif word in _SHOWN:
            self._group = replace(self._group, skipped=False)
        elif starred or word in _SKIPPED:
            self._flush()
            self._group = replace(self._group, skipped=True, fonts=word == "fonttbl")
        elif word == "deleted":
            self._flush()
            self._group = replace(self._group, skipped=number != 0)
        if word in _WORDS:
            self._show(_WORDS[word])

    def _codec_of(self, font: int) -> str:
        return self._fonts.get(font, self._document_codec)

    def _set_font(self, word: str, number: int) -> None:
        if not self._group.fonts:
            self._flush()
            if word in ("f", "plain"):
                self._group = replace(self._group, codec=self._codec_of(number) if word == "f" else "")
        elif word == "f":
            self._font = number
        elif word == "fcharset" and number in _CHARSETS:
            self._fonts[self._font] = _CHARSETS[number]
        elif word == "cpg" and number:
            self._fonts[self._font] = _known(f"cp{number}")


def _known(codec: str) -> str:
    """Return a codec's name, or that of Windows-1252 if there is no such codec."""
    codec = {"cp65001": "utf-8", "cp936": "gb18030", "cp950": "big5hkscs", "cp10000": "mac_roman"}.get(codec, codec)
    try:
        return codecs.lookup(codec).name
    except LookupError:
        return "cp1252"
