"""The runner owns a run's life: starts it, has it executed, takes tool outputs, cancels, has it swept.

Each run has a thread of its own that outlives its reader. Knows neither Flask nor wire formats.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ..engines.base import Engine
from ..errors import RequestError, StoreError
from ..files.files import Files
from ..files.tool_resources import Resources
from ..log.run_log import RunLog, RunLost
from ..protocol import ids, objects
from ..protocol.objects import Object
from ..protocol.run_states import RunStatus
from ..run_logger import RunLogger
from ..stores.base import TURN, Kind, RunRecord, Store
from ..titles import Titles, message_text
from ..tools.server import ServerTools
from ..translation.translator import Ending, Translator
from .draining import Drain, admitted
from .execution import Execution, Surroundings
from .idempotency import Repeats, RequestKey
from .requests import Attached, Busy, NewMessage, RunnerOptions
from .starting import Draft, Starts
from .sweeper import Sweeper
from .takeover import Takeover
from .upstream_request import Requests

logger = logging.getLogger(__name__)

START_TURNS = 2
"""Turns of a thread that a start takes: the first one of a thread is placed within them."""
CANCEL_SECONDS = 1.0
"""Seconds after a cancel until a run is taken from its worker (`spec/run-protocol.md#cancellation`)."""


class Runner:
    """Starts and ends the runs of one configuration.

    Args:
        store: where everything is kept.
        log: the run log over the same store.
        engine: the upstream.
        options: times and tools.
        tools: the functions that are executed here, or None.
        files, resources: what is kept of files, or None.
        titles: writes titles of threads, or None.
        new_id: makes ids; injected by tests.
    """

    def __init__(
        self,
        store: Store,
        log: RunLog,
        engine: Engine,
        options: RunnerOptions | None = None,
        *,
        tools: ServerTools | None = None,
        files: Files | None = None,
        resources: Resources | None = None,
        titles: Titles | None = None,
        new_id: ids.NewId = ids.new_id,
    ) -> None:
        self.store = store
        self.log = log
        self.engine = engine
        self.options = options or RunnerOptions()
        self._new_id = new_id
        self._tools = tools
        self._titles = titles
        self._executions: dict[str, Execution] = {}
        self._surroundings = Surroundings(engine, self._requests(resources), tools, files)
        self._takeover = Takeover(store, self.options.lease_seconds, new_id, self._translator_options)
        self._sweeper = Sweeper(store, self._takeover, self._executions, self.options.lease_seconds)
        self.on_sweep = self._sweeper.on_sweep
        self.repeats = Repeats(store, self.options.lease_seconds)
        self._starts = Starts(store, self.repeats, self._end, self.options.queue_seconds)
        self.drain = Drain(log, self._executions, self._end_left)
        log.on_tick.append(self._end_idle)
        if titles is not None:
            log.on_tick.append(titles.end_late)

    # -- what a route asks for -----------------------------------------------------------------------------

    @admitted
    def start(
        self,
        owner: str,
        assistant: Object,
        messages: Sequence[NewMessage],
        *,
        thread_id: str | None = None,
        new_thread: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
        extra: Object | None = None,
        busy: Busy | None = None,
        titled: bool = False,
        key: RequestKey | None = None,
        request_id: str = "",
    ) -> Attached:
        """Add messages to a thread and run the assistant on it.

        When this returns, messages and run are stored.

        Args:
            owner: whose thread it is.
            assistant: the assistant's object.
            messages: in order; none runs the thread as it is.
            thread_id: None makes a thread, and `thread.created` is the first event.
            new_thread: its `metadata` and `tool_resources`.
            overrides: fields of the run request.
            extra: what is kept with the run beside its body.
            busy: what to do where the thread has an active run; None for what the options say.
            titled: the first message of a thread gives it a title, written beside the run.
            key: what the request is named by, so that it may be sent again, or None.
            request_id: for the records of this run.

        Raises:
            NotFound: no such thread for this owner; nothing was stored.
            RequestError: a run is in the way; nothing was stored.
            Repeated: the key has begun its run before; nothing was stored now.
            StoreError: the store does not answer; nothing goes upstream.
            Unavailable: the process is shutting down; nothing was stored.
        """
        self.wake()
        new_id = self._new_id if key is None else key.new_id
        made_id = new_id(ids.THREAD) if thread_id is None else None
        run_id = new_id(ids.RUN)

        def make() -> Draft:
            now = int(self.store.now())
            thread = None if made_id is None else objects.thread(made_id, now, **(new_thread or {}))
            parent = made_id or thread_id
            assert parent is not None
            expiry = {"expires_at": now + int(self.options.expires_seconds)}
            body = objects.run(run_id, now, parent, assistant, **{**(overrides or {}), **expiry})
            kept = {**(extra or {}), **({} if key is None else key.begun)}
            due_at = self._lease_end()
            return Draft.of(owner, self._translator(body), thread, messages, kept, due_at, new_id=self._new_id)

        draft, run = self._starts.begin(make, busy or self.options.busy_thread, key)
        writer = self.log.open(run, draft.events, draft.translator.last_seq)
        history = None if draft.start.thread is None else draft.messages
        execution = Execution(run, draft.translator, writer, RunLogger(logger, run, request_id), history)
        if titled and draft.messages and run.position // TURN <= START_TURNS:
            self._give_title(execution, draft.messages[0])
        self._launch(execution)
        return Attached(run.parent, run.id, 0)

    def free(self, owner: str, thread_id: str, key: RequestKey | None = None) -> AbstractContextManager[None]:
        """Wait, where messages are to wait for a busy thread, before anything is changed for one; see `Starts.free`."""
        queues = self.options.busy_thread == "queue"
        return self._starts.free(owner, thread_id, key) if queues else nullcontext()

    @admitted
    def submit(
        self,
        owner: str,
        thread_id: str,
        run_id: str,
        outputs: Mapping[str, str],
        *,
        key: RequestKey | None = None,
        request_id: str = "",
    ) -> Attached:
        """Answer a run's required action and let it go on, on this worker.

        Args:
            outputs: output by tool call id, exactly the pending ones.
            key: what the request is named by, so that it may be sent again, or None.

        Raises:
            NotFound: no such run in that thread for this owner.
            RequestError: it waits for nothing, or for other outputs; nothing was changed.
            Unavailable: the process is shutting down; nothing was changed.
        """
        self.wake()
        run = self._run(owner, thread_id, run_id)
        if key is not None and (attached := self.repeats.submitted(run, key)) is not None:
            return attached
        if run.body["status"] == RunStatus.REQUIRES_ACTION.value and run.due_at <= self.store.now():
            self._takeover.finish(run)
            run = self._run(owner, thread_id, run_id)
        self._check_waiting(run)
        translator = self._takeover.restore(run)
        after = translator.last_seq
        refused, claimed = RequestError(f"Run {run_id} was answered or ended meanwhile."), None
        try:
            events = translator.tool_outputs(outputs)  # refuses before anything is claimed
            kept = None if key is None else key.answered(after)
            claimed = self.store.claim(run, due_at=self._lease_end(), extra=kept)
        except RequestError as error:
            refused = error
        if claimed is None:  # the same answer may have come in meanwhile
            run = self._run(owner, thread_id, run_id)
            if key is not None and (attached := self.repeats.submitted(run, key)) is not None:
                return attached
            self._check_waiting(run)
            raise refused
        writer = self.log.open(claimed, [], after)
        try:
            writer.append(events)
            stored = writer.wait_stored(self.options.lease_seconds)
        except RunLost:
            stored = False
        if not stored:
            raise StoreError(f"The tool outputs of run {run_id} could not be stored; send them again.")
        self._launch(Execution(claimed, translator, writer, RunLogger(logger, claimed, request_id)))
        return Attached(thread_id, run_id, after)

    def cancel(self, owner: str, thread_id: str, run_id: str) -> Object:
        """Ask a run to end and return it: `cancelling`, or `cancelled` where nothing had to be waited for.

        Raises:
            NotFound: no such run in that thread for this owner.
            RequestError: it has ended already.
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
        """Delete a thread with all that is below it; its active run is ended first.

        Raises:
            NotFound: no such thread for this owner.
        """
        self.wake()
        self.store.get(Kind.THREAD, owner, thread_id)
        with self._starts.closing(owner, thread_id):
            for record in self.store.list(Kind.RUN, owner, parent=thread_id, limit=1).records:
                if isinstance(record, RunRecord) and record.active:
                    self._end(record)
            self.store.delete(Kind.THREAD, owner, thread_id)

    def wake(self) -> None:
        """Start the background threads, once per process; cheap when they run."""
        self.log.wake()
        self._sweeper.wake()
        self.engine.wake()

    def stop(self) -> None:
        """End the background threads of this process; `wake` starts them anew. Runs go on until they end."""
        self._sweeper.stop()
        self.log.stop()

    # -- starting ------------------------------------------------------------------------------------------

    def _translator(self, body: Object) -> Translator:
        return Translator(body, new_id=self._new_id, now=self._now, **self._translator_options(body))

    def _translator_options(self, body: Object) -> dict[str, Any]:
        """Return what every translator of a run is made with, on whichever worker."""
        return {
            "citations": self.options.citations,
            "server_tools": {} if self._tools is None else self._tools.names(body),
            "max_rounds": self.options.max_rounds,
            "reasoning": self.options.reasoning,
            "lenient_end": self.engine.bare_end,
            "ignored": self.engine.ignores,
        }

    def _requests(self, resources: Resources | None) -> Requests:
        return Requests(
            self.store,
            resources,
            vector_store_ids=self.options.vector_store_ids,
            extra_tools=self.options.upstream_tools,
            reasoning=self.options.reasoning,
        )

    def _now(self) -> int:
        return int(self.store.now())

    def _lease_end(self) -> float:
        return self.store.now() + self.options.lease_seconds

    # -- executing -----------------------------------------------------------------------------------------

    def _launch(self, execution: Execution) -> None:
        self._executions[execution.run.id] = execution
        threading.Thread(target=self._execute, args=(execution,), name=execution.run.id, daemon=True).start()

    def _execute(self, execution: Execution) -> None:
        """Execute a run; the body of its thread."""
        try:
            execution.execute(self._surroundings)
        finally:
            if self._executions.get(execution.run.id) is execution:
                del self._executions[execution.run.id]

    def _give_title(self, execution: Execution, message: Object) -> None:
        """Give the thread of a run a title made of a message; a model writes it beside the run, never delaying it."""
        titles, run = self._titles, execution.run
        if titles is None or not titles.automatic:
            return
        arguments = (run.owner, run.parent, message_text(message), execution.announce)
        if titles.asks_model:
            threading.Thread(target=titles.give, args=arguments, name=f"title-{run.parent}", daemon=True).start()
        else:
            titles.give(*arguments)

    def _end_idle(self, now: float) -> None:
        """End the runs whose upstream has been silent for too long; called by the log's ticker."""
        for execution in list(self._executions.values()):
            execution.stop_if_idle(now, self.options.idle_seconds)

    # -- ending --------------------------------------------------------------------------------------------

    def _run(self, owner: str, thread_id: str, run_id: str) -> RunRecord:
        run = self.store.get(Kind.RUN, owner, run_id, parent=thread_id)
        assert isinstance(run, RunRecord)
        return run

    def _check_waiting(self, run: RunRecord) -> None:
        if run.body["status"] != RunStatus.REQUIRES_ACTION.value:
            raise RequestError(f'Runs in status "{run.body["status"]}" do not accept tool outputs.')

    def _ask_to_end(self, run: RunRecord) -> None:
        """Note the wish in the store, and see to it here where this worker has the run or nobody has."""
        run = self.store.request_cancel(run.owner, run.id, due_at=self.store.now() + CANCEL_SECONDS)
        execution = self._executions.get(run.id)
        if execution is not None:
            execution.stop(Ending.CANCELLED)
        elif run.active and run.body["status"] == RunStatus.REQUIRES_ACTION.value:
            self._takeover.finish(run)

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
        """End a run whose thread here does not come back."""
        run = self._run(run.owner, run.parent, run.id)
        if run.active:
            self._takeover.finish(run)
