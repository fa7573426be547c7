"""One content part of the open message: its text so far and its annotations."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import objects
from .events import dump
from .objects import Object
from .text import MARKER_BEGIN

MESSAGE_DELTA = "thread.message.delta"
FIRST_TEXT_END = b',"annotations":[]}}]}}'
TEXT_END = b"}}]}}"
"""The bytes after the JSON string of a text delta. The first delta of a part has empty annotations."""


@dataclass(slots=True)
class ContentPart:
    """One content part of the open message. `head` and `tail` enclose the JSON string of a text delta.

    `pieces` of an image are its file id.
    """

    kind: str
    head: bytes
    tail: bytes = FIRST_TEXT_END
    pieces: list[str] = field(default_factory=list)
    half: str = ""
    annotations: list[Object] = field(default_factory=list)
    links: list[Object] = field(default_factory=list)
    _counted: int = 0
    _length: int = 0

    @property
    def length(self) -> int:
        """Length in code points."""
        self._length += sum(map(len, self.pieces[self._counted :]))
        self._counted = len(self.pieces)
        return self._length

    def place(self, offset: int, *, begins: bool) -> int:
        """Return the position of an offset of the text without markers.

        A marker at the offset comes before a span that begins there.
        """
        shift = 0
        for note in self.annotations:
            if not note["text"].startswith(MARKER_BEGIN):  # the model's own text, not an added marker
                continue
            at = note["start_index"] - shift
            if at < offset or (begins and at == offset):
                shift += note["end_index"] - note["start_index"]
        return min(max(offset, 0) + shift, self.length)

    def content(self) -> Object:
        """Return the part as the closed message has it."""
        value = "".join(self.pieces)
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": value}
        if self.kind == "image_file":
            return {"type": "image_file", "image_file": {"file_id": value}}
        return objects.text_part(value, self.annotations, self.links)


def text_head(message_id: str, index: int) -> bytes:
    """Return the bytes before the JSON string of a text delta."""
    shape = {"id": message_id, "object": MESSAGE_DELTA, "delta": {"content": [{"index": index, "type": "text"}]}}
    return dump(shape)[: -len(b"}]}}")] + b',"text":{"value":'
