"""What an upstream's annotations become: markers, links, pictures (`spec/responses.md#citations`)."""

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
    """A file that is cited: an annotation, and a marker in the text which stands for it."""

    note: Object


@dataclass(frozen=True, slots=True)
class Path:
    """A file that was made: an annotation like a marker's.

    Attributes:
        start, end: offsets in the upstream's text of what the model calls it.
    """

    note: Object
    file: GeneratedFile | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Link:
    """A web page that is cited: no annotation of the Assistants API, so it has a key of its own.

    Attributes:
        start, end: offsets in the upstream's text.
    """

    url: str
    title: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that was made: content of the message, not a citation."""

    file_id: str
    file: GeneratedFile | None


Cited = Marker | Path | Link | Picture


def cited(found: Object, output: int, number: int) -> Cited | None:
    """Translate a Responses annotation, or return None for one that is unknown or lacks what it needs.

    `output` and `number` make a marker unique in its message.
    """
    kind = found.get("type")
    if kind == "url_citation":
        url = text_of(found.get("url"))
        start, end = _offset(found.get("start_index")), _offset(found.get("end_index"))
        return Link(url, text_of(found.get("title")), start, end) if url else None
    file_id = text_of(found.get("file_id"))
    if not file_id:
        return None
    name = text_of(found.get("filename")) or file_id
    text = f"{MARKER_BEGIN}{output}:{number}†{name}{MARKER_END}"
    if kind == "file_citation":
        return Marker({"type": kind, "text": text, kind: {"file_id": file_id}})
    if kind not in ("file_path", "container_file_citation"):
        return None
    container = text_of(found.get("container_id"))
    file = GeneratedFile(file_id, name, container_id=container, upstream_id=file_id) if container else None
    if is_image(name):
        return Picture(file_id, file)
    note = {"type": "file_path", "text": text, "file_path": {"file_id": file_id}}
    return Path(note, file, _offset(found.get("start_index")), _offset(found.get("end_index")))


def write(what: Cited, writer: RunWriter, slot: int, base: int) -> None:
    """Write it at the end of the text part at `slot`, whose text begins at the upstream's offset `base`."""
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


def identity(found: Object) -> str:
    """Return what two copies of an annotation have in common."""
    return repr([found.get(key) for key in ("type", "file_id", "url", "index", "start_index", "end_index")])


def position(found: Object) -> int:
    """Return the offset in the upstream's text behind which an annotation stands."""
    index = found.get("index")
    return index if isinstance(index, int) else _offset(found.get("end_index"))


def _offset(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
