"""Store the start of a run on a thread that may be busy, or by a request that may have been sent before.

What becomes of a message on a busy thread is a policy: the active run is replaced, the message is rejected, or it
waits for its turn.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ..errors import Duplicate, NotFound, RequestError, StoreError, ThreadBusy
from ..protocol import ids
from ..protocol.events import Event
from ..protocol.objects import Object
from ..protocol.run_states import RunStatus
from ..stores.base import Kind, Record, Row, RunRecord, Start, Store
from ..translation.translator import Translator
from .idempotency import Repeated, Repeats, RequestKey
from .queues import TooMany, Turn, Turns
from .requests import Busy, NewMessage

START_TRIES = 3
SAME_TRIES = 20
"""How often a start is tried that another worker is at with the same key."""
QUEUE_LENGTH = 8
"""Messages that may wait for one thread in one process, besides the one whose turn is next."""
POLL_SECONDS = 0.075
BUSY = "thread_busy"


@dataclass(frozen=True, slots=True)
class Draft:
    """A run before it is stored.

    Attributes:
        translator: of the run.
        events: its first ones.
        start: what is to be stored.
        messages: the bodies of the user's messages.
    """

    translator: Translator
    events: list[Event]
    start: Start
    messages: list[Object]

    @classmethod
    def of(
        cls,
        owner: str,
        translator: Translator,
        thread: Object | None,
        messages: Sequence[NewMessage],
        extra: Object,
        due_at: float,
        *,
        new_id: ids.NewId,
    ) -> Draft:
        """Put together what a start stores.

        Args:
            translator: of the run, nothing of it told yet.
            thread: one to make, or None for the run's own that stands.
            extra: what is kept with the run beside its body.
            due_at: the end of its lease.
        """
        events = translator.start(thread)
        body = translator.run
        parent, now = body["thread_id"], body["created_at"]
        run = RunRecord(Kind.RUN, owner, body, parent, extra=extra, due_at=due_at, last_seq=translator.last_seq)
        bodies = [message.body(new_id, now, parent) for message in messages]
        start = Start(
            run,
            Row.of(run.id, run.epoch, secrets.token_hex(8), events),
            tuple(Record(Kind.MESSAGE, owner, one, parent) for one in bodies),
            None if thread is None else Record(Kind.THREAD, owner, thread),
            {"updated_at": now},
        )
        return cls(translator, events, start, bodies)


class Starts:
    """Stores starts.

    Args:
        store: where to.
        repeats: finds what a key has begun.
        end: ends a run and waits for it.
        queue_seconds: how long a message waits for its turn.
    """

    def __init__(self, store: Store, repeats: Repeats, end: Callable[[RunRecord], None], queue_seconds: float) -> None:
        self._store = store
        self._repeats = repeats
        self._end = end
        self._queue_seconds = queue_seconds
        self._turns = Turns()
        self._closing: set[tuple[str, str]] = set()

    def begin(self, make: Callable[[], Draft], busy: Busy, key: RequestKey | None) -> tuple[Draft, RunRecord]:
        """Store a start and return it with the run as it stands.

        Args:
            make: makes the draft, anew for each try: a message that has waited starts now.
            busy: what to do where the thread has an active run.
            key: what the request is named by, or None.

        Raises:
            NotFound: the thread is not this owner's.
            RequestError: a run is in the way and stays there.
            Repeated: the key has begun its run before.
            StoreError: the store does not answer.
        """
        draft = make()
        if busy == "queue" and draft.start.thread is None:
            run = draft.start.run
            with self._turn(run.owner, run.parent) as turn:
                return self._queued(make, key, turn)
        for tries_left in reversed(range(START_TRIES)):
            try:
                return self._store_once(draft, key)
            except ThreadBusy as found:
                if not tries_left:  # to end a run and not to begin one would leave nobody answered
                    break
                if busy != "replace":
                    raise RequestError(found.message) from None
                if found.run_id != draft.start.run.id:
                    self._replace(draft.start.run.owner, found.run_id)
                draft = make()
        raise RequestError(f"Thread {draft.start.run.parent} is being written to by others; try again.")

    @contextmanager
    def closing(self, owner: str, thread_id: str) -> Iterator[None]:
        """Begin nothing on a thread that is being deleted; who waits for it hears that it is gone. Of this process."""
        thread = (owner, thread_id)
        self._closing.add(thread)
        try:
            yield
        finally:
            self._closing.discard(thread)

    @contextmanager
    def free(self, owner: str, thread_id: str, key: RequestKey | None = None) -> Iterator[None]:
        """Wait for the turn of a message and for the end of the thread's active run, before anything is stored for it.

        Raises:
            RequestError: too many wait, or for too long, or the active run waits itself.
        """
        with self._turn(owner, thread_id) as turn:
            for run in self._store.list(Kind.RUN, owner, parent=thread_id, limit=1).records:
                if key is None or run.id != key.run_id:
                    self._await_end(owner, thread_id, run.id, turn.deadline)
            yield

    # -- a busy thread -------------------------------------------------------------------------------------

    def _replace(self, owner: str, run_id: str) -> None:
        """End the run that is in the way."""
        try:
            active = self._store.get(Kind.RUN, owner, run_id)
        except NotFound:
            return
        assert isinstance(active, RunRecord)
        self._end(active)

    @contextmanager
    def _turn(self, owner: str, thread_id: str) -> Iterator[Turn]:
        try:
            with self._turns.turn((owner, thread_id), self._queue_seconds, most=QUEUE_LENGTH) as turn:
                if not turn.mine:
                    raise self._late(thread_id)
                yield turn
        except TooMany:
            raise RequestError(f"Too many messages wait for thread {thread_id} already.", code=BUSY) from None

    def _queued(self, make: Callable[[], Draft], key: RequestKey | None, turn: Turn) -> tuple[Draft, RunRecord]:
        while True:
            draft = make()
            try:
                return self._store_once(draft, key)
            except ThreadBusy as found:
                run = draft.start.run
                if found.run_id != run.id:
                    self._await_end(run.owner, run.parent, found.run_id, turn.deadline)

    def _await_end(self, owner: str, thread_id: str, run_id: str, deadline: float) -> None:
        """Wait until a run has ended."""
        while True:
            try:
                run = self._store.get(Kind.RUN, owner, run_id)
            except NotFound:
                return
            assert isinstance(run, RunRecord)
            if not run.active:
                return
            waits = run.body["status"] == RunStatus.REQUIRES_ACTION.value and not run.cancel_requested
            if waits and run.due_at > self._store.now():
                raise RequestError(
                    f"Run {run_id} of thread {thread_id} waits for tool outputs: answer or cancel it first.", code=BUSY
                )
            if time.monotonic() >= deadline:
                raise self._late(thread_id)
            time.sleep(POLL_SECONDS)

    def _late(self, thread_id: str) -> RequestError:
        seconds = f"{self._queue_seconds:g} seconds"
        return RequestError(f"Thread {thread_id} was busy for {seconds}; the message was not sent.", code=BUSY)

    # -- a request that was sent before --------------------------------------------------------------------

    def _store_once(self, draft: Draft, key: RequestKey | None) -> tuple[Draft, RunRecord]:
        """Store a start, unless its key has begun the run already."""
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
                if (attached := self._repeats.started(key)) is not None:
                    raise Repeated(attached) from None
                # A thread without the run: another worker is at it, or has died at it. Whoever stores the run wins.
                draft = replace(whole, start=replace(whole.start, thread=None))
            except NotFound:
                if whole.start.thread is None:
                    raise
                draft = whole  # that worker has taken its thread back
            else:
                self._give_resources(whole, draft)
                return draft, run
            time.sleep(0.01)
        raise StoreError(f"Thread {whole.start.run.parent} is being made by others with the same request.")

    def _give_resources(self, whole: Draft, stored: Draft) -> None:
        """Let a thread that another start has made name the vector stores that this one has made."""
        thread = whole.start.thread
        if thread is not None and stored.start.thread is None:
            resources = {"tool_resources": thread.body.get("tool_resources")}
            self._store.update(Kind.THREAD, thread.owner, thread.id, body=resources)
