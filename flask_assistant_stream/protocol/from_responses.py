"""Raw Responses events in, Assistants events out: the state machine of one run.

Pure: no clock, no randomness, no input or output, no thread. `reader.py` holds the rows of wire.md 3.3, `writer.py`
what wire.md 2.5 asks of a stream; here is what becomes of the run when a response ends or somebody ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from ..errors import RequestError
from .events import Event
from .failures import SERVER_ERROR, Failure
from .ids import NewId
from .objects import Object
from .outputs import Call, Item
from .reader import Outcome, ResponseReader
from .run_states import RUN_ACTIVE, MessageStatus, RunStatus, StepStatus
from .text import mend
from .usage import add_usage
from .writer import WHOLE, Closing, RunWriter


class Ending(Enum):
    """Why a run is closed from outside."""

    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"
    EOF = "eof"
    """The upstream ended, perhaps without its terminal item (upstreams.md rules 12 and 13)."""
    INTERRUPTED = "interrupted"
    """The worker that had the run is gone."""


_ERRORS = {
    Ending.FAILED: "The upstream failed.",
    Ending.EOF: "The upstream ended before its answer was complete.",
    Ending.INTERRUPTED: "The run was interrupted before its answer was complete; the message may be sent again.",
}
_IN_PROGRESS = RunStatus.IN_PROGRESS  # looked up for every read: an enum's attribute costs
_BAD_CALL = "The model called a function without a name or with arguments that are not a JSON object."
_BUDGET_SPENT = {"reason": "max_completion_tokens"}
_INCOMPLETE: dict[str, tuple[str, Object]] = {
    "max_output_tokens": ("max_tokens", _BUDGET_SPENT),
    "content_filter": ("content_filter", {}),  # a run's enum has no such reason (wire.md 3.3)
}


class Translator:
    """The state machine of one run.

    Every method returns the events it made, numbered on from `last_seq`; the same calls give the same events.

    Args:
        run: the run's body as it is now.
        new_id, now: ids by prefix, seconds since the epoch.
        last_seq: the number of the last event in the run's log.
        citations: whether citations are shown, as marker and annotation; else neither.
        lenient_end: whether an upstream that ends without a terminal item, all outputs ended, has completed.
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
        self._writer = RunWriter(run, new_id=new_id, now=now, last_seq=last_seq)
        self._citations = citations
        self._lenient_end = lenient_end
        self._items: list[Item] = []
        self._usage: Object | None = None
        self._unknown = 0
        self._reader = ResponseReader(self._writer, citations=citations)

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
            state: what `state` returned at its last required action, or None.
            last_seq: the last number that is taken in the log; by default that of the last event.
        """
        made = cls(run, new_id=new_id, now=now, citations=citations, lenient_end=lenient_end)
        made._writer.resume(events)
        if last_seq is not None:
            made._writer.last_seq = last_seq
        if state is not None:
            made._items, made._usage = list(state["items"]), state["usage"]
        if state is not None and made.waiting:
            made._reader.usage = state["response_usage"]
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
    def failing(self) -> bool:
        """Whether a failure is held until the upstream ends or `close` is called (upstreams.md rule 12)."""
        return self._reader.failing

    @property
    def unknown(self) -> int:
        """How many items no row was for."""
        return self._unknown + self._reader.unknown

    @property
    def completion_tokens(self) -> int:
        """Output tokens of the responses that have ended, to be taken off the run's budget."""
        return self._usage["completion_tokens"] if self._usage else 0

    @property
    def prompt_tokens(self) -> int:
        """Input tokens of the responses that have ended."""
        return self._usage["prompt_tokens"] if self._usage else 0

    def items(self) -> list[Item]:
        """Return this run's calls, outputs, messages and reasoning so far, for the next request's input."""
        return list(self._items)

    def state(self) -> Object:
        """Return, as JSON values, what `restore` needs besides the run and its events."""
        return {
            "items": self.items(),
            "usage": self._usage,
            "response_usage": self._reader.usage,
            "step": self._writer.step,
        }

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
        """Translate the items of one upstream read. Items after the terminal one are ignored."""
        if self._writer.status is not _IN_PROGRESS:
            if self._writer.status is not RunStatus.QUEUED or not items:
                return []
            self._writer.move_run(RunStatus.IN_PROGRESS)
        outcome = self._reader.read(items)
        if outcome is not None:
            self._conclude(outcome)
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
        if set(pending) != set(outputs):
            message = f"Expected tool outputs for call_ids {pending}, got {list(outputs)}"
            raise RequestError(message, param="tool_outputs")
        self._answer([{**one, "function": {**one["function"], "output": mend(outputs[one["id"]])}} for one in calls])
        self._writer.move_run(RunStatus.QUEUED, required_action=None)
        return self._writer.take()

    def close(self, reason: Ending, error: Object | None = None) -> list[Event]:
        """End the run from outside: what is open is closed with its partial text, innermost first.

        Args:
            reason: why. `EOF` does nothing where the upstream's end was to be expected.
            error: `{code, message}`, for `FAILED`; a failure that was held says more and is told before it.
        """
        if self.ended or (reason is Ending.EOF and self.waiting):
            return []
        if reason is Ending.CANCELLED:
            self._cancel()
        elif reason is Ending.EXPIRED:
            self._abort(RunStatus.EXPIRED, StepStatus.EXPIRED, "run_expired")
        elif reason is Ending.EOF and self._lenient_end and self._reader.all_done and not self.failing:
            self._complete()
        else:
            unexplained = Failure() if self.failing else Failure(SERVER_ERROR, _ERRORS[reason])
            self._fail(Failure.of(error) if error else unexplained)
        return self._writer.take()

    # -- how a response ended -----------------------------------------------------------------------------

    def _conclude(self, outcome: Outcome) -> None:
        if outcome.status == "completed":
            self._complete()
        elif outcome.status == "incomplete":
            self._cut(outcome.reason)
        elif outcome.status == "cancelled":
            self._cancel()
        else:
            self._fail(Failure())

    def _complete(self) -> None:
        """End a response that is whole: hand out its calls, or end the run."""
        calls = self._name_calls()
        spent = self._spent_budget()
        if not all(call.valid for call in calls):
            self._fail(Failure(SERVER_ERROR, _BAD_CALL))
        elif not calls:
            self._end(RunStatus.COMPLETED, self._settle_whole(), expires_at=None)
        elif spent:  # the budgets are the run's, the upstream knows the response's only
            self._end(RunStatus.INCOMPLETE, self._settle_whole(), incomplete_details={"reason": spent})
        else:
            self._writer.close_step(self._settle_whole())
            self._ask(calls)

    def _spent_budget(self) -> str | None:
        """Return the name of a budget of the run that its responses have used up, if there is one."""
        usage, names = self._sum() or {}, ("max_completion_tokens", "max_prompt_tokens")
        spent = [name for name in names if self.run.get(name) and usage.get(name[4:], 0) >= self.run[name]]
        return spent[0] if spent else None

    def _settle_whole(self) -> Closing:
        return self._reader.settle(WHOLE, lambda _: False)

    def _name_calls(self) -> list[Call]:
        calls = self._reader.response.of(Call)
        taken = {str(item["call_id"]) for item in self._items if "call_id" in item}
        for call in calls:
            call.name_it(taken, self._writer.new_id)
        return calls

    def _ask(self, calls: list[Call]) -> None:
        """Put all calls into one step, left open, and require their outputs."""
        asked = [call.tool_call() for call in calls]
        self._writer.open_calls([{**call, "function": {**call["function"], "output": None}} for call in asked])
        self._items += self._reader.response.replay()
        self._usage = self._sum()
        required = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": asked}}
        self._writer.move_run(RunStatus.REQUIRES_ACTION, required_action=required)

    def _answer(self, calls: list[Object]) -> None:
        """Close the step of the calls with their outputs and make ready for the next response."""
        if self._writer.step is not None:
            self._writer.set_calls(calls)
            self._writer.close_step(usage=self._reader.usage)
        for call in calls:
            output = call["function"]["output"]
            self._items.append({"type": "function_call_output", "call_id": call["id"], "output": output})
        self._unknown = self.unknown
        self._reader = ResponseReader(self._writer, citations=self._citations)

    def _cut(self, reason: str) -> None:
        """End a response that is incomplete: what came last is cut, calls are dropped (upstreams.md rule 14)."""
        of_message, of_run = _INCOMPLETE.get(reason, (None, {}))
        closing = Closing(MessageStatus.INCOMPLETE, StepStatus.COMPLETED, of_message)
        closing = self._reader.settle(closing, lambda output: output is self._reader.turns.last)
        self._end(RunStatus.INCOMPLETE, closing, incomplete_details=of_run)

    # -- how a run ends -----------------------------------------------------------------------------------

    def _fail(self, failure: Failure) -> None:
        error = self._reader.failure.richer(failure).last_error()
        self._abort(RunStatus.FAILED, StepStatus.FAILED, "run_failed", error)

    def _cancel(self) -> None:
        if self._writer.status is RunStatus.IN_PROGRESS:
            self._writer.move_run(RunStatus.CANCELLING)
        self._abort(RunStatus.CANCELLED, StepStatus.CANCELLED, "run_cancelled")

    def _abort(self, status: RunStatus, step: StepStatus, reason: str, error: Object | None = None) -> None:
        """End the run before its answer was whole; what came last is cut, and so is what the upstream left open."""
        last = self._reader.turns.last
        closing = Closing(MessageStatus.INCOMPLETE, step, reason, error)
        closing = self._reader.settle(closing, lambda output: output is last or not output.done)
        self._end(status, closing, **({"last_error": error} if error else {}))

    def _end(self, status: RunStatus, closing: Closing, **changes: Any) -> None:
        usage = self._usage if self.waiting else self._sum()
        self._writer.end_run(status, closing, step_usage=self._reader.usage, usage=usage, **changes)

    def _sum(self) -> Object | None:
        return add_usage(self._usage, self._reader.usage)
