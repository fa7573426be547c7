"""Store the start of a run on a thread that may be busy, for a request that may have been sent before.

A policy decides on a busy thread: replace the active run, reject the message, or let it wait for its turn.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ..errors import Duplicate, NotFound, RequestError, StoreError, ThreadBusy
from ..protocol import ids
from ..protocol.events import Event
from ..protocol.objects import Object
from ..protocol.run_states import RunStatus
from ..stores.base import Kind, Record, Row, RunRecord, Start, Store
from ..translation.translator import Translator
from .idempotency import IdempotencyKeys, Repeated
from .queues import QueueFull, QueuePlace, ThreadQueues
from .request_key import RequestKey
from .start_request import Busy, StartRequest
from .stored_runs import active_run, find_run

START_TRIES = 3
SAME_TRIES = 20
"""How often a start is tried while another worker tries it with the same key."""
QUEUE_LENGTH = 8
"""Messages that may wait for one thread in one process, behind the next one."""
POLL_SECONDS = 0.075
BUSY = "thread_busy"


@dataclass(frozen=True, slots=True)
class Draft:
    """A run before it is stored: its first events, the records to store, and the bodies of the user's messages."""

    translator: Translator
    events: list[Event]
    start: Start
    messages: list[Object]

    @classmethod
    def of(
        cls, request: StartRequest, translator: Translator, thread: Object | None, *, due_at: float, new_id: ids.NewId
    ) -> Draft:
        """Assemble the records of a start with a new `thread`, or on the run's; `due_at` is the end of its lease.

        Raises:
            RequestError, NotFound: as the request's `fork`.
        """
        events = translator.start(thread)
        owner, body = request.owner, translator.run
        extra = {**request.extra, **({} if request.key is None else request.key.start_extra)}
        parent, now = body["thread_id"], body["created_at"]
        run = RunRecord(Kind.RUN, owner, body, parent, extra=extra, due_at=due_at, last_seq=translator.last_seq)
        bodies = [message.body(new_id, now, parent) for message in request.messages]
        start = Start(
            run,
            Row.of(run, secrets.token_hex(8), events),
            tuple(Record(Kind.MESSAGE, owner, message, parent) for message in bodies),
            None if thread is None else Record(Kind.THREAD, owner, thread),
            {"updated_at": now},
            request.fork(),
        )
        return cls(translator, events, start, bodies)


class Starts:
    """Stores starts.

    Args:
        end: ends a run and waits for it.
        queue_seconds: how long a message waits for its turn.

    Attributes:
        queues: waiting messages by (owner, thread id).
    """

    def __init__(
        self, store: Store, idempotency: IdempotencyKeys, end: Callable[[RunRecord], None], queue_seconds: float
    ) -> None:
        self._store = store
        self._idempotency = idempotency
        self._end = end
        self._queue_seconds = queue_seconds
        self.queues = ThreadQueues()
        self._closing: set[tuple[str, str]] = set()

    def begin(self, make: Callable[[], Draft], busy: Busy, key: RequestKey | None) -> tuple[Draft, RunRecord]:
        """Store a start and return it with the stored run.

        Args:
            make: creates the draft, again for each try: a message that has waited starts now.

        Raises:
            NotFound: no such thread for this owner.
            RequestError: another run is active and stays so.
            Repeated: the key has started its run before.
            StoreError: the store does not answer.
        """
        draft = make()
        if busy == "queue" and draft.start.thread is None:
            run = draft.start.run
            with self._place(run.owner, run.parent) as place:
                return self._queued(make, key, place)
        for tries_left in reversed(range(START_TRIES)):
            try:
                return self._store_once(draft, key)
            except ThreadBusy as error:
                if not tries_left:  # ending a run without starting one would leave both unanswered
                    break
                if busy != "replace":
                    raise RequestError(error.message) from None
                if error.run_id != draft.start.run.id:
                    active = find_run(self._store, draft.start.run.owner, error.run_id)
                    if active is not None:
                        self._end(active)
                draft = make()
        raise RequestError(f"Thread {draft.start.run.parent} is busy with other requests; try again.")

    @contextmanager
    def closing(self, owner: str, thread_id: str) -> Iterator[None]:
        """Start nothing in this process on a thread that is being deleted; waiting messages get `NotFound`."""
        thread = (owner, thread_id)
        self._closing.add(thread)
        try:
            yield
        finally:
            self._closing.discard(thread)

    @contextmanager
    def free(self, owner: str, thread_id: str, key: RequestKey | None = None) -> Iterator[None]:
        """Wait for the turn of a message and the end of the thread's active run, before anything is stored.

        Raises:
            RequestError: too many messages wait, the wait was too long, or the active run waits for tool outputs.
        """
        with self._place(owner, thread_id) as place:
            run = active_run(self._store, owner, thread_id)
            if run is not None and (key is None or run.id != key.run_id):
                self._await_end(owner, thread_id, run.id, place.deadline)
            yield

    # -- a busy thread -------------------------------------------------------------------------------------

    @contextmanager
    def _place(self, owner: str, thread_id: str) -> Iterator[QueuePlace]:
        try:
            with self.queues.place((owner, thread_id), self._queue_seconds, most=QUEUE_LENGTH) as place:
                if not place.first:
                    raise self._late(thread_id)
                yield place
        except QueueFull:
            message = f"Too many messages wait for thread {thread_id} already; try again later."
            raise RequestError(message, code=BUSY) from None

    def _queued(self, make: Callable[[], Draft], key: RequestKey | None, place: QueuePlace) -> tuple[Draft, RunRecord]:
        while True:
            draft = make()
            try:
                return self._store_once(draft, key)
            except ThreadBusy as error:
                run = draft.start.run
                if error.run_id != run.id:
                    self._await_end(run.owner, run.parent, error.run_id, place.deadline)

    def _await_end(self, owner: str, thread_id: str, run_id: str, deadline: float) -> None:
        """Wait until a run has ended."""
        while (run := find_run(self._store, owner, run_id)) is not None and run.active:
            waits = run.body["status"] == RunStatus.REQUIRES_ACTION.value and not run.cancel_requested
            if waits and run.due_at > self._store.now():
                raise RequestError(
                    f"Run {run_id} of thread {thread_id} waits for tool outputs: submit them or cancel it first.",
                    code=BUSY,
                )
            if time.monotonic() >= deadline:
                raise self._late(thread_id)
            time.sleep(POLL_SECONDS)

    def _late(self, thread_id: str) -> RequestError:
        seconds = f"{self._queue_seconds:g} seconds"
        return RequestError(
            f"Thread {thread_id} was busy for {seconds}; the message was not stored. Send it again.", code=BUSY
        )

    # -- a request that was sent before --------------------------------------------------------------------

    def _store_once(self, draft: Draft, key: RequestKey | None) -> tuple[Draft, RunRecord]:
        """Store a start, unless its key has started the run already."""
        run = draft.start.run
        if (run.owner, run.parent) in self._closing:
            raise NotFound(f"No thread found with id '{run.parent}'.")
        if key is None:
            return draft, self._store.start(draft.start)
        whole = draft
        for _ in range(SAME_TRIES):
            try:
                run = self._store.start(draft.start)
            except Duplicate:
                if (position := self._idempotency.started(key)) is not None:
                    raise Repeated(position) from None
                # A thread without the run: another worker is storing it, or died doing so. The run's writer wins.
                draft = replace(whole, start=replace(whole.start, thread=None))
            except NotFound:
                if whole.start.thread is None:
                    raise
                draft = whole  # that worker has removed its thread
            else:
                self._give_resources(whole, draft)
                return draft, run
            time.sleep(0.01)
        raise StoreError(
            f"Thread {whole.start.run.parent} is being created by the same request elsewhere; send it again."
        )

    def _give_resources(self, whole: Draft, stored: Draft) -> None:
        """Add the vector stores that this start created to the thread that another start created."""
        thread = whole.start.thread
        if thread is not None and stored.start.thread is None:
            resources = {"tool_resources": thread.body.get("tool_resources")}
            self._store.update(Kind.THREAD, thread.owner, thread.id, body=resources)
