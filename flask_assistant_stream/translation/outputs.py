"""One upstream output item each, accumulated from pieces that may overlap, repeat or be missing.

See `spec/servers.md#reading`. An output knows how to show itself on a `RunWriter`, and as what it is
replayed upstream; it does not know the other outputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..protocol.deltas import GrowingText
from ..protocol.events import REASONING_DELTA
from ..protocol.text import mend
from ..protocol.writer import RunWriter
from .citations import Cited, Marker, Path, Picture, cited, identity, position, write
from .coerce import list_of, objects_of, text_of

Item = dict[str, Any]

PHASES = ("commentary", "final_answer")


class Output(ABC):
    """An output item.

    Attributes:
        kind: the upstream `type` of the item.
        lingers: stays open after its end, until another output wants to open (`spec/servers.md#late-message-end`).
        id, index: the upstream's, either may be missing.
        ordinal: its place among the outputs of its response.
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
        """Take what the copy in `output_item.added` says; it may be incomplete."""
        self.take(item)

    @abstractmethod
    def take(self, item: Item) -> None:
        """Take what the copy in `output_item.done` says."""

    def supplement(self, item: Item) -> None:
        """Take from the copy in the terminal item what nothing else said (`spec/servers.md#terminal-output`)."""
        self.take(item)

    @property
    def waiting(self) -> bool:
        """Whether there is something to show."""
        return False

    def open(self, writer: RunWriter) -> None:
        """Open a step for it; only called while it is waiting."""
        raise NotImplementedError

    def show(self, writer: RunWriter) -> None:
        """Write what is waiting."""
        raise NotImplementedError

    def replay(self) -> Item | None:
        """Return the input item that tells the upstream of it in the next request, or None."""
        return None


@dataclass(slots=True, eq=False)
class Part:
    """One content part of an upstream message: `text` or `refusal`.

    Attributes:
        slot: its index in the message that is open, or None.
        base: how much of its text earlier messages have shown.
    """

    kind: str
    index: int | None
    pieces: list[str] = field(default_factory=list)
    cited: set[str] = field(default_factory=set)
    slot: int | None = None
    base: int = 0

    @property
    def text(self) -> str:
        """What has arrived, without markers."""
        return mend("".join(self.pieces))


class AssistantMessage(Output):
    """An assistant message. Content that comes after its step was closed opens another one."""

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
        """Whether text or a citation has not been written yet."""
        return bool(self._waiting)

    @property
    def text(self) -> str:
        """All its text as the model wrote it, refusals included."""
        return "\n".join(part.text for part in self.parts if part.pieces)

    def part(self, kind: str, index: int | None) -> Part:
        """Find or make a part; servers without a content index have one of each kind."""
        fitting = [part for part in self.parts if part.kind == kind]
        for part in fitting:
            if part.index == index:
                return part
        if fitting and index is None:
            return fitting[-1]
        for part in fitting:
            if part.index is None:
                return part
        self.parts.append(Part(kind, index))
        return self.parts[-1]

    def add(self, part: Part, piece: str) -> None:
        """Append streamed text to a part."""
        if piece:
            part.pieces.append(piece)
            self._waiting.append((part, piece))

    def cite(self, part: Part, note: Any) -> None:
        """Add an annotation after what has arrived, once; early and late ones alike (`spec/responses.md#citations`)."""
        if not isinstance(note, dict) or part.kind != "text" or identity(note) in part.cited:
            return
        made = cited(note, self.ordinal if self.index is None else self.index, self._cited)
        if isinstance(made, Picture) or (made is not None and self._citations):
            part.cited.add(identity(note))
            self._cited += isinstance(made, (Marker, Path))
            self._waiting.append((part, made))

    def complete(self, part: Part, full: Any, notes: Any = ()) -> None:
        """Add the tail of a `done` text; the deltas win a conflict (`spec/servers.md#text-from-done-events`)."""
        text = part.text
        full = mend(full) if isinstance(full, str) else ""
        tail_from = len(text) if full.startswith(text) else len(full)
        for note in sorted(objects_of(notes), key=position):
            at = min(max(position(note), tail_from), len(full))
            self.add(part, full[tail_from:at])
            tail_from = at
            self.cite(part, note)
        self.add(part, full[tail_from:])

    def begin(self, item: Item) -> None:
        """Take the phase; a message that is added again goes on where it stands (`spec/servers.md#lazy-messages`)."""
        self.done = False
        if item.get("phase") in PHASES:
            self.phase = item["phase"]

    def take(self, item: Item) -> None:
        """Take the whole content of a copy of the message."""
        if item.get("phase") in PHASES:
            self.phase = item["phase"]
        for index, content in enumerate(list_of(item.get("content"))):
            if isinstance(content, dict):
                self.take_part(index, content)

    def take_part(self, index: int | None, content: Item) -> None:
        """Take a whole content part; ignore other types (`spec/servers.md#matching-events-to-items`)."""
        if content.get("type") == "output_text" and (content.get("text") or content.get("annotations")):
            self.complete(self.part("text", index), content.get("text"), content.get("annotations"))
        elif content.get("type") == "refusal" and content.get("refusal"):
            self.complete(self.part("refusal", index), content["refusal"])

    def open(self, writer: RunWriter) -> None:
        """Open a message."""
        writer.open_message(self.phase)
        for part in self.parts:
            waits = sum(len(what) for owner, what in self._waiting if owner is part and isinstance(what, str))
            part.slot, part.base = None, len(part.text) - waits

    def show(self, writer: RunWriter) -> None:
        """Write the text and the citations that have arrived."""
        waiting, self._waiting = self._waiting, []
        for part, what in waiting:
            if part.slot is None:
                part.slot = writer.open_part(part.kind)
            if isinstance(what, str):
                writer.add_text(part.slot, what)
            else:
                write(what, writer, part.slot, part.base)

    def replay(self) -> Item | None:
        """Return it with plain string content: list content needs fields that not every server sends."""
        if not self.text:
            return None
        phase = {"phase": self.phase} if self.phase else {}
        return {"type": "message", "role": "assistant", "content": self.text, **phase}


class Reasoning(Output):
    """A reasoning item: replayed if encrypted (`spec/responses.md#reasoning-items`), its summary emitted on request."""

    kind = "reasoning"

    def __init__(self, id: str | None, index: int | None, ordinal: int, *, told: bool = False) -> None:
        super().__init__(id, index, ordinal)
        self._told = told
        self._item: Item | None = None
        self._parts: dict[int, GrowingText] = {}
        self._number: int | None = None
        self._last: GrowingText | None = None

    def supplement(self, item: Item) -> None:
        """Take nothing: the terminal copy of some servers looks like a message."""

    def take(self, item: Item) -> None:
        """Keep a copy that can be replayed; the `added` copy may hold less than the `done` one."""
        id, content = text_of(item.get("id")), text_of(item.get("encrypted_content"))
        if id and content:
            summary = [{"type": "summary_text", "text": text} for text in _summary(item)]
            self._item = {"type": "reasoning", "id": id, "summary": summary, "encrypted_content": content}

    def tell_summary(self, writer: RunWriter, item: Item) -> None:
        """Tell what a copy's summary has more than the deltas."""
        for number, text in enumerate(_summary(item)):
            self.tell(writer, number, text, whole=True)

    def tell(self, writer: RunWriter, number: Any, text: Any, *, whole: bool = False) -> None:
        """Tell a piece of a part of the summary, or what the whole part has more; at once, as no step is opened."""
        if not self._told:
            return
        number = number if isinstance(number, int) else max(self._parts, default=0)
        part = self._parts.setdefault(number, GrowingText())
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
        """Return the item, or None where nothing encrypted came."""
        return self._item


def _summary(item: Item) -> list[str]:
    """Return the parts of a summary."""
    return [mend(part["text"]) for part in objects_of(item.get("summary")) if isinstance(part.get("text"), str)]
