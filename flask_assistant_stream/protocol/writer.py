"""Write the numbered events of a run in valid order (spec/assistants.md#event-order).

At most one step and one message are open. Statuses change only by the tables. The deltas add up to the completed
object. Knows nothing of the Responses API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import Any

from . import ids, objects
from .content_part import FIRST_TEXT_END, MESSAGE_DELTA, TEXT_END, ContentPart, text_head
from .deltas import add_up
from .events import REASONING_DELTA, Event, dump
from .generated_files import GeneratedFile
from .ids import NewId
from .last_errors import step_error
from .objects import Object
from .run_states import MessageStatus, RunStatus, StepStatus, check_move
from .text import mend_piece

STEP_DELTA = "thread.run.step.delta"
SANDBOX = "sandbox:"
"""The start of a model's links to files of its container, in both APIs."""

_RUN_TIMES = {
    RunStatus.COMPLETED: "completed_at",
    RunStatus.FAILED: "failed_at",
    RunStatus.CANCELLED: "cancelled_at",
    RunStatus.IN_PROGRESS: "started_at",
}


@dataclass(frozen=True, slots=True)
class Closing:
    """The way to close the open objects: the statuses, the message's `incomplete_details.reason`, the run's error."""

    message: MessageStatus
    step: StepStatus
    reason: str | None = None
    error: Object | None = None


WHOLE = Closing(MessageStatus.COMPLETED, StepStatus.COMPLETED)


class RunWriter:
    """Write the events of one run.

    Attributes:
        run: the run after its last event (a copy).
        message: the open message with empty `content`, or None.
        thoughts: number of reasoning items so far.
        size: bytes of the events so far, those of text without their frame.
    """

    def __init__(self, run: Object, *, new_id: NewId, now: Callable[[], int], last_seq: int) -> None:
        self.run: Object = dict(run)
        self.status = RunStatus(run["status"])
        self.message: Object | None = None
        self.thoughts = 0
        self.size = 0
        self.last_seq = last_seq
        self.new_id = new_id
        self._now = now
        self._step: Object | None = None
        self._grown: list[Object] = []
        self._parts: list[ContentPart] = []
        self._events: list[Event] = []
        self._files: list[GeneratedFile] = []
        self._known_files: set[str] = set()

    def take(self) -> list[Event]:
        """Return the events written since the last call."""
        events, self._events = self._events, []
        return events

    def take_files(self) -> list[GeneratedFile]:
        """Return the files that were added since the last call."""
        files, self._files = self._files, []
        return files

    def add_file(self, file: GeneratedFile) -> None:
        """Add a file of an event, once."""
        if file.file_id not in self._known_files:
            self._known_files.add(file.file_id)
            self._files.append(file)

    @property
    def file_count(self) -> int:
        """Number of files so far."""
        return len(self._known_files)

    def emit(self, name: str, data: Object) -> None:
        """Write any event."""
        self.last_seq += 1
        self._events.append(Event(self.last_seq, name, dump(data)))
        self.size += len(self._events[-1].data)

    # -- the run ------------------------------------------------------------------------------------------

    def move_run(self, status: RunStatus, **changes: Any) -> None:
        """Change the run's status and write the event; an `IllegalMove` is raised before anything is written."""
        check_move(self.status, status)
        if status in _RUN_TIMES:
            changes[_RUN_TIMES[status]] = self._now()
        self.status = status
        self.run = {**self.run, **changes, "status": status.value}
        self.emit(f"thread.run.{status.value}", self.run)

    def end_run(self, status: RunStatus, closing: Closing, *, step_usage: Object | None = None, **changes: Any) -> None:
        """Close the open message and step, then the run.

        Args:
            changes: other keys of the run.

        Raises:
            IllegalMove: before anything is written.
        """
        check_move(self.status, status)
        self.close_step(closing, usage=step_usage)
        self.move_run(status, required_action=None, **changes)

    # -- steps --------------------------------------------------------------------------------------------

    @property
    def step(self) -> Object | None:
        """The open step with all its deltas, or None."""
        if self._grown and self._step is not None:  # added up at once: there may be thousands
            calls = add_up(self._step["step_details"]["tool_calls"], *([call] for call in self._grown))
            self.set_calls(calls)
        return self._step

    @step.setter
    def step(self, step: Object | None) -> None:
        self._step = step
        self._grown.clear()

    def open_step(self, details: Object) -> None:
        """Open a step of the type in `details`. No other may be open."""
        if self._step is not None:
            raise RuntimeError("A step is open already.")
        self._step = objects.run_step(self.new_id(ids.RUN_STEP), self._now(), self.run, details)
        self.emit("thread.run.step.created", self._step)
        self.emit("thread.run.step.in_progress", self._step)

    def step_delta(self, call: Object) -> None:
        """Write a delta of a tool call of the open step. `call` has its `index`."""
        assert self._step is not None
        details = {"type": "tool_calls", "tool_calls": [call]}
        self.emit(STEP_DELTA, {"id": self._step["id"], "object": STEP_DELTA, "delta": {"step_details": details}})

    def open_calls(self, calls: list[Object]) -> None:
        """Open a step with function calls in order, each name before its arguments (spec/assistants.md#event-order)."""
        self.open_step({"type": "tool_calls", "tool_calls": []})
        for index, call in enumerate(calls):
            function = call["function"]
            self.step_delta({**call, "index": index, "function": {**function, "arguments": "", "output": None}})
            arguments = {"arguments": function["arguments"]}
            self.step_delta({"index": index, "type": "function", "function": arguments})
        self.set_calls(calls)

    def add_to_call(self, call: Object) -> None:
        """Write a delta of a tool call and add it to the open step."""
        self.step_delta(call)
        self._grown.append(call)

    def set_calls(self, calls: list[Object]) -> None:
        """Set the tool calls of the open step."""
        assert self._step is not None
        self.step = {**self._step, "step_details": {"type": "tool_calls", "tool_calls": calls}}

    def close_step(self, closing: Closing = WHOLE, *, usage: Object | None = None) -> None:
        """Close the open message and the open step, if any."""
        self._close_message(closing)
        step = self.step
        if step is None:
            return
        check_move(StepStatus(step["status"]), closing.step)
        changes: Object = {"status": closing.step.value, f"{closing.step.value}_at": self._now(), "usage": usage}
        if closing.step is StepStatus.FAILED and closing.error:
            changes["last_error"] = step_error(closing.error)
        self.emit(f"thread.run.step.{closing.step.value}", {**step, **changes})
        self.step = None

    # -- messages -----------------------------------------------------------------------------------------

    def open_message(self, phase: str | None = None) -> None:
        """Open a message in a step of its own. `phase` becomes a key (spec/responses.md#message-phase)."""
        id = self.new_id(ids.MESSAGE)
        self.open_step({"type": "message_creation", "message_creation": {"message_id": id}})
        run = self.run
        self.message = objects.message(
            id,
            self._now(),
            run["thread_id"],
            "assistant",
            [],
            status=MessageStatus.IN_PROGRESS,
            run_id=run["id"],
            assistant_id=run["assistant_id"],
        )
        if phase:
            self.message["phase"] = phase
        self._parts = []
        self.emit("thread.message.created", self.message)
        self.emit("thread.message.in_progress", self.message)

    def open_part(self, kind: str) -> int:
        """Add a content part, `text` or `refusal`, to the open message and return its index."""
        assert self.message is not None
        index = len(self._parts)
        self._parts.append(ContentPart(kind, text_head(self.message["id"], index)))
        return index

    def add_text(self, index: int, piece: str) -> None:
        """Add text to a part. The hot path: no object is built, only the string is encoded."""
        part = self._parts[index]
        encoded = encode_basestring_ascii(piece)
        if part.half or "\\ud" in encoded:  # half a pair, or a character outside the BMP
            piece, part.half = mend_piece(part.half + piece)
            encoded = encode_basestring_ascii(piece)
        if not piece:
            return
        part.pieces.append(piece)
        if part.kind == "refusal":
            self._part_delta({"index": index, "type": "refusal", "refusal": piece})
            return
        self.last_seq = seq = self.last_seq + 1
        self.size += len(encoded)
        self._events.append(Event(seq, MESSAGE_DELTA, part.head + encoded.encode("ascii") + part.tail))
        part.tail = TEXT_END

    def add_citation(self, index: int, note: Object) -> None:
        """Add an annotation and its marker at the end of a text part (spec/responses.md#citations)."""
        part = self._parts[index]
        self._end_half(index)
        marker, kind = note["text"], note["type"]
        start = part.length
        placed = {**note, "start_index": start, "end_index": start + len(marker)}
        shown = {"index": len(part.annotations), **placed}
        if kind == "file_citation":
            shown[kind] = {**note[kind], "quote": ""}
        self._text_delta(index, {"value": marker, "annotations": [shown]})
        part.annotations.append(placed)
        part.pieces.append(marker)

    def add_path(self, index: int, note: Object, start: int, end: int) -> None:
        """Add an annotation of a generated file at the model's own name for it, if the text has one.

        Pages replace the annotation's text by the file's address, so the model's link works.
        """
        part = self._parts[index]
        start, end = part.place(start, begins=True), part.place(end, begins=False)
        named = "".join(part.pieces)[start:end]
        if not named.startswith(SANDBOX):
            self.add_citation(index, note)
            return
        placed = {**note, "text": named, "start_index": start, "end_index": end}
        self._text_delta(index, {"value": "", "annotations": [{"index": len(part.annotations), **placed}]})
        part.annotations.append(placed)

    def add_link(self, index: int, link: Object, start: int, end: int) -> None:
        """Add a vendor annotation to a text part. `start` and `end` are offsets of the text without markers."""
        part = self._parts[index]
        start, end = part.place(start, begins=True), part.place(end, begins=False)
        placed = {**link, "start_index": start, "end_index": max(start, end)}
        self._text_delta(index, {"value": "", objects.LINKS: [{"index": len(part.links), **placed}]})
        part.links.append(placed)

    def add_image(self, file_id: str) -> None:
        """Add an image as a part of its own, after a started text part (spec/clients.md#text-before-images)."""
        for index, part in enumerate(self._parts):
            if part.tail is FIRST_TEXT_END and part.kind == "text":
                self._text_delta(index, {"value": ""})
        self._parts.append(ContentPart("image_file", b"", pieces=[file_id]))
        self._part_delta({"index": len(self._parts) - 1, **self._parts[-1].content()})

    def _close_message(self, closing: Closing) -> None:
        if self.message is None:
            return
        for index in range(len(self._parts)):
            self._end_half(index)
        check_move(MessageStatus(self.message["status"]), closing.message)
        status = closing.message.value
        changes: Object = {"status": status, f"{status}_at": self._now()}
        if closing.reason is not None:
            changes["incomplete_details"] = {"reason": closing.reason}
        content = [part.content() for part in self._parts]
        self.emit(f"thread.message.{status}", {**self.message, **changes, "content": content})
        self.message, self._parts = None, []

    def _end_half(self, index: int) -> None:
        if self._parts[index].half:
            self._parts[index].half = ""
            self.add_text(index, "\ufffd")

    def _text_delta(self, index: int, text: Object) -> None:
        """Write a delta of a text part. The first one always has `annotations`."""
        part = self._parts[index]
        fresh: Object = {"annotations": []} if part.tail is FIRST_TEXT_END else {}
        self._part_delta({"index": index, "type": "text", "text": {**fresh, **text}})
        part.tail = TEXT_END

    def _part_delta(self, content: Object) -> None:
        assert self.message is not None
        id = self.message["id"]
        self.emit(MESSAGE_DELTA, {"id": id, "object": MESSAGE_DELTA, "delta": {"content": [content]}})

    # -- takeover -----------------------------------------------------------------------------------------

    def resume(self, events: Iterable[Event]) -> None:
        """Restore the end of a log: the run's keys, the open step, the open message with its text."""
        deltas: list[Event] = []
        for event in events:
            kind, _, what = event.name.rpartition(".")
            self.last_seq = max(self.last_seq, event.seq)
            if event.name in (MESSAGE_DELTA, STEP_DELTA):
                deltas.append(event)
            elif event.name == REASONING_DELTA:
                self.thoughts = event.object()["item"] + 1
            elif kind == "thread.run":
                self._resume_run(event.object())
            elif kind == "thread.run.step":
                self.step = event.object() if what in ("created", "in_progress") else None
                deltas.clear()
            elif kind == "thread.message":
                self.message = event.object() if what in ("created", "in_progress") else None
                deltas.clear()
        for event in deltas:
            self._resume_delta(event.object()["delta"])

    def _resume_delta(self, delta: Object) -> None:
        if self.message is not None:
            for content in delta["content"]:
                self._resume_part(content)
        elif self._step is not None:
            self._grown += delta["step_details"]["tool_calls"]

    def _resume_run(self, run: Object) -> None:
        self.run.update({key: run[key] for key in objects.RUN_VOLATILE if key in run})
        self.status = RunStatus(self.run["status"])

    def _resume_part(self, content: Object) -> None:
        if content["index"] == len(self._parts):
            self.open_part(content["type"])
        part = self._parts[content["index"]]
        part.tail = TEXT_END
        if part.kind == "image_file":
            part.pieces.append(content["image_file"]["file_id"])
            return
        text = content.get("text", {})
        for annotation in text.get("annotations", ()):
            note = {key: value for key, value in annotation.items() if key != "index"}
            note[note["type"]] = {"file_id": note[note["type"]]["file_id"]}
            part.annotations.append(note)
        part.links += add_up(None, text.get(objects.LINKS, []))
        piece = content["refusal"] if part.kind == "refusal" else text["value"]
        part.pieces.append(piece)
