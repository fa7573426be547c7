"""Zip files of parts, which Office and OpenDocument files are: read part by part, within a limit of unpacked bytes.

Only parts with text are opened. A missing part, a reference to nothing or a huge picture therefore does no harm.
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, BinaryIO
from urllib.parse import unquote

from .base import PIECE_BYTES, Clock, Notes, invalid, seekable
from .xml_events import SilentWalker, XmlWalker, walked

MAX_PARTS = 10_000
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
"""Limits of a package: its parts, and the bytes that are unpacked in order to be read."""
MAX_RATIO = 200
RATIO_FREE_BYTES = 4 * 1024 * 1024
"""Limit of the ratio of a part to its packed size, for parts that are read and larger than `RATIO_FREE_BYTES`."""
MAX_SECONDS = 60.0

ENCRYPTED = "The document is encrypted. Save it without a password and upload it again."

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")


@dataclass(frozen=True, slots=True)
class Relationship:
    """A reference from a part.

    Attributes:
        id: name of the relationship in the part.
        kind: last segment of its type, such as `footnotes`.
        target: name of the other part.
    """

    id: str
    kind: str
    target: str


class Package:
    """The parts of a zip file.

    Args:
        content: the file.
        notes: receives what is not read.

    Raises:
        RequestError: the file is encrypted, of an old format, or has too many parts.
    """

    def __init__(self, content: BinaryIO, notes: Notes) -> None:
        content = seekable(content)
        _refuse_ole(content)
        self._notes = notes
        self._zip = zipfile.ZipFile(content)
        entries = self._zip.infolist()
        if len(entries) > MAX_PARTS:
            raise invalid("The document is too large when unpacked: it has too many parts.")
        if any(entry.flag_bits & 0x1 for entry in entries):
            raise invalid(ENCRYPTED)
        self._entries = {_key(entry.filename): entry for entry in entries}
        self._room = MAX_UNPACKED_BYTES
        self._clock = Clock(MAX_SECONDS)
        self._is_cut = False
        self._read: set[str] = set()
        self._related: dict[str, list[Relationship]] = {}

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._entries

    def names(self, prefix: str) -> list[str]:
        """Return the names of parts that begin with a prefix, shorter names first: `slide2` before `slide10`."""
        return sorted((name for name in self._entries if name.startswith(prefix)), key=lambda name: (len(name), name))

    def is_new(self, name: str) -> bool:
        """Return whether a part exists that this method has not been called for before."""
        key = _key(name)
        seen = key in self._read
        self._read.add(key)
        return not seen and key in self._entries

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield a part's bytes, to the end or to the limit, which a note then mentions."""
        entry = self._entries[_key(name)]
        if entry.file_size > RATIO_FREE_BYTES and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
            raise invalid("The document is compressed too much to be a real one.")
        with self._zip.open(entry) as part:
            yield from self._bounded(part)

    def whole(self, name: str) -> bytes:
        """Return a part's bytes."""
        return b"".join(self.pieces(name))

    def walk(self, name: str, walker: XmlWalker) -> Iterator[str]:
        """Yield what a walker takes from a part of XML, or from its beginning within the limit.

        Raises:
            ValueError: the XML is not well-formed.
        """
        try:
            yield from walked(self.pieces(name), walker)
        except ValueError:
            if not self._is_cut:
                raise

    def walk_optional(self, name: str, walker: XmlWalker) -> Iterator[str]:
        """Yield what a walker takes from a part that may be damaged without loss of the others."""
        try:
            yield from self.walk(name, walker)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error):
            self._notes.add("A part of the document is damaged and missing.")

    def visit(self, name: str, walker: SilentWalker) -> None:
        """Let a walker collect from a part that may be damaged without loss of the others."""
        for _ in self.walk_optional(name, walker):
            pass

    def relationships(self, name: str = "") -> list[Relationship]:
        """Return a part's references to other parts, by default the whole package's; [] if they cannot be read."""
        folder, base = posixpath.split(name)
        part = posixpath.join(folder, "_rels", f"{base}.rels")
        if part not in self:
            return []
        if part not in self._related:
            walker = _Relationships(folder)
            self.visit(part, walker)
            self._related[part] = walker.listed
        return self._related[part]

    def main(self, usual: str) -> str:
        """Return the name of the main part: of the package's relationship, else the usual one.

        Raises:
            ValueError: there is none.
        """
        named = [each.target for each in self.relationships() if each.kind == "officeDocument"]
        for name in (*named, usual):
            if name in self:
                return name
        raise ValueError("no main part")

    def _bounded(self, part: IO[bytes]) -> Iterator[bytes]:
        while piece := part.read(PIECE_BYTES):
            self._room -= len(piece)
            if self._room < 0 or self._clock.is_over():
                self._is_cut = True
                self._notes.add("The document is too large when unpacked; the rest is missing.")
                return
            yield piece


class _Relationships(SilentWalker):
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.listed: list[Relationship] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        target = attributes.get("Target", "")
        if name != "Relationship" or attributes.get("TargetMode") == "External" or not target or len(target) > 1000:
            return
        written = unquote(target.partition("#")[0]).replace("\\", "/")
        path = posixpath.normpath(posixpath.join("/", self._folder, written))
        kind = attributes.get("Type", "").rpartition("/")[2]
        self.listed.append(Relationship(attributes.get("Id", ""), kind, path.lstrip("/")))


def _key(name: str) -> str:
    """Return a part's name as they are compared: without case, and with `/` where some programs write a backslash."""
    return name.replace("\\", "/").lstrip("/").lower()


def _refuse_ole(content: BinaryIO) -> None:
    begin = content.read(len(_OLE))
    if begin == _OLE:
        if _ENCRYPTED_STREAM in content.read(1 << 24):
            raise invalid(ENCRYPTED)
        raise invalid("The file is of an old Office format. Save it as docx, pptx or xlsx and upload it again.")
    content.seek(0)
