"""The run log: one writer appends a run's events, any number of readers follow them, one flusher stores them.

Readers on the worker that writes a run read from memory; readers elsewhere read from the store (`follow.py`). This
file alone decides what may be shown before it is stored. Knows neither engines nor HTTP.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from ..errors import AssistantStreamError, StoreError
from ..loggers import logger_of
from ..per_process import ProcessThreads
from ..protocol.dialects import dialect_of
from ..protocol.events import Event
from ..protocol.objects import Object
from ..stores.base import WINDOW, AppendResult, Projection, Row, RunRecord, Store
from .follow import Follower
from .projection import project_events
from .signals import Signal
from .watch import LogWatch

logger = logger_of(__name__)

FLUSH_SECONDS = 0.04
"""How long a flush waits for more deltas; an urgent one does not wait."""
TICK_SECONDS = 0.5
"""How often heartbeats and idle upstreams are checked: one ticker costs less than a time-out on every wait."""
KEPT = 128
"""Stored events kept in memory for readers that are a little behind."""

Write = tuple[Row, Projection | None]


class RunLost(AssistantStreamError):
    """Another worker has taken the run over, or the store has failed for longer than the lease."""


class Writer:
    """The only writer of a run in this process; holds the end of the run's log in memory.

    Attributes:
        run: the run as claimed or started; every row carries its epoch.
        dialect: of its events.
        stored: the last event number in the store.
        written: the last event number appended.
        lost: the run belongs to another worker.
        finished: the last event ends the stream, and it is stored.
    """

    def __init__(self, log: RunLog, run: RunRecord, events: list[Event], stored: int) -> None:
        self.run = run
        self.dialect = dialect_of(run.dialect)
        self.stored = stored
        self.written = stored
        self.lost = False
        self.finished = False
        self.in_flight: Write | None = None
        self.flush_since = 0.0
        self.followers: set[Follower] = set()
        self.on_lost: Callable[[], None] | None = None
        self._log = log
        self._stored_first = self.dialect.stored_first  # looked up for each event
        self._lock = threading.Lock()
        self._tail = list(events)
        self._holds: list[int] = []
        self._state: Object | None = None
        self._progress = Signal()

    @property
    def deadline_seconds(self) -> float:
        """How long a failing write is repeated before the run is lost."""
        return self._log.deadline_seconds

    def append(self, events: list[Event], state: Object | None = None) -> None:
        """Add events; blocks while `WINDOW` or more events of the run are not stored.

        Args:
            events: consecutive, the first is `written + 1`.
            state: the translator's state if the last event is a required action.

        Raises:
            RunLost: no reader will see these events.
        """
        if events[0].seq != self.written + 1:
            raise AssertionError(f"event {events[0].seq} does not follow {self.written}")
        with self._lock:
            self._tail += events
            self._holds += [event.seq for event in events if event.name in self._stored_first]
            self._state = state
            self.written = events[-1].seq
        self._log.request_flush(self, urgent=bool(self._holds) or self.written - self.stored >= WINDOW // 2)
        self.wake_followers()
        while self.written - self.stored >= WINDOW and not self.lost:
            self._progress.wait()
        if self.lost:
            raise RunLost(f"Run {self.run.id} belongs to another worker.")

    def wait_stored(self, seconds: float | None = None) -> bool:
        """Wait until everything appended is stored, at most `seconds`. Return whether it is."""
        deadline = None if seconds is None else time.monotonic() + seconds
        self._log.request_flush(self, urgent=True)
        while self.stored < self.written and not self.lost:
            left = -1 if deadline is None else deadline - time.monotonic()
            if deadline is not None and left <= 0:
                break
            self._progress.wait(left)
        self._progress.set()  # `append` may wait for it too
        return self.stored >= self.written

    @property
    def visible(self) -> int:
        """The last event number that readers may see."""
        bound = self.stored + WINDOW
        holds = self._holds
        return min(self.written, bound, holds[0] - 1) if holds else min(self.written, bound)

    def slice(self, after: int, last: int) -> list[Event] | None:
        """Return the events `after + 1` to `last`; None if memory no longer holds the first of them."""
        with self._lock:
            base = self._tail[0].seq if self._tail else self.written + 1
            return None if after + 1 < base else self._tail[after + 1 - base : last + 1 - base]

    # -- called by the flusher ---------------------------------------------------------------------------

    def next_write(self) -> Write | None:
        """Return the write in flight, or make one of everything pending (`spec/run-protocol.md#unknown-outcomes`)."""
        if self.in_flight is None and self.written > self.stored:
            with self._lock:
                events = self._tail[self.stored - self.written :]
                state = self._state if events[-1].name in self.dialect.pauses else None
            row = Row.of(self.run, secrets.token_hex(8), events, state)
            self.in_flight = (row, project_events(self.run, events, state))
            self.flush_since = time.monotonic()
        return self.in_flight

    def settle(self, result: AppendResult) -> None:
        """Apply the result of the write in flight."""
        assert self.in_flight is not None
        row, _ = self.in_flight
        self.in_flight = None
        if result is AppendResult.REFUSED:
            self.lose()
            return
        with self._lock:
            self.stored = row.last
            self._holds = [seq for seq in self._holds if seq > row.last]
            keep = max(KEPT, self.written - self.stored)
            if len(self._tail) > 2 * keep:
                del self._tail[:-keep]
            self.finished = self.stored == self.written and self._tail[-1].name in self.dialect.stream_endings
        if self.finished:
            self._log.close(self)
        self._progress.set()
        self.wake_followers()

    def lose(self) -> None:
        """Stop writing the run: its readers continue from the store, and `on_lost` is called."""
        self.lost = True
        self._log.close(self)
        self._progress.set()
        self.wake_followers()
        if self.on_lost is not None:
            self.on_lost()

    def wake_followers(self) -> None:
        """Wake the readers that have something to read."""
        visible = self.visible
        over = self.lost or self.finished
        for follower in tuple(self.followers):
            if over or follower.position < visible:
                follower.signal.set()


class RunLog:
    """The logs of all runs in one process.

    Args:
        store: where the logs are kept.
        heartbeat_seconds: silence after which a reader is due a heartbeat.
        deadline_seconds: how long a failing write is repeated before its run is lost; the lease.

    Attributes:
        on_tick: functions that the ticker calls with the monotonic time.
        watch: wakes readers of runs that other workers write.
    """

    def __init__(self, store: Store, *, heartbeat_seconds: float = 10.0, deadline_seconds: float = 15.0) -> None:
        self.store = store
        self.heartbeat_seconds = heartbeat_seconds
        self.deadline_seconds = deadline_seconds
        self.followers: set[Follower] = set()
        self.on_tick: list[Callable[[float], None]] = [self._lose_overdue]
        self.watch = LogWatch(store)
        self._writers: dict[str, Writer] = {}
        self._dirty: set[Writer] = set()
        self._pending = Signal()
        self._urgent = Signal()
        self._threads = ProcessThreads(self._loops)

    def wake(self) -> None:
        """Start the threads of this process unless they run; cheap when they do."""
        self._threads.wake()

    def stop(self) -> None:
        """Store what is pending, then stop the threads of this process; `wake` starts new ones."""
        self._threads.stop(self._end_waits)

    def open(self, run: RunRecord, events: Iterable[Event], stored: int) -> Writer:
        """Return a writer for a run that this process has started or claimed.

        Args:
            events: its newest stored events, kept for readers.
            stored: the last event number in the store.
        """
        self.wake()
        writer = Writer(self, run, list(events), stored)
        self._writers[run.id] = writer
        return writer

    def close(self, writer: Writer) -> None:
        """Remove a writer; readers that hold it read it to its end."""
        if self._writers.get(writer.run.id) is writer:
            del self._writers[writer.run.id]

    @property
    def writing(self) -> bool:
        """Whether this process writes a run that is not stored to its end."""
        return bool(self._writers)

    def writer(self, run_id: str) -> Writer | None:
        """Return the writer of a run; None if this process does not write it."""
        return self._writers.get(run_id)

    def follow(self, run_id: str, after: int = 0) -> Follower:
        """Return a reader of a run from event `after + 1` on; the run may be live or finished, on any worker."""
        self.wake()
        return Follower(self, run_id, after)

    def request_flush(self, writer: Writer, *, urgent: bool) -> None:
        """Schedule a write of a writer's events: at once if urgent, else within `FLUSH_SECONDS`."""
        self._dirty.add(writer)
        if urgent:
            self._urgent.set()
        self._pending.set()

    # -- the threads -------------------------------------------------------------------------------------

    def _loops(self) -> Mapping[str, Callable[[threading.Event], None]]:
        self._pending, self._urgent = Signal(), Signal()  # contain locks, so each process makes its own
        loops = {"flush": self._flush_until, "tick": self._tick_until}
        if self.watch.renew():
            loops["watch"] = self.watch.watch_until
        return loops

    def _end_waits(self) -> None:
        self._pending.set()
        self.watch.wake()

    def _flush_until(self, stopped: threading.Event) -> None:
        failures = 0
        while not stopped.is_set() or self._dirty:
            self._pending.wait()
            if failures:
                time.sleep(min(1.0, 0.05 * 2 ** min(failures, 5)))  # at most a second, however long the outage
            else:
                self._urgent.wait(FLUSH_SECONDS)
            try:
                self._flush()
                failures = 0
            except Exception as error:
                failures += 1
                if failures == 1:  # once per outage
                    logger.warning("run log not stored, retrying: %s", type(error).__name__)
                self._lose_overdue(time.monotonic())
                self._pending.set()

    def _flush(self) -> None:
        """Store everything pending of all runs in one write."""
        writers = list(self._dirty)
        batch = [
            (writer, write) for writer in writers if not writer.lost and (write := writer.next_write()) is not None
        ]
        if batch:
            try:
                results = self.store.commit([write for _, write in batch])
            except StoreError:
                if len(batch) == 1:
                    raise
                self.store.ping()  # raises if the store is down, and all of it is repeated later
                self._flush_each(batch)
                return
            for (writer, _), result in zip(batch, results, strict=True):
                writer.settle(result)
        self._forget(writers)

    def _flush_each(self, batch: list[tuple[Writer, Write]]) -> None:
        """Store the writes of a failed batch one by one, so that one bad row delays no other run."""
        failed: Exception | None = None
        for writer, write in batch:
            try:
                writer.settle(self.store.commit([write])[0])
            except StoreError as error:
                failed = error
        self._forget([writer for writer, _ in batch])
        if failed is not None:
            raise failed

    def _forget(self, writers: list[Writer]) -> None:
        """Remove writers from the pending ones; those with newer events are scheduled again."""
        for writer in writers:
            self._dirty.discard(writer)
            if not writer.lost and writer.written > writer.stored:
                self.request_flush(writer, urgent=writer.visible < writer.written)

    def _lose_overdue(self, now: float) -> None:
        """Lose the runs whose write has been in flight for longer than the deadline: their lease has expired too.

        Called after each failure and by the ticker, because one call of a driver may take longer than that.
        """
        for writer in list(self._dirty):
            if not writer.lost and writer.in_flight is not None and now - writer.flush_since > self.deadline_seconds:
                logger.error("run %s lost: it could not be stored in time", writer.run.id)
                self._dirty.discard(writer)
                writer.lose()

    def _tick_until(self, stopped: threading.Event) -> None:
        before = time.monotonic()
        while not stopped.wait(TICK_SECONDS):
            now = time.monotonic()
            slept, before = now - before, now
            if slept > self.deadline_seconds + TICK_SECONDS:
                continue  # the process was suspended, so its waits have not really timed out
            for follower in list(self.followers):
                if now - follower.wrote_at >= self.heartbeat_seconds:
                    follower.signal.set()
            for call in list(self.on_tick):
                try:
                    call(now)
                except Exception:
                    logger.exception("a periodic check of the runs failed")
