"""Raw Responses events in, Assistants events out: the rows of wire.md 3.3 by the rules of upstreams.md 6.

Pure: no clock, no randomness, no input or output, no thread. One row of the table is one method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

from ..errors import RequestError
from .events import Event
from .failures import SERVER_ERROR, Failure
from .ids import NewId
from .objects import Object
from .outputs import Call, Item, Message, Output, Part
from .response import KINDS, Response
from .run_states import RUN_ACTIVE, MessageStatus, RunStatus, StepStatus
from .usage import add_usage, usage_of
from .writer import WHOLE, Closing, RunWriter

TEXT_DELTA = "response.output_text.delta"


class Ending(Enum):
    """Why a run is closed from outside."""

    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"
    EOF = "eof"
    """The upstream ended, perhaps without its terminal item (rules 12 and 13)."""
    INTERRUPTED = "interrupted"
    """The worker that had the run is gone."""


_ERRORS = {
    Ending.FAILED: "The upstream failed.",
    Ending.EOF: "The upstream ended before its answer was complete.",
    Ending.INTERRUPTED: "The run was interrupted; the message may be sent again.",
}
_INCOMPLETE = {"max_output_tokens": ("max_tokens", {"reason": "max_completion_tokens"})}

Row = Callable[["Translator", Item], None]
_R = TypeVar("_R", bound=Row)
_ROWS: dict[str, Row] = {}


def _row(*types: str) -> Callable[[_R], _R]:
    def register(method: _R) -> _R:
        _ROWS.update(dict.fromkeys(types, method))
        return method

    return register


class Translator:
    """The state machine of one run.

    Every method returns the events it made, numbered on from `last_seq`; the same calls give the same events.

    Args:
        run: the run's body as it is now.
        new_id, now: ids by prefix, seconds since the epoch.
        last_seq: the number of the last event in the run's log.
        citations: whether citations are shown, as marker and annotation; else neither.
        lenient_end: whether an upstream that ends without a terminal item, all items closed, has completed.

    Attributes:
        failing: a failure is held until the upstream ends or `close` is called (rule 12).
        unknown: how many items no row is for.
    """

    def __init__(
        self,
        run: Object,
        *,
        new_id: NewId,
        now: Callable[[], int],
        last_seq: int = 0,
        citations: bool = True,
        lenient_end: bool = False,
    ) -> None:
        self.failing = False
        self.unknown = 0
        self._writer = RunWriter(run, new_id=new_id, now=now, last_seq=last_seq)
        self._citations = citations
        self._lenient_end = lenient_end
        self._items: list[Item] = []
        self._usage: Object | None = None
        self._begin_response()

    def _begin_response(self) -> None:
        self._response = Response(self.run, citations=self._citations)
        self._response_usage: Object | None = None
        self._failure = Failure()
        self._queue: list[Output] = []
        self._current: Output | None = None
        self._last: Output | None = None
        self._lane: tuple[Any, Any, Any] | None = None
        self._lane_end: tuple[Message, Part] | None = None
        self._pieces: list[str] = []

    @classmethod
    def restore(
        cls,
        run: Object,
        events: Iterable[Event],
        state: Object | None,
        *,
        new_id: NewId,
        now: Callable[[], int],
        last_seq: int | None = None,
        citations: bool = True,
        lenient_end: bool = False,
    ) -> Translator:
        """Take a run over from another worker, to `close` it or to go on with `tool_outputs`.

        Args:
            run: the run's body as stored.
            events: of its log, in order; gaps are fences, an empty log is a run that told nothing yet.
            state: what `state` returned at its required action, or None.
            last_seq: the last number that is taken in the log; by default that of the last event.
        """
        made = cls(run, new_id=new_id, now=now, citations=citations, lenient_end=lenient_end)
        made._writer.resume(events)
        if last_seq is not None:
            made._writer.last_seq = last_seq
        if state:
            made._items = list(state["items"])
            made._usage, made._response_usage = state["usage"], state["response_usage"]
            if made.waiting:
                made._writer.step = state["step"]
        return made

    @property
    def run(self) -> Object:
        """The run's body as it is now."""
        return self._writer.run

    @property
    def last_seq(self) -> int:
        """The number of the last event."""
        return self._writer.last_seq

    @property
    def ended(self) -> bool:
        """Whether a terminal event of the run was made; nothing follows it."""
        return self._writer.status not in RUN_ACTIVE

    @property
    def waiting(self) -> bool:
        """Whether the run waits for tool outputs."""
        return self._writer.status is RunStatus.REQUIRES_ACTION

    @property
    def completion_tokens(self) -> int:
        """Output tokens of the responses that have ended, to be taken off the run's budget."""
        return self._usage["completion_tokens"] if self._usage else 0

    def items(self) -> list[Item]:
        """Return this run's calls, outputs, messages and reasoning so far, for the next request's input."""
        return list(self._items)

    def state(self) -> Object:
        """Return, as JSON values, what `restore` needs besides the run and its events."""
        return {
            "items": self._items,
            "usage": self._usage,
            "response_usage": self._response_usage,
            "step": self._writer.step,
        }

    # -- what is called from outside ----------------------------------------------------------------------

    def start(self, thread: Object | None = None) -> list[Event]:
        """Begin a new run, with the thread that was made for it if there is one."""
        if thread is not None:
            self._writer.emit("thread.created", thread)
        self._writer.emit("thread.run.created", self.run)
        self._writer.emit("thread.run.queued", self.run)
        return self._writer.take()

    def announce(self, name: str, data: Object) -> list[Event]:
        """Number a vendor event; nothing follows the end of a run."""
        if self.ended:
            return []
        self._writer.emit(name, data)
        return self._writer.take()

    def feed(self, items: Sequence[Item]) -> list[Event]:
        """Translate the items of one upstream read; text deltas that stand together become one event.

        Items after the terminal one are ignored.
        """
        if not items or self.ended or self.waiting:
            return []
        if self._writer.status is RunStatus.QUEUED:
            self._writer.move_run(RunStatus.IN_PROGRESS)
        pieces = self._pieces
        for item in items:
            if item.get("type") == TEXT_DELTA:
                piece = item.get("delta")
                lane = (item.get("item_id"), item.get("output_index"), item.get("content_index"))
                if lane == self._lane or self._change_lane(lane):
                    if type(piece) is str:
                        pieces.append(piece)
                    continue
            self._leave_lane()
            self._dispatch(item)
            if self.ended or self.waiting:
                break
        self._flush()
        return self._writer.take()

    def tool_outputs(self, outputs: Mapping[str, str]) -> list[Event]:
        """Take the outputs of all pending calls, by call id; the run is queued for the next response.

        Raises:
            RequestError: the run does not wait, or these are not the pending calls (wire.md 1.3).
        """
        if not self.waiting:
            raise RequestError(f'Runs in status "{self.run["status"]}" do not accept tool outputs.')
        calls = self.run["required_action"]["submit_tool_outputs"]["tool_calls"]
        pending = [call["id"] for call in calls]
        if sorted(pending) != sorted(outputs):
            message = f"Expected tool outputs for call_ids {pending}, got {list(outputs)}"
            raise RequestError(message, param="tool_outputs")
        self._answer([{**call, "function": {**call["function"], "output": outputs[call["id"]]}} for call in calls])
        self._writer.move_run(RunStatus.QUEUED, required_action=None)
        self._begin_response()
        return self._writer.take()

    def close(self, reason: Ending, error: Object | None = None) -> list[Event]:
        """End the run from outside: what is open is closed with its partial text, innermost first.

        Args:
            reason: why. `EOF` says that the upstream has ended and does nothing where that was to be expected.
            error: `{code, message}`, for `FAILED`; a failure that was held is told instead of it.
        """
        if self.ended or (reason is Ending.EOF and self.waiting):
            return []
        if reason is Ending.CANCELLED:
            self._cancel()
        elif reason is Ending.EXPIRED:
            self._abort(RunStatus.EXPIRED, StepStatus.EXPIRED, "run_expired")
        elif reason is Ending.EOF and self._lenient_end and self._all_done():
            self._complete()
        else:
            self._fail(Failure.of(error or {"code": SERVER_ERROR, "message": _ERRORS[reason]}))
        return self._writer.take()

    # -- rows: one method each ----------------------------------------------------------------------------

    def _dispatch(self, item: Item) -> None:
        row = _ROWS.get(str(item.get("type")))
        if row is None:
            self.unknown += 1
        else:
            row(self, item)

    @_row("response.created", "response.queued", "response.in_progress", "keepalive")
    def _on_life(self, item: Item) -> None:
        """Nothing: that anything came has begun the run (rule 2)."""

    @_row("response.output_item.added")
    def _on_added(self, item: Item) -> None:
        copy, kind = self._copy(item)
        if kind is not None:
            output = self._response.added(kind, copy, item.get("output_index"))
            output.begin(copy)
            self._touch(output)

    @_row("response.output_item.done")
    def _on_done(self, item: Item) -> None:
        copy, kind = self._copy(item)
        if kind is not None:
            output = self._response.meant(kind, copy.get("id"), item.get("output_index"), copy.get("call_id"))
            output.take(copy)
            output.done = True
            self._touch(output)

    def _copy(self, item: Item) -> tuple[Item, type[Output] | None]:
        copy = item.get("item")
        kind = KINDS.get(str(copy.get("type"))) if isinstance(copy, dict) else None
        self.unknown += kind is None
        return copy or {}, kind

    @_row("response.output_text.done")
    def _on_text_done(self, item: Item) -> None:
        message = self._message(item)
        message.take_part(_index(item), {"type": "output_text", "text": item.get("text")})
        self._touch(message)

    @_row("response.output_text.annotation.added")
    def _on_annotation(self, item: Item) -> None:
        message = self._message(item)
        message.cite(message.part("text", _index(item)), item.get("annotation"))
        self._touch(message)

    @_row("response.refusal.delta")
    def _on_refusal(self, item: Item) -> None:
        message = self._message(item)
        if isinstance(item.get("delta"), str):
            message.add(message.part("refusal", _index(item)), item["delta"])
        self._touch(message)

    @_row("response.refusal.done")
    def _on_refusal_done(self, item: Item) -> None:
        message = self._message(item)
        message.take_part(_index(item), {"type": "refusal", "refusal": item.get("refusal")})
        self._touch(message)

    @_row("response.content_part.done")
    def _on_part_done(self, item: Item) -> None:
        part = item.get("part")
        if isinstance(part, dict) and part.get("type") in ("output_text", "refusal"):
            message = self._message(item)
            message.take_part(_index(item), part)
            self._touch(message)

    @_row("response.function_call_arguments.delta")
    def _on_arguments(self, item: Item) -> None:
        call = self._response.meant(Call, item.get("item_id"), item.get("output_index"))
        if isinstance(item.get("delta"), str):
            call.streamed.append(item["delta"])
        self._touch(call)

    @_row("response.function_call_arguments.done")
    def _on_arguments_done(self, item: Item) -> None:
        call = self._response.meant(Call, item.get("item_id"), item.get("output_index"), item.get("call_id"))
        call.take_arguments(item)
        self._touch(call)

    @_row("response.failed", "error")
    def _on_failure(self, item: Item) -> None:
        self._on_usage(item)
        told = item if item["type"] == "error" else _object(item.get("response")).get("error")
        self._failure = self._failure.richer(Failure.of(told))
        self.failing = True

    @_row("response.completed", "response.incomplete", "response.cancelled")
    def _on_terminal(self, item: Item) -> None:
        response = _object(item.get("response"))
        outcome, reason = _outcome(item["type"], response)
        if outcome == "failed":
            self._on_failure(item)
            return
        self._on_usage(item)
        if self.failing:
            self._fail(Failure())
            return
        if outcome == "cancelled":
            self._cancel()
            return
        self._response.supplement(response.get("output"))
        if outcome == "incomplete":
            self._incomplete(reason)
        else:
            self._complete()

    def _on_usage(self, item: Item) -> None:
        usage = usage_of(_object(item.get("response")).get("usage"))
        self._response_usage = usage or self._response_usage

    # -- text ---------------------------------------------------------------------------------------------

    def _message(self, item: Item) -> Message:
        return self._response.meant(Message, item.get("item_id"), item.get("output_index"))

    def _change_lane(self, lane: tuple[Any, Any, Any]) -> bool:
        """Find the part that text deltas of this address go to; pieces wait until the part changes."""
        id, index, content_index = lane
        message = self._response.meant(Message, id, index)
        end = (message, message.part("text", content_index if isinstance(content_index, int) else None))
        if self._lane_end != end:  # ids may change with every item; the part is what counts
            self._flush()
            self._lane_end = end
        self._lane = lane
        return True

    def _leave_lane(self) -> None:
        self._flush()
        self._lane = self._lane_end = None

    def _flush(self) -> None:
        if not self._pieces or self._lane_end is None:
            return
        message, part = self._lane_end
        piece = "".join(self._pieces)
        self._pieces.clear()
        if message is self._current and part.slot is not None and not message.waiting:
            part.pieces.append(piece)
            self._last = message
            self._writer.add_text(part.slot, piece)
            return
        message.add(part, piece)
        self._touch(message)

    # -- one output at a time -----------------------------------------------------------------------------

    def _touch(self, output: Output) -> None:
        """Show what an output has, or let it wait for its turn."""
        if output.waiting or (isinstance(output, Call) and not output.done):
            self._last = output
        if output.waiting and output is not self._current and output not in self._queue:
            self._queue.append(output)
        self._advance()

    def _advance(self) -> None:
        while True:
            current = self._current
            if current is None:
                if not self._queue:
                    return
                self._open_next()
                continue
            if current.waiting:
                current.show(self._writer)
            if not current.done or (current.lingers and not self._queue):
                return
            self._writer.close_step()
            self._current = None

    def _open_next(self) -> None:
        self._current = self._queue.pop(0)
        self._current.open(self._writer)

    def _settle(self, closing: Closing, cut: Callable[[Output], bool]) -> Closing:
        """Write all that waits, whoever's turn it is; return how to close what is then still open."""
        self._leave_lane()
        while True:
            current = self._current
            if current is not None and current.waiting:
                current.show(self._writer)
            how = closing if current is None or cut(current) else WHOLE
            if not self._queue:
                return how
            self._writer.close_step(how)
            self._open_next()

    # -- ends ---------------------------------------------------------------------------------------------

    def _complete(self) -> None:
        """End a response that is complete: hand out its calls, or end the run."""
        for output in self._response.outputs:
            output.done = True
        calls = self._name_calls()
        budget = self.run.get("max_completion_tokens")
        if not all(call.valid for call in calls):
            self._fail(Failure(SERVER_ERROR, "The model called a function with arguments that are not a JSON object."))
        elif not calls:
            self._settle(WHOLE, _never)
            self._end(RunStatus.COMPLETED, WHOLE, expires_at=None)
        elif budget and (self._sum() or {}).get("completion_tokens", 0) >= budget:
            self._settle(WHOLE, _never)
            self._end(RunStatus.INCOMPLETE, WHOLE, incomplete_details={"reason": "max_completion_tokens"})
        else:
            self._settle(WHOLE, _never)
            self._ask(calls)

    def _ask(self, calls: list[Call]) -> None:
        """Put all calls into one step, left open, and require their outputs."""
        asked = [call.tool_call() for call in calls]
        self._writer.close_step()
        self._writer.open_calls([{**call, "function": {**call["function"], "output": None}} for call in asked])
        self._items += self._response.replay()
        self._usage = self._sum()
        required = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": asked}}
        self._writer.move_run(RunStatus.REQUIRES_ACTION, required_action=required)

    def _answer(self, calls: list[Object]) -> None:
        """Close the step of the calls with their outputs."""
        if self._writer.step is not None:
            self._writer.set_calls(calls)
            self._writer.close_step(usage=self._response_usage)
        for call in calls:
            output = call["function"]["output"]
            self._items.append({"type": "function_call_output", "call_id": call["id"], "output": output})

    def _incomplete(self, reason: str) -> None:
        """End a response that was cut: what came last is incomplete, calls are dropped."""
        of_message, of_run = _INCOMPLETE.get(reason, (reason if reason == "content_filter" else None, {}))
        closing = Closing(MessageStatus.INCOMPLETE, StepStatus.COMPLETED, of_message)
        closing = self._settle(closing, lambda output: output is self._last)
        self._end(RunStatus.INCOMPLETE, closing, incomplete_details=of_run)

    def _fail(self, failure: Failure) -> None:
        error = self._failure.richer(failure).last_error()
        self._abort(RunStatus.FAILED, StepStatus.FAILED, "run_failed", error)

    def _cancel(self) -> None:
        if self._writer.status is RunStatus.IN_PROGRESS:
            self._writer.move_run(RunStatus.CANCELLING)
        self._abort(RunStatus.CANCELLED, StepStatus.CANCELLED, "run_cancelled")

    def _abort(self, status: RunStatus, step: StepStatus, reason: str, error: Object | None = None) -> None:
        """End the run before its answer was whole; an output that the upstream had ended before is."""
        closing = Closing(MessageStatus.INCOMPLETE, step, reason, error)
        closing = self._settle(closing, lambda output: output is self._last or not output.done)
        self._end(status, closing, **({"last_error": error} if error else {}))

    def _end(self, status: RunStatus, closing: Closing, **changes: Any) -> None:
        usage = self._usage if self.waiting else self._sum()
        self._writer.end_run(status, closing, step_usage=self._response_usage, usage=usage, **changes)

    def _sum(self) -> Object | None:
        return add_usage(self._usage, self._response_usage)

    def _name_calls(self) -> list[Call]:
        calls = self._response.of(Call)
        taken = {str(item["call_id"]) for item in self._items if "call_id" in item}
        for call in calls:
            call.name_it(taken, self._writer.new_id)
        return calls

    def _all_done(self) -> bool:
        outputs = self._response.outputs
        return (
            bool(outputs) and all(output.done for output in outputs) and all(c.valid for c in self._response.of(Call))
        )


def _never(_: Output) -> bool:
    return False


def _outcome(type: str, response: Object) -> tuple[str, str]:
    """Return how a response ended and why: its status, then its details, then the item's type (rule 9)."""
    reason = str(_object(response.get("incomplete_details")).get("reason") or "")
    status = response.get("status")
    if status not in ("completed", "incomplete", "failed", "cancelled"):
        status = "incomplete" if reason else type.rpartition(".")[2]
    return status, reason


def _object(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _index(item: Item) -> int | None:
    index = item.get("content_index")
    return index if isinstance(index, int) else None
