"""The runner owns a run's life: starts it, feeds the translator, takes tool outputs, cancels, expires, sweeps.

Each run has a thread of its own that outlives its reader. Knows neither Flask nor wire formats.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .engines.base import Engine
from .errors import RequestError, StoreError, ThreadBusy
from .execution import Execution
from .log import STOP_SECONDS, RunLog, RunLost, Writer
from .protocol import ids, objects
from .protocol.from_responses import Ending, Translator
from .protocol.objects import Object
from .protocol.run_states import RunStatus
from .run_logger import RunLogger
from .stores.base import Kind, Record, Row, RunRecord, Start, Store
from .takeover import Takeover
from .upstream_request import make_request

logger = logging.getLogger(__name__)

START_TRIES = 3
CANCEL_SECONDS = 1.0
"""A run that was asked to end and is still active after this long is taken from its worker (run protocol 13)."""
SWEEP_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """What a runner is told by the configuration; times in seconds.

    Attributes:
        lease_seconds: how long a silent worker keeps a run.
        expires_seconds: how long a required action may stay unanswered.
        idle_seconds: silence upstream that ends a run as failed.
        citations: whether markers and annotations are given out.
        vector_store_ids: searched by every run.
    """

    lease_seconds: float = 15.0
    expires_seconds: float = 600.0
    idle_seconds: float = 120.0
    citations: bool = True
    vector_store_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to add to a thread: validated, `content` in stored form."""

    content: list[Object]
    role: str = "user"
    attachments: list[Object] | None = None
    metadata: Mapping[str, str] | None = None

    def body(self, new_id: ids.NewId, now: int, thread_id: str) -> Object:
        """Return the message as it is stored."""
        return objects.message(
            new_id(ids.MESSAGE),
            now,
            thread_id,
            self.role,
            self.content,
            attachments=self.attachments,
            metadata=self.metadata,
        )


@dataclass(frozen=True, slots=True)
class Attached:
    """Where to follow a run from."""

    thread_id: str
    run_id: str
    after: int


class Runner:
    """Starts and ends the runs of one configuration.

    Args:
        store: where everything is kept.
        log: the run log over the same store.
        engine: the upstream.
        options: times and tools.
        new_id: makes ids; injected by tests.
    """

    def __init__(
        self,
        store: Store,
        log: RunLog,
        engine: Engine,
        options: RunnerOptions | None = None,
        *,
        new_id: ids.NewId = ids.new_id,
    ) -> None:
        self.store = store
        self.log = log
        self.engine = engine
        self.options = options or RunnerOptions()
        self._new_id = new_id
        self._takeover = Takeover(store, self.options.lease_seconds, new_id, citations=self.options.citations)
        self._executions: dict[str, Execution] = {}
        self._renewed_at = 0.0
        self._sweeping_pid = 0
        self._stopped = threading.Event()
        self._sweeper: threading.Thread | None = None
        self._wake_locks: dict[int, threading.Lock] = {}
        log.on_tick.append(self._end_idle)

    # -- what a route asks for -----------------------------------------------------------------------------

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
        replace_active: bool = True,
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
            replace_active: a run that is still active on the thread is cancelled first; else it is in the way.
            request_id: for the records of this run.

        Raises:
            NotFound: no such thread for this owner; nothing was stored.
            RequestError: a run is in the way; nothing was stored.
            StoreError: the store does not answer; nothing goes upstream.
        """
        self.wake()
        now = int(self.store.now())
        made = new_thread or {}
        thread = objects.thread(self._new_id(ids.THREAD), now, **made) if thread_id is None else None
        thread_id = thread["id"] if thread is not None else thread_id
        assert thread_id is not None
        expiry = {"expires_at": now + int(self.options.expires_seconds)}
        body = objects.run(self._new_id(ids.RUN), now, thread_id, assistant, **{**(overrides or {}), **expiry})
        translator = self._translator(body)
        events = translator.start(thread)
        run = RunRecord(
            Kind.RUN,
            owner,
            translator.run,
            thread_id,
            extra=extra or {},
            due_at=self._lease_end(),
            last_seq=translator.last_seq,
        )
        bodies = [message.body(self._new_id, now, thread_id) for message in messages]
        records = tuple(Record(Kind.MESSAGE, owner, one, thread_id) for one in bodies)
        run = self._begin(
            Start(
                run,
                Row.of(run.id, run.epoch, secrets.token_hex(8), events),
                records,
                None if thread is None else Record(Kind.THREAD, owner, thread),
                {"updated_at": now},
            ),
            replace_active,
        )
        writer = self.log.open(run, events, translator.last_seq)
        history = None if thread is None else bodies
        self._launch(run, translator, writer, request_id, history)
        return Attached(thread_id, run.id, 0)

    def submit(
        self, owner: str, thread_id: str, run_id: str, outputs: Mapping[str, str], *, request_id: str = ""
    ) -> Attached:
        """Answer a run's required action and let it go on, on this worker.

        Args:
            outputs: output by tool call id, exactly the pending ones.

        Raises:
            NotFound: no such run in that thread for this owner.
            RequestError: it waits for nothing, or for other outputs; nothing was changed.
        """
        self.wake()
        run = self._run(owner, thread_id, run_id)
        if run.body["status"] == RunStatus.REQUIRES_ACTION.value and run.due_at <= self.store.now():
            self._takeover.finish(run)
            run = self._run(owner, thread_id, run_id)
        self._check_waiting(run)
        translator = self._takeover.restore(run)
        after = translator.last_seq
        events = translator.tool_outputs(outputs)  # refuses before anything is claimed
        claimed = self.store.claim(run, due_at=self._lease_end())
        if claimed is None:
            self._check_waiting(self._run(owner, thread_id, run_id))
            raise RequestError(f"Run {run_id} was answered or ended meanwhile.")
        writer = self.log.open(claimed, [], after)
        try:
            writer.append(events)
            stored = writer.wait_stored(self.options.lease_seconds)
        except RunLost:
            stored = False
        if not stored:
            raise StoreError(f"The tool outputs of run {run_id} could not be stored; send them again.")
        self._launch(claimed, translator, writer, request_id)
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
        for record in self.store.list(Kind.RUN, owner, parent=thread_id, limit=1).records:
            if isinstance(record, RunRecord) and record.active:
                self._end(record)
        self.store.delete(Kind.THREAD, owner, thread_id)

    def wake(self) -> None:
        """Start the background threads, once per process; cheap when they run."""
        self.log.wake()
        if self._sweeping_pid == os.getpid():
            return
        # Made in its process: one from before gevent's patching would block every greenlet (`--preload`).
        with self._wake_locks.setdefault(os.getpid(), threading.Lock()):
            if self._sweeping_pid != os.getpid():
                self._sweeping_pid, self._stopped = os.getpid(), threading.Event()
                self._sweeper = threading.Thread(
                    target=self._sweep_until, args=(self._stopped,), name="assistant-stream-sweep", daemon=True
                )
                self._sweeper.start()

    def stop(self) -> None:
        """End the background threads of this process; `wake` starts them anew. Runs go on until they end."""
        self._sweeping_pid = 0
        self._stopped.set()
        if self._sweeper is not None:
            self._sweeper.join(STOP_SECONDS)
        self.log.stop()

    # -- starting ------------------------------------------------------------------------------------------

    def _begin(self, start: Start, replace_active: bool) -> RunRecord:
        """Store a start; a run in its way is ended (run protocol 14), unless it is to stay."""
        for tries_left in reversed(range(START_TRIES)):
            try:
                return self.store.start(start)
            except ThreadBusy as busy:
                if not tries_left:  # to end a run and not to begin one would leave nobody answered
                    break
                if not replace_active:
                    raise RequestError(busy.message) from None
                try:
                    active = self.store.get(Kind.RUN, start.run.owner, busy.run_id)
                except RequestError:
                    continue
                assert isinstance(active, RunRecord)
                self._end(active)
        raise RequestError(f"Thread {start.run.parent} is being written to by others; try again.")

    def _translator(self, body: Object) -> Translator:
        return Translator(body, new_id=self._new_id, now=self._now, citations=self.options.citations)

    def _now(self) -> int:
        return int(self.store.now())

    def _lease_end(self) -> float:
        return self.store.now() + self.options.lease_seconds

    # -- executing -----------------------------------------------------------------------------------------

    def _launch(
        self,
        run: RunRecord,
        translator: Translator,
        writer: Writer,
        request_id: str,
        history: list[Object] | None = None,
    ) -> None:
        execution = Execution(run, translator, writer, RunLogger(logger, run, request_id), history)
        self._executions[run.id] = execution
        threading.Thread(target=self._execute, args=(execution,), name=run.id, daemon=True).start()

    def _execute(self, execution: Execution) -> None:
        """Execute a run; the body of its thread."""
        try:
            stores = self.options.vector_store_ids
            execution.execute(
                self.engine,
                lambda: make_request(self.store, execution.run, execution.translator, execution.history, stores),
            )
        finally:
            if self._executions.get(execution.run.id) is execution:
                del self._executions[execution.run.id]

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
        """End a run and wait for it: its worker has a second, then it is taken over (run protocol 13)."""
        self._ask_to_end(run)
        deadline, pause = time.monotonic() + CANCEL_SECONDS, 0.005
        while (run := self._run(run.owner, run.parent, run.id)).active:
            if time.monotonic() >= deadline:
                self._takeover.finish(run)
            time.sleep(pause)
            pause = min(2 * pause, 0.05)

    # -- sweeping ------------------------------------------------------------------------------------------

    def _sweep_until(self, stopped: threading.Event) -> None:
        failing = False
        while not stopped.is_set():
            try:
                self._sweep()
                failing = False
            except StoreError as error:
                if not failing:  # once per outage
                    logger.warning("sweeps are put off, the store does not answer: %s", error.message)
                failing = True
            except Exception:
                logger.exception("sweep failed")
            stopped.wait(SWEEP_SECONDS)

    def _sweep(self) -> None:
        """Renew the leases of this worker's runs, see who is to be cancelled, and end the runs nobody has."""
        mine = dict(self._executions)
        if mine and time.monotonic() - self._renewed_at >= self.options.lease_seconds / 3:
            self.store.renew([(run_id, execution.run.epoch) for run_id, execution in mine.items()], self._lease_end())
            self._renewed_at = time.monotonic()
        if mine:
            for run_id in self.store.cancel_requested(list(mine)):
                mine[run_id].stop(Ending.CANCELLED)
        now = self.store.now()
        for run in self.store.due(now):
            if run.cancel_requested or run.id not in self._executions:
                self._takeover.finish(run, if_due=now)
