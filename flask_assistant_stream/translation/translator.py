"""Translate raw Responses events to Assistants events: the state machine of one run.

Pure: no clock, no randomness, no I/O, no thread. `reader.py` reads the events of a response, `protocol/writer.py`
writes valid streams, and `pending_calls.py` has the calls between two responses. This file decides how the run
continues when a response ends, when calls are answered, and when the run is closed. Long because the states are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from ..errors import RequestError
from ..protocol.dialects import ASSISTANTS
from ..protocol.events import STEP_ENDINGS, Event
from ..protocol.generated_files import GeneratedFile
from ..protocol.ids import NewId
from ..protocol.last_errors import SERVER_ERROR
from ..protocol.objects import Object
from ..protocol.run_states import RUN_ACTIVE, MessageStatus, RunStatus, StepStatus
from ..protocol.writer import WHOLE, Closing, RunWriter
from .calls import FunctionCall
from .coerce import InvalidResponse
from .failures import Failure
from .options import TranslatorOptions
from .outputs import Item
from .pending_calls import PendingCalls
from .promises import broken_promise, first_call_only
from .reader import ResponseEnd, ResponseReader
from .usage import add_usage, spent_budget


class Ending(Enum):
    """The reason to close a run from outside."""

    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"
    EOF = "eof"
    """The upstream ended, perhaps without its terminal item (spec/servers.md#end-without-a-terminal-event)."""
    INTERRUPTED = "interrupted"
    """The worker of the run has died."""


UNFINISHED = {
    Ending.FAILED: "The upstream failed.",
    Ending.EOF: "The upstream closed the stream before the response was complete.",
    Ending.INTERRUPTED: "The run was interrupted before the response was complete. Send the message again.",
}
"""The message of `last_error` by ending, if the upstream gave none."""

INCOMPLETE: dict[str, tuple[str, Object]] = {
    "max_output_tokens": ("max_tokens", {"reason": "max_completion_tokens"}),
    "content_filter": ("content_filter", {}),  # spec/responses.md#incomplete-responses
}
"""The upstream's reason → the reason of the message, and `incomplete_details` of the run."""

_DEFAULTS = TranslatorOptions()


class Translator:
    """The state machine of one run.

    Every method returns its events, numbered from `last_seq` + 1. The same calls return the same events.

    Args:
        new_id, now: ids by prefix, seconds since the epoch.
        last_seq: the number of the last event in the run's log.
    """

    def __init__(
        self,
        run: Object,
        *,
        new_id: NewId,
        now: Callable[[], int],
        last_seq: int = 0,
        options: TranslatorOptions = _DEFAULTS,
    ) -> None:
        self._writer = RunWriter(run, new_id=new_id, now=now, last_seq=last_seq)
        self._options = options
        self._items: list[Item] = []
        self._usage: Object | None = None
        self._rounds = 0
        self._unknown = 0
        self._calls: PendingCalls | None = None
        self._reading = False
        self._reader = ResponseReader(self._writer, self._options)

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
        options: TranslatorOptions = _DEFAULTS,
    ) -> Translator:
        """Restore a run of another worker, to `close` it or to continue from `state`.

        Args:
            events: of its log, in order; gaps are fences.
            state: the last value of `state`, or None. If the log has later events, only its counts are used.
            last_seq: the last used number of the log; by default that of the last event.
        """
        translator = cls(run, new_id=new_id, now=now, options=options)
        log = list(events)
        translator._writer.resume(log)
        if last_seq is not None:
            translator._writer.last_seq = last_seq
        translator._resume(state, log)
        return translator

    @property
    def run(self) -> Object:
        """The current body of the run."""
        return self._writer.run

    @property
    def last_seq(self) -> int:
        """The number of the last event."""
        return self._writer.last_seq

    @property
    def ended(self) -> bool:
        """Whether the run has its terminal event. Nothing follows it."""
        return self._writer.status not in RUN_ACTIVE

    @property
    def waiting(self) -> bool:
        """Whether the run waits for tool outputs."""
        return self._writer.status is RunStatus.REQUIRES_ACTION

    @property
    def failing(self) -> bool:
        """Whether a failure waits for the end of the upstream or for `close` (spec/servers.md#failures)."""
        return self._reader.failing

    @property
    def silent(self) -> bool:
        """Whether the current response has no output yet, so that its request may be sent again."""
        return not (self._reader.response.begun or self._reader.failing)

    @property
    def unknown(self) -> int:
        """The number of unknown items."""
        return self._unknown + self._reader.unknown

    @property
    def completion_tokens(self) -> int:
        """Output tokens of the ended responses. They count against the run's budget."""
        return self._usage["completion_tokens"] if self._usage else 0

    @property
    def prompt_tokens(self) -> int:
        """Input tokens of the ended responses."""
        return self._usage["prompt_tokens"] if self._usage else 0

    @property
    def calls_to_run(self) -> list[Object]:
        """The calls, `{id, type, function}`, that this server executes now. `tool_results` takes their outputs."""
        return self._calls.to_run if self._calls is not None and not self.waiting else []

    def take_files(self) -> list[GeneratedFile]:
        """Return the generated files in the events since the last call."""
        return self._writer.take_files()

    def items(self) -> list[Item]:
        """Return the calls, outputs, messages and reasoning of this run, as input for the next request."""
        return list(self._items)

    def state(self) -> Object:
        """Return the JSON values that `restore` needs besides the run and its events.

        Store it while calls are pending: with a required action, and during the execution of calls.
        """
        return {
            "seq": self.last_seq,
            "rounds": self._rounds,
            "calls": self._calls.dump() if self._calls is not None else [],
            "items": self.items(),
            "usage": self._usage,
            "response_usage": self._reader.usage,
            "step": self._writer.step,
        }

    def start(self, thread: Object | None = None) -> list[Event]:
        """Begin a new run, and report its thread if that is new too."""
        if thread is not None:
            self._writer.emit("thread.created", thread)
        self._writer.emit("thread.run.created", self.run)
        self._writer.emit("thread.run.queued", self.run)
        return self._writer.take()

    def announce(self, name: str, data: Object) -> list[Event]:
        """Number a vendor event. An ended run takes none."""
        if self.ended:
            return []
        self._writer.emit(name, data)
        return self._writer.take()

    def feed(self, items: Sequence[Item]) -> list[Event]:
        """Translate the items of one upstream read. Items after the terminal one are skipped."""
        if not self._reading and not self._begin_reading(items):
            return []
        try:
            end = self._reader.read(items)
        except InvalidResponse as error:
            end = None
            self._fail(Failure(SERVER_ERROR, str(error)))
        if end is not None:
            self._conclude(end)
        return self._writer.take()

    def tool_results(self, outputs: Mapping[str, str]) -> list[Event]:
        """Take the outputs of `calls_to_run`, by call id. The next response follows, or a required action.

        Raises:
            ValueError: the ids differ from those of `calls_to_run`.
        """
        if self.ended:
            return []
        if self._calls is None or self.waiting:
            raise ValueError("There are no calls to run.")
        self._calls.finish(outputs)
        if self._writer.status is RunStatus.QUEUED:
            self._writer.move_run(RunStatus.IN_PROGRESS)
        self._continue(self._calls)
        return self._writer.take()

    def tool_outputs(self, outputs: Mapping[str, str]) -> list[Event]:
        """Take the client's outputs of the required action, by call id, and queue the run.

        The next response follows, or first `calls_to_run` if calls were approved.

        Raises:
            RequestError: the run does not wait, or the ids differ from the pending ones (spec/assistants.md#errors).
        """
        if not self.waiting:
            raise RequestError(f'Runs in status "{self.run["status"]}" do not accept tool outputs.')
        calls = self._calls or PendingCalls([])
        calls.answer(outputs)
        if calls.to_run:
            self._writer.set_calls(calls.shown)
        else:
            self._answer(calls)
        self._writer.move_run(RunStatus.QUEUED, required_action=None)
        return self._writer.take()

    def close(self, reason: Ending, error: Object | None = None) -> list[Event]:
        """End the run from outside. Open objects are closed with their partial text, innermost first.

        Args:
            reason: `EOF` does nothing if the end of the upstream was expected.
            error: `{code, message}` for `FAILED`. A failure that the upstream reported has precedence.
        """
        if self.ended or (reason is Ending.EOF and self._calls is not None):
            return []
        if reason is Ending.CANCELLED:
            self._cancel()
        elif reason is Ending.EXPIRED:
            self._abort(RunStatus.EXPIRED, StepStatus.EXPIRED, "run_expired")
        elif reason is Ending.EOF and self._options.lenient_end and self._reader.all_done and not self.failing:
            self._complete()
        else:
            unexplained = Failure() if self.failing else Failure(SERVER_ERROR, UNFINISHED[reason])
            self._fail(Failure.of(error) if error else unexplained)
        return self._writer.take()

    def _begin_reading(self, items: Sequence[Item]) -> bool:
        """Begin a response if one is due, and return whether it is."""
        status = self._writer.status
        if self._calls is not None or not items or status not in (RunStatus.QUEUED, RunStatus.IN_PROGRESS):
            return False
        if status is RunStatus.QUEUED:
            self._writer.move_run(RunStatus.IN_PROGRESS)
        self._reading = True
        return True

    # -- the end of a response ----------------------------------------------------------------------------

    def _conclude(self, end: ResponseEnd) -> None:
        if end.status == "completed":
            self._complete()
        elif end.status == "incomplete":
            self._cut(end.reason)
        elif end.status == "cancelled":
            self._cancel()
        else:
            self._fail(Failure())

    def _complete(self) -> None:
        """End a complete response: hand out its calls, or end the run."""
        calls = self._name_calls()
        self._rounds += 1
        spent = spent_budget(self.run, self._total_usage())
        if problem := next(filter(None, (call.problem for call in calls)), None):
            self._fail(Failure(SERVER_ERROR, problem))
        elif broken := broken_promise(self.run, self._reader.response, self._options.ignored, first=not self._items):
            self._fail(Failure(SERVER_ERROR, broken))
        elif not calls:
            self._end(RunStatus.COMPLETED, self._settle_whole(), expires_at=None)
        elif spent:  # the budget is of the run; the upstream knows only this response
            self._end(RunStatus.INCOMPLETE, self._settle_whole(), incomplete_details={"reason": spent})
        elif self._options.max_rounds and self._rounds >= self._options.max_rounds:
            self._end(RunStatus.INCOMPLETE, self._settle_whole(), incomplete_details={})
        else:
            self._writer.close_step(self._settle_whole())
            self._hand_out(PendingCalls.of(calls, self._options.server_tools))

    def _settle_whole(self) -> Closing:
        return self._reader.settle(WHOLE, lambda _: False)

    def _name_calls(self) -> list[FunctionCall]:
        if self.run["parallel_tool_calls"] is False:
            first_call_only(self._reader.response)
        calls = self._reader.response.of(FunctionCall)
        taken = {str(item.get("call_id") or item.get("id")) for item in self._items}
        for call in calls:
            call.settle_id(taken, self._writer.new_id)
        return calls

    def _hand_out(self, calls: PendingCalls) -> None:
        """Open one step for all calls until all are answered: first those of this server."""
        self._calls, self._reading = calls, False
        self._writer.open_calls(calls.shown)
        self._items += self._reader.response.replay()
        self._usage = self._total_usage()
        if not calls.to_run:
            self._continue(calls)

    def _continue(self, calls: PendingCalls) -> None:
        """Require the client's answers; without such calls, finish the calls."""
        if not calls.to_ask:
            self._answer(calls)
            return
        self._writer.set_calls(calls.shown)
        required = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls.to_ask}}
        self._writer.move_run(RunStatus.REQUIRES_ACTION, required_action=required)

    def _answer(self, calls: PendingCalls) -> None:
        """Close the step of the calls with their outputs, and prepare for the next response."""
        if self._writer.step is not None:
            self._writer.set_calls(calls.shown)
            self._writer.close_step(usage=self._reader.usage)
        self._items += calls.items()
        self._calls = None
        self._unknown = self.unknown
        self._reader = ResponseReader(self._writer, self._options)

    def _cut(self, reason: str) -> None:
        """End an incomplete response: cut its last output, drop its calls (spec/servers.md#unusable-calls)."""
        of_message, of_run = INCOMPLETE.get(reason, (None, {}))
        closing = Closing(MessageStatus.INCOMPLETE, StepStatus.COMPLETED, of_message)
        closing = self._reader.settle(closing, lambda output: output is self._reader.order.last)
        self._end(RunStatus.INCOMPLETE, closing, incomplete_details=of_run)

    # -- the end of the run -------------------------------------------------------------------------------

    def _fail(self, failure: Failure) -> None:
        error = self._reader.failure.richer(failure).last_error()
        self._abort(RunStatus.FAILED, StepStatus.FAILED, "run_failed", error)

    def _cancel(self) -> None:
        if self._writer.status is RunStatus.IN_PROGRESS:
            self._writer.move_run(RunStatus.CANCELLING)
        self._abort(RunStatus.CANCELLED, StepStatus.CANCELLED, "run_cancelled")

    def _abort(self, status: RunStatus, step: StepStatus, reason: str, error: Object | None = None) -> None:
        """End the run early. The last output is cut, and so are outputs that the upstream left open."""
        last = self._reader.order.last
        closing = Closing(MessageStatus.INCOMPLETE, step, reason, error)
        if self._calls is None:  # else the response is written, and the open step is that of its calls
            closing = self._reader.settle(closing, lambda output: output is last or not output.done)
        self._end(status, closing, **({"last_error": error} if error else {}))

    def _end(self, status: RunStatus, closing: Closing, **changes: Any) -> None:
        usage = self._usage if self._calls is not None else self._total_usage()
        self._writer.end_run(status, closing, step_usage=self._reader.usage, usage=usage, **changes)
        self._calls, self._reading = None, False

    def _total_usage(self) -> Object | None:
        return add_usage(self._usage, self._reader.usage)

    # -- takeover -----------------------------------------------------------------------------------------

    def _resume(self, state: Object | None, events: Sequence[Event]) -> None:
        """Restore a state, and add the usage in the events after it."""
        since, counted = 0, None
        if state is not None:
            self._items, self._usage, self._rounds = list(state["items"]), state["usage"], state["rounds"]
            since, counted = state["seq"], state["step"] if state["calls"] else None
        later = [event for event in events if event.seq > since and event.name not in ASSISTANTS.vendor_events]
        if state is not None and state["calls"] and not later:
            self._calls = PendingCalls.load(state["calls"])
            self._reader.usage = state["response_usage"]
            self._writer.step = state["step"]
            return
        for step in (event.object() for event in later if event.name in STEP_ENDINGS):
            if counted is None or step["id"] != counted["id"]:
                self._usage = add_usage(self._usage, step["usage"])
