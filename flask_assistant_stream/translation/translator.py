"""Raw Responses events in, Assistants events out: the state machine of one run.

Pure: no clock, no randomness, no input or output, no thread. `reader.py` reads items
(`spec/responses.md#event-mapping`), `protocol/writer.py` writes events (`spec/assistants.md#event-order`),
`pending_calls.py` has the calls between two responses. This file decides how the run goes on when a response ends, its
calls are answered or it is closed from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import RequestError
from ..protocol.events import STEP_ENDINGS, VENDOR_EVENTS, Event
from ..protocol.failures import SERVER_ERROR, Failure
from ..protocol.generated_files import GeneratedFile
from ..protocol.ids import NewId
from ..protocol.objects import Object
from ..protocol.run_states import RUN_ACTIVE, MessageStatus, RunStatus, StepStatus
from ..protocol.writer import WHOLE, Closing, RunWriter
from .calls import FunctionCall
from .endings import INCOMPLETE, UNFINISHED, Ending
from .options import TranslatorOptions
from .outputs import Item
from .pending_calls import PendingCalls, can_be_handed_out
from .promises import broken_promise, first_call_only
from .reader import ResponseEnd, ResponseReader
from .usage import add_usage, spent_budget

__all__ = ["Ending", "Translator"]

_DEFAULTS = TranslatorOptions()
_BAD_CALL = "The model called a function without a name or with arguments that are not a JSON object."


class Translator:
    """The state machine of one run.

    Every method returns the events it made, numbered on from `last_seq`; the same calls give the same events.

    Args:
        run: the run's body as it is now.
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
        self._reader = self._new_reader()

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
        """Take a run over from another worker, to `close` it, or to go on where `state` was taken.

        Args:
            run: the run's body as stored.
            events: of its log, in order; gaps are fences, an empty log is a run that told nothing yet.
            state: what `state` returned last, or None. Where the log has gone on since, only what it counted is used.
            last_seq: the last number that is taken in the log; by default that of the last event.
        """
        made = cls(run, new_id=new_id, now=now, options=options)
        log = list(events)
        made._writer.resume(log)
        if last_seq is not None:
            made._writer.last_seq = last_seq
        made._resume(state, log)
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
        """Whether a failure is held until the upstream ends or `close` is called (`spec/servers.md#failures`)."""
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

    @property
    def calls_to_run(self) -> list[Object]:
        """The calls, `{id, type, function}`, that this server is to execute now; `tool_results` takes the outputs."""
        return self._calls.to_run if self._calls is not None and not self.waiting else []

    def take_files(self) -> list[GeneratedFile]:
        """Return the files made by tools of the upstream that events since the last call mention."""
        return self._writer.take_files()

    def items(self) -> list[Item]:
        """Return this run's calls, outputs, messages and reasoning so far, for the next request's input."""
        return list(self._items)

    def state(self) -> Object:
        """Return, as JSON values, what `restore` needs besides the run and its events.

        Worth storing where calls are pending: with a required action, and while calls are executed.
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
        if not self._reading and not self._begin_reading(items):
            return []
        outcome = self._reader.read(items)
        if outcome is not None:
            self._conclude(outcome)
        return self._writer.take()

    def tool_results(self, outputs: Mapping[str, str]) -> list[Event]:
        """Take the outputs of `calls_to_run`, by call id; the next response may be fed, or others must answer.

        Raises:
            ValueError: these are not the calls to run.
        """
        if self.ended:
            return []
        if self._calls is None or self.waiting:
            raise ValueError("There are no calls to run.")
        self._calls.finish(outputs)
        if self._writer.status is RunStatus.QUEUED:
            self._writer.move_run(RunStatus.IN_PROGRESS)
        self._go_on(self._calls)
        return self._writer.take()

    def tool_outputs(self, outputs: Mapping[str, str]) -> list[Event]:
        """Take the client's outputs of the required action, by call id; the run is queued.

        What comes next is the next response, or first `calls_to_run` where calls were approved.

        Raises:
            RequestError: the run does not wait, or these are not the pending calls (`spec/assistants.md#errors`).
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
        """End the run from outside: what is open is closed with its partial text, innermost first.

        Args:
            reason: why. `EOF` does nothing where the upstream's end was to be expected.
            error: `{code, message}`, for `FAILED`; a failure that was held says more and is told before it.
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
        """Say whether a response is due, and begin it; that holds until it ends."""
        status = self._writer.status
        if self._calls is not None or not items or status not in (RunStatus.QUEUED, RunStatus.IN_PROGRESS):
            return False
        if status is RunStatus.QUEUED:
            self._writer.move_run(RunStatus.IN_PROGRESS)
        self._reading = True
        return True

    # -- how a response ended -----------------------------------------------------------------------------

    def _conclude(self, outcome: ResponseEnd) -> None:
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
        self._rounds += 1
        spent = spent_budget(self.run, self._sum())
        if not all(can_be_handed_out(call, self._options.server_tools) for call in calls):
            self._fail(Failure(SERVER_ERROR, _BAD_CALL))
        elif broken := broken_promise(self.run, self._reader.response, self._options.ignored, first=not self._items):
            self._fail(Failure(SERVER_ERROR, broken))
        elif not calls:
            self._end(RunStatus.COMPLETED, self._settle_whole(), expires_at=None)
        elif spent:  # the budgets are the run's, the upstream knows the response's only
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
        """Put all calls into one step, left open until all are answered: this server's first, then the others'."""
        self._calls, self._reading = calls, False
        self._writer.open_calls(calls.shown)
        self._items += self._reader.response.replay()
        self._usage = self._sum()
        if not calls.to_run:
            self._go_on(calls)

    def _go_on(self, calls: PendingCalls) -> None:
        """Ask for what others must answer; with nothing to ask for, the calls are answered."""
        if not calls.to_ask:
            self._answer(calls)
            return
        self._writer.set_calls(calls.shown)
        required = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls.to_ask}}
        self._writer.move_run(RunStatus.REQUIRES_ACTION, required_action=required)

    def _answer(self, calls: PendingCalls) -> None:
        """Close the step of the calls with their outputs and make ready for the next response."""
        if self._writer.step is not None:
            self._writer.set_calls(calls.shown)
            self._writer.close_step(usage=self._reader.usage)
        self._items += calls.items()
        self._calls = None
        self._unknown = self.unknown
        self._reader = self._new_reader()

    def _cut(self, reason: str) -> None:
        """End an incomplete response: its last output is cut, calls are dropped (`spec/servers.md#unusable-calls`)."""
        of_message, of_run = INCOMPLETE.get(reason, (None, {}))
        closing = Closing(MessageStatus.INCOMPLETE, StepStatus.COMPLETED, of_message)
        closing = self._reader.settle(closing, lambda output: output is self._reader.order.last)
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
        last = self._reader.order.last
        closing = Closing(MessageStatus.INCOMPLETE, step, reason, error)
        if self._calls is None:  # else all of the response is written, and what is open is the step of its calls
            closing = self._reader.settle(closing, lambda output: output is last or not output.done)
        self._end(status, closing, **({"last_error": error} if error else {}))

    def _end(self, status: RunStatus, closing: Closing, **changes: Any) -> None:
        usage = self._usage if self._calls is not None else self._sum()
        self._writer.end_run(status, closing, step_usage=self._reader.usage, usage=usage, **changes)
        self._calls, self._reading = None, False

    def _sum(self) -> Object | None:
        return add_usage(self._usage, self._reader.usage)

    def _new_reader(self) -> ResponseReader:
        return ResponseReader(self._writer, self._options)

    # -- taking over --------------------------------------------------------------------------------------

    def _resume(self, state: Object | None, events: Sequence[Event]) -> None:
        """Take up a state, and from the events after it what the responses since have cost."""
        since, counted = 0, None
        if state is not None:
            self._items, self._usage, self._rounds = list(state["items"]), state["usage"], state["rounds"]
            since, counted = state["seq"], state["step"] if state["calls"] else None
        later = [event for event in events if event.seq > since and event.name not in VENDOR_EVENTS]
        if state is not None and state["calls"] and not later:
            self._calls = PendingCalls.load(state["calls"])
            self._reader.usage = state["response_usage"]
            self._writer.step = state["step"]
            return
        for step in (event.object() for event in later if event.name in STEP_ENDINGS):
            if counted is None or step["id"] != counted["id"]:
                self._usage = add_usage(self._usage, step["usage"])
