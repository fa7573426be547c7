"""The annotations of an upstream as markers, links and images (spec/responses.md#citations)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..protocol.generated_files import GeneratedFile, is_image
from ..protocol.objects import Object
from ..protocol.text import MARKER_BEGIN, MARKER_END
from ..protocol.writer import RunWriter
from .coerce import text_of


@dataclass(frozen=True, slots=True)
class Marker:
    """A cited file: an annotation, and a marker in the text."""

    note: Object


@dataclass(frozen=True, slots=True)
class Path:
    """A generated file, as an annotation of the model's name for it, from `start` to `end` of the upstream's text."""

    note: Object
    file: GeneratedFile | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Link:
    """A cited web page. The Assistants API has no such annotation, so it has a key of its own."""

    url: str
    title: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A generated image: content of the message, not a citation."""

    file_id: str
    file: GeneratedFile | None


Cited = Marker | Path | Link | Picture

_PLAIN = str.maketrans(MARKER_BEGIN + MARKER_END, "[]")
"""The brackets of a marker cannot be in the name inside it: clients search for the first closing one."""


def translate_annotation(note: Object, output: int, number: int) -> Cited | None:
    """Translate a Responses annotation, or return None if it is unknown or incomplete.

    `output` and `number` make the marker unique in its message.
    """
    kind = note.get("type")
    if kind == "url_citation":
        url = text_of(note.get("url"))
        start, end = _offset(note.get("start_index")), _offset(note.get("end_index"))
        return Link(url, text_of(note.get("title")), start, end) if url else None
    file_id = text_of(note.get("file_id"))
    if not file_id:
        return None
    name = text_of(note.get("filename")) or file_id
    text = f"{MARKER_BEGIN}{output}:{number}†{name.translate(_PLAIN)}{MARKER_END}"
    if kind == "file_citation":
        return Marker({"type": kind, "text": text, kind: {"file_id": file_id}})
    if kind not in ("file_path", "container_file_citation"):
        return None
    container = text_of(note.get("container_id"))
    file = GeneratedFile(file_id, name, container_id=container, upstream_id=file_id) if container else None
    if is_image(name):
        return Picture(file_id, file)
    path = {"type": "file_path", "text": text, "file_path": {"file_id": file_id}}
    return Path(path, file, _offset(note.get("start_index")), _offset(note.get("end_index")))


def write(what: Cited, writer: RunWriter, slot: int, base: int) -> None:
    """Write it at the end of the text part `slot`, whose text begins at the upstream's offset `base`."""
    if isinstance(what, Link):
        link = {"type": "url_citation", "url": what.url, "title": what.title}
        writer.add_link(slot, link, what.start - base, what.end - base)
        return
    if isinstance(what, Marker):
        writer.add_citation(slot, what.note)
        return
    if isinstance(what, Picture):
        writer.add_image(what.file_id)
    else:
        writer.add_path(slot, what.note, what.start - base, what.end - base)
    if what.file is not None:
        writer.add_file(what.file)


def identity(note: Object) -> str:
    """Return a key that two copies of an annotation share."""
    return repr([note.get(key) for key in ("type", "file_id", "url", "index", "start_index", "end_index")])


def position(note: Object) -> int:
    """Return the offset in the upstream's text after which an annotation comes."""
    index = note.get("index")
    return index if isinstance(index, int) else _offset(note.get("end_index"))


def _offset(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
