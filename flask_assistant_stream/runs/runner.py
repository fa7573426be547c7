"""The runner owns a run's life: it starts, executes, continues, cancels and sweeps runs.

Each run has a thread of its own that outlives its reader. Knows neither Flask nor wire formats.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

from ..errors import RequestError, StoreError
from ..log.run_log import RunLog, RunLost
from ..loggers import logger_of
from ..protocol import ids, objects
from ..protocol.objects import Object
from ..protocol.run_states import RunStatus
from ..run_logger import RunLogger
from ..stores.base import Kind, RunRecord, Store
from ..stores.lines import TURN
from ..stores.rules import START_TURNS
from ..titles import TITLED, Titles
from ..translation.options import TranslatorOptions
from ..translation.past_messages import message_text
from ..translation.translator import Ending, Translator
from .draining import Drain
from .execution import Execution, RunContext
from .idempotency import IdempotencyKeys
from .request_key import RequestKey
from .start_request import Busy, RunPosition, StartRequest
from .starting import Draft, Starts
from .stored_runs import active_run
from .sweeper import Sweeper
from .takeover import Takeover

logger = logger_of(__name__)

CANCEL_SECONDS = 1.0
"""Seconds after a cancel until a run is taken from its worker (`spec/run-protocol.md#cancellation`)."""


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """Options of a runner; times in seconds.

    Attributes:
        lease_seconds: how long a silent worker keeps a run.
        expires_seconds: how long a required action waits for its tool outputs.
        idle_seconds: silence of the upstream that ends a run as failed.
        busy_thread: the policy for a message on a busy thread, if the request names none.
        queue_seconds: how long a message waits for its turn: less than the 30 s after which proxies give up.
        translation: options of every run's translator; the runner adds what depends on engine and run.
    """

    lease_seconds: float = 15.0
    expires_seconds: float = 600.0
    idle_seconds: float = 120.0
    busy_thread: Busy = "replace"
    queue_seconds: float = 25.0
    translation: TranslatorOptions = field(default_factory=TranslatorOptions)


class Runner:
    """Starts and ends the runs of one registration."""

    def __init__(
        self,
        store: Store,
        log: RunLog,
        context: RunContext,
        options: RunnerOptions | None = None,
        *,
        titles: Titles | None = None,
        new_id: ids.NewId = ids.new_id,
    ) -> None:
        self.store = store
        self.log = log
        self.options = options or RunnerOptions()
        self._context = context
        self._new_id = new_id
        self._titles = titles
        self._executions: dict[str, Execution] = {}
        self._takeover = Takeover(
            store,
            self.options.lease_seconds,
            new_id,
            self._translator_options,
            None if titles is None else titles.bridge,
        )
        self._sweeper = Sweeper(store, self._takeover, self._executions, self.options.lease_seconds)
        self.on_sweep = self._sweeper.on_sweep
        self.idempotency = IdempotencyKeys(store, self.options.lease_seconds + 1)
        self.starts = Starts(store, self.idempotency, self._end, self.options.queue_seconds)
        self.drain = Drain(log, self._executions, self._end_left)
        log.on_tick.append(self._end_idle)
        if titles is not None:
            log.on_tick.append(titles.end_late)

    # -- requests of routes --------------------------------------------------------------------------------

    def start(self, request: StartRequest) -> RunPosition:
        """Add messages to a thread and run the assistant on it; both are stored when this returns.

        Raises:
            NotFound: no such thread for this owner; nothing was stored.
            RequestError: another run is active, or the thread has too many forks; nothing was stored.
            Repeated: the key has started its run before; nothing was stored now.
            StoreError: the store does not answer; nothing goes upstream.
            Unavailable: the process is shutting down; nothing was stored.
        """
        with self.drain.admission():
            self.wake()
            new_id = self._new_id if request.key is None else request.key.new_id
            new_thread_id = new_id(ids.THREAD) if request.thread_id is None else None
            run_id = new_id(ids.RUN)
            draft, run = self.starts.begin(
                lambda: self._draft(request, run_id, new_thread_id),
                request.busy or self.options.busy_thread,
                request.key,
            )
            writer = self.log.open(run, draft.events, draft.translator.last_seq)
            messages = None if draft.start.thread is None else draft.messages
            run_log = RunLogger(logger, run, request.request_id)
            execution = Execution(run, draft.translator, writer, run_log, messages, around=self._context.keep_context())
            if request.titled and draft.messages and run.position // TURN <= START_TURNS:
                self._give_title_early(execution, draft.messages[0])
            self._launch(execution)
            return RunPosition(run.parent, run.id, 0)

    def free(self, owner: str, thread_id: str, key: RequestKey | None = None) -> AbstractContextManager[None]:
        """Wait for a busy thread if its policy is to queue, before anything changes; see `Starts.free`."""
        queues = self.options.busy_thread == "queue"
        return self.starts.free(owner, thread_id, key) if queues else nullcontext()

    def submit(
        self,
        owner: str,
        thread_id: str,
        run_id: str,
        outputs: Mapping[str, str],
        *,
        key: RequestKey | None = None,
        request_id: str = "",
    ) -> RunPosition:
        """Answer a run's required action and continue the run on this worker.

        Args:
            outputs: output by tool call id, exactly the pending ones.

        Raises:
            NotFound: no such run in that thread for this owner.
            RequestError: the run waits for no outputs, or for others; nothing was changed.
            Unavailable: the process is shutting down; nothing was changed.
        """
        with self.drain.admission():
            self.wake()
            run = self._run(owner, thread_id, run_id)
            if key is not None and (position := self.idempotency.submitted(run, key)) is not None:
                return position
            if run.body["status"] == RunStatus.REQUIRES_ACTION.value and run.due_at <= self.store.now():
                self._takeover.finish(run)
                run = self._run(owner, thread_id, run_id)
            self._check_waiting(run)
            translator = self._takeover.restore(run)
            after = translator.last_seq
            refusal, claimed = RequestError(f"Run {run_id} was answered or ended meanwhile."), None
            try:
                events = translator.tool_outputs(outputs)  # refuses before anything is claimed
                extra = None if key is None else key.answer_extra(after)
                claimed = self.store.claim(run, due_at=self._lease_end(), extra=extra)
            except RequestError as error:
                refusal = error
            if claimed is None:  # the same request may have been sent twice
                run = self._run(owner, thread_id, run_id)
                if key is not None and (position := self.idempotency.submitted(run, key)) is not None:
                    return position
                self._check_waiting(run)
                raise refusal
            writer = self.log.open(claimed, [], after)
            try:
                writer.append(events)
                stored = writer.wait_stored(self.options.lease_seconds)
            except RunLost:
                stored = False
            if not stored:
                raise StoreError(f"The tool outputs of run {run_id} could not be stored; send them again.")
            run_log = RunLogger(logger, claimed, request_id)
            self._launch(Execution(claimed, translator, writer, run_log, around=self._context.keep_context()))
            return RunPosition(thread_id, run_id, after)

    def cancel(self, owner: str, thread_id: str, run_id: str) -> Object:
        """Ask a run to end and return it: `cancelling`, or `cancelled` if it ended at once.

        Raises:
            NotFound: no such run in that thread for this owner.
            RequestError: the run has ended already.
        """
        self.wake()
        run = self._run(owner, thread_id, run_id)
        if not run.active:
            raise RequestError(f"Cannot cancel run with status '{run.body['status']}'.")
        self._ask_to_end(run)
        run = self._run(owner, thread_id, run_id)
        ending = {"status": RunStatus.CANCELLING.value, "required_action": None}
        return {**run.body, **ending} if run.active else run.body

    def delete_thread(self, owner: str, thread_id: str) -> None:
        """End the active run of a thread, then delete the thread with its messages and runs.

        Raises:
            NotFound: no such thread for this owner.
        """
        self.wake()
        self.store.get(Kind.THREAD, owner, thread_id)
        with self.starts.closing(owner, thread_id):
            run = active_run(self.store, owner, thread_id)
            if run is not None:
                self._end(run)
            self.store.delete(Kind.THREAD, owner, thread_id)

    def wake(self) -> None:
        """Start the background threads, once per process; cheap if they run already."""
        self.log.wake()
        self._sweeper.wake()
        self._context.engine.wake()

    def stop(self) -> None:
        """End the background threads of this process; `wake` starts them again. Runs go on until they end."""
        self._sweeper.stop()
        self.log.stop()

    # -- starting ------------------------------------------------------------------------------------------

    def _draft(self, request: StartRequest, run_id: str, new_thread_id: str | None) -> Draft:
        if request.titled:
            request = replace(request, extra={**request.extra, TITLED: True})
        now, parent = int(self.store.now()), new_thread_id or request.thread_id
        assert parent is not None
        expiry = {"expires_at": now + int(self.options.expires_seconds)}
        body = objects.run(run_id, now, parent, request.assistant, **{**request.overrides, **expiry})
        thread = None if new_thread_id is None else objects.thread(new_thread_id, now, **request.new_thread)
        options = self._translator_options(body)
        translator = Translator(body, new_id=self._new_id, now=lambda: int(self.store.now()), options=options)
        return Draft.of(request, translator, thread, due_at=self._lease_end(), new_id=self._new_id)

    def _translator_options(self, body: Object) -> TranslatorOptions:
        """Return the options of a run's translator, the same on every worker."""
        engine, tools = self._context.engine, self._context.tools
        return replace(
            self.options.translation,
            lenient_end=engine.bare_end,
            ignored=engine.ignores,
            server_tools={} if tools is None else tools.names(body),
        )

    def _lease_end(self) -> float:
        return self.store.now() + self.options.lease_seconds

    # -- executing -----------------------------------------------------------------------------------------

    def _launch(self, execution: Execution) -> None:
        self._executions[execution.run.id] = execution
        if self._titles is not None:
            self._titles.yield_to_run()
        threading.Thread(target=self._execute, args=(execution,), name=execution.run.id, daemon=True).start()

    def _execute(self, execution: Execution) -> None:
        """Execute a run, then write the title that its thread lacks; the body of its thread."""
        try:
            execution.execute(self._context)
        finally:
            if self._executions.get(execution.run.id) is execution:
                del self._executions[execution.run.id]
        if self._titles is not None and execution.translator.ended:
            self._titles.complete(execution.run)

    def _give_title_early(self, execution: Execution, message: Object) -> None:
        """Write the title of a run's thread from its first message before the run ends, if that delays no answer.

        The first words are the title at once; a model writes it beside the answer, after the answer has begun.
        """
        titles, run = self._titles, execution.run
        if titles is None or not titles.early:
            return
        give = partial(titles.give, run.owner, run.parent, message_text(message), execution.announce)
        if titles.asks_model:
            execution.on_answer = threading.Thread(target=give, name=f"title-{run.parent}", daemon=True).start
        else:
            give()

    def _end_idle(self, now: float) -> None:
        """End the runs whose upstream was silent for too long; called by the log's ticker."""
        for execution in list(self._executions.values()):
            execution.stop_if_idle(now, self.options.idle_seconds, self._context.engine.first_seconds)

    # -- ending --------------------------------------------------------------------------------------------

    def _run(self, owner: str, thread_id: str, run_id: str) -> RunRecord:
        run = self.store.get(Kind.RUN, owner, run_id, parent=thread_id)
        assert isinstance(run, RunRecord)
        return run

    def _check_waiting(self, run: RunRecord) -> None:
        if run.body["status"] != RunStatus.REQUIRES_ACTION.value:
            raise RequestError(f'Runs in status "{run.body["status"]}" do not accept tool outputs.')

    def _ask_to_end(self, run: RunRecord) -> None:
        """Store the cancel; end the run at once if this worker executes it or it waits for tool outputs."""
        run = self.store.request_cancel(run.owner, run.id, due_at=self.store.now() + CANCEL_SECONDS)
        execution = self._executions.get(run.id)
        if run.active and run.body["status"] == RunStatus.REQUIRES_ACTION.value:
            self._takeover.finish(run)  # even if its last execution is still leaving
        elif execution is not None:
            execution.stop(Ending.CANCELLED)

    def _end(self, run: RunRecord) -> None:
        """End a run and wait until it has ended (`spec/run-protocol.md#cancellation`)."""
        self._ask_to_end(run)
        deadline, pause = time.monotonic() + CANCEL_SECONDS, 0.005
        while (run := self._run(run.owner, run.parent, run.id)).active:
            if time.monotonic() >= deadline:
                self._takeover.finish(run)
            time.sleep(pause)
            pause = min(2 * pause, 0.05)

    def _end_left(self, run: RunRecord) -> None:
        """End a run whose thread in this process hangs."""
        run = self._run(run.owner, run.parent, run.id)
        if run.active:
            self._takeover.finish(run)
