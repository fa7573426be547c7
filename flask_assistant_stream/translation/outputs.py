"""The output items of an upstream response, each built from pieces that may overlap, repeat or be missing.

An output writes itself to a `RunWriter` and returns its input item for the next request. It does not know the other
outputs. The reading rules are in spec/servers.md#reading.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..protocol.deltas import GrowingText
from ..protocol.events import REASONING_DELTA
from ..protocol.text import mend
from ..protocol.writer import RunWriter
from .citations import Cited, Marker, Path, Picture, identity, position, translate_annotation, write
from .coerce import check_count, content_of, objects_of, text_of

Item = dict[str, Any]

PHASES = ("commentary", "final_answer")


class Output(ABC):
    """An output item.

    Attributes:
        kind: the upstream `type` of the item.
        lingers: it stays open after its end until another output opens (spec/servers.md#late-message-end).
        id, index: of the upstream. Either may be missing.
        ordinal: its position in the response.
        done: the upstream has ended it.
    """

    kind: ClassVar[str]
    lingers: ClassVar[bool] = False

    def __init__(self, id: str | None, index: int | None, ordinal: int) -> None:
        self.id = id
        self.index = index
        self.ordinal = ordinal
        self.done = False

    def begin(self, item: Item) -> None:
        """Take the copy in `output_item.added`, which may be incomplete."""
        self.take(item)

    @abstractmethod
    def take(self, item: Item) -> None:
        """Take the copy in `output_item.done`."""

    def supplement(self, item: Item) -> None:
        """Take what is missing from the copy in the terminal item (spec/servers.md#terminal-output)."""
        self.take(item)

    @property
    def waiting(self) -> bool:
        """Whether there is something to write."""
        return False

    def open(self, writer: RunWriter) -> None:
        """Open a step for it. The caller checks `waiting` first."""
        raise NotImplementedError

    def show(self, writer: RunWriter) -> None:
        """Write what has arrived."""
        raise NotImplementedError

    def replay(self) -> Item | None:
        """Return its input item for the next request, or None."""
        return None


@dataclass(slots=True, eq=False)
class Part:
    """One content part of an upstream message: `text` or `refusal`.

    Attributes:
        slot: its index in the open message, or None.
        base: length of its text in earlier messages.
    """

    kind: str
    index: int | None
    pieces: list[str] = field(default_factory=list)
    cited: set[str] = field(default_factory=set)
    slot: int | None = None
    base: int = 0

    @property
    def size(self) -> int:
        """The length of the pieces so far."""
        return sum(map(len, self.pieces))

    @property
    def text(self) -> str:
        """The text so far, without markers."""
        if len(self.pieces) > 1:
            self.pieces[:] = ["".join(self.pieces)]
        return mend("".join(self.pieces))


class AssistantMessage(Output):
    """An assistant message. Content after the end of its step opens another one."""

    kind = "message"
    lingers = True

    def __init__(self, id: str | None, index: int | None, ordinal: int, *, citations: bool = True) -> None:
        super().__init__(id, index, ordinal)
        self.parts: list[Part] = []
        self.phase: str | None = None
        self._citations = citations
        self._cited = 0
        self._waiting: list[tuple[Part, str | Cited]] = []

    @property
    def waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def text(self) -> str:
        """The whole text of the model, refusals included."""
        return "\n".join(part.text for part in self.parts if part.pieces)

    def part(self, kind: str, index: int | None) -> Part:
        """Return a part, a new one if needed. Servers without a content index have one of each kind."""
        fitting = [part for part in self.parts if part.kind == kind]
        for part in fitting:
            if part.index == index:
                return part
        if fitting and index is None:
            return fitting[-1]
        for part in fitting:
            if part.index is None:
                return part
        check_count(len(self.parts) + 1, "parts of a message")
        self.parts.append(Part(kind, index))
        return self.parts[-1]

    def add(self, part: Part, piece: str) -> None:
        """Append streamed text to a part."""
        if piece:
            part.pieces.append(piece)
            self._waiting.append((part, piece))

    def cite(self, part: Part, note: Any) -> None:
        """Add an annotation after the text so far, once (spec/responses.md#citations)."""
        if not isinstance(note, dict) or part.kind != "text" or identity(note) in part.cited:
            return
        citation = translate_annotation(note, self.ordinal if self.index is None else self.index, self._cited)
        if isinstance(citation, Picture) or (citation is not None and self._citations):
            check_count(len(part.cited) + 1, "annotations of a text")
            part.cited.add(identity(note))
            self._cited += isinstance(citation, (Marker, Path))
            self._waiting.append((part, citation))

    def complete(self, part: Part, full: Any, notes: Any = ()) -> None:
        """Add the rest of a `done` text. On a contradiction the deltas win (spec/servers.md#text-from-done-events)."""
        full = mend(content_of(full, "a text"))
        fits = part.size <= 2 * len(full) and full.startswith(part.text)  # halves of characters count twice
        tail_from = len(part.text) if fits else len(full)
        for note in sorted(objects_of(notes), key=position):
            at = min(max(position(note), tail_from), len(full))
            self.add(part, full[tail_from:at])
            tail_from = at
            self.cite(part, note)
        self.add(part, full[tail_from:])

    def begin(self, item: Item) -> None:
        """Take the phase. A message that is added again continues (spec/servers.md#lazy-messages)."""
        self.done = False
        if item.get("phase") in PHASES:
            self.phase = item["phase"]

    def take(self, item: Item) -> None:
        if item.get("phase") in PHASES:
            self.phase = item["phase"]
        content = item.get("content")
        for index, part in enumerate(content if isinstance(content, list) else [content]):
            if isinstance(part, dict):
                self.take_part(index, part)
            elif content_of(part, "a part of a message"):
                self.complete(self.part("text", index), part)

    def take_part(self, index: int | None, content: Item) -> None:
        """Take a complete content part. Parts of other types, such as `reasoning_text`, are skipped."""
        kind, text, notes = content.get("type"), content.get("text"), content.get("annotations")
        if kind == "output_text" and (content_of(text, "a text") or notes):
            self.complete(self.part("text", index), text, notes)
        elif kind == "refusal" and (refusal := content_of(content.get("refusal"), "a text")):
            self.complete(self.part("refusal", index), refusal)

    def open(self, writer: RunWriter) -> None:
        writer.open_message(self.phase)
        for part in self.parts:
            part.slot, part.base = None, len(part.text)
        for part, what in self._waiting:
            part.base -= len(what) if isinstance(what, str) else 0

    def show(self, writer: RunWriter) -> None:
        waiting, self._waiting = self._waiting, []
        for part, what in waiting:
            if part.slot is None:
                part.slot = writer.open_part(part.kind)
            if isinstance(what, str):
                writer.add_text(part.slot, what)
            else:
                write(what, writer, part.slot, part.base)

    def replay(self) -> Item | None:
        """Return it with string content: a list needs fields that not every server sends."""
        if not self.text:
            return None
        phase = {"phase": self.phase} if self.phase else {}
        return {"type": "message", "role": "assistant", "content": self.text, **phase}


class Reasoning(Output):
    """Reasoning: encrypted content is replayed, the summary is shown (spec/responses.md#reasoning-items)."""

    kind = "reasoning"

    def __init__(self, id: str | None, index: int | None, ordinal: int, *, shown: bool = False) -> None:
        super().__init__(id, index, ordinal)
        self._shown = shown
        self._item: Item | None = None
        self._parts: dict[int, GrowingText] = {}
        self._number: int | None = None
        self._last: GrowingText | None = None

    def supplement(self, item: Item) -> None:
        """Take nothing: at some servers the terminal copy looks like a message."""

    def take(self, item: Item) -> None:
        """Keep a copy for the replay. The `added` copy may hold less than the `done` one."""
        id, content = text_of(item.get("id")), text_of(item.get("encrypted_content"))
        if id and content:
            summary = [{"type": "summary_text", "text": text} for text in _summary(item)]
            self._item = {"type": "reasoning", "id": id, "summary": summary, "encrypted_content": content}

    def write_summary(self, writer: RunWriter, item: Item) -> None:
        """Write the rest of the summary in a copy."""
        for number, text in enumerate(_summary(item)):
            self.write_piece(writer, number, text, whole=True)

    def write_piece(self, writer: RunWriter, number: Any, text: Any, *, whole: bool = False) -> None:
        """Write a piece of a summary part, or the rest of the whole part. It needs no step, so it never waits."""
        if not self._shown:
            return
        number = number if isinstance(number, int) else max(self._parts, default=0)
        check_count(len(self._parts), "parts of a summary")
        part = self._parts.setdefault(number, GrowingText())
        text = content_of(text, "a summary of its reasoning")
        new = part.complete(text) if whole else part.add(text)
        if not new:
            return
        if self._number is None:
            self._number, writer.thoughts = writer.thoughts, writer.thoughts + 1
        pause = "\n\n" if self._last not in (None, part) else ""
        self._last = part
        data = {"id": writer.run["id"], "object": REASONING_DELTA, "item": self._number, "delta": pause + new}
        writer.emit(REASONING_DELTA, data)

    def replay(self) -> Item | None:
        return self._item


def _summary(item: Item) -> list[str]:
    return [mend(part["text"]) for part in objects_of(item.get("summary")) if isinstance(part.get("text"), str)]
