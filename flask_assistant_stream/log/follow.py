"""Read a run's log from any number on: from memory where this process writes the run, else from the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Protocol, TypeVar

from ..errors import Gone, StoreError
from ..protocol.dialects import ASSISTANTS, Dialect, UnknownDialect, dialect_of
from ..protocol.events import Event
from ..stores.base import Store
from .signals import Signal
from .watch import POLL_SECONDS, LogWatch

T = TypeVar("T")

READ_ROWS = 64
"""Rows per read of the store, which bounds the memory of a reader that is far behind."""
BATCH_EVENTS = 64
"""Events per list: what a client that does not read holds in memory, and must take before it is disconnected."""
PROJECTION_SECONDS = 0.005
"""The first pause before asking again whether a row has been projected; it doubles up to `POLL_SECONDS`."""
AWAY_SECONDS = 0.5
"""The pause before a failed read is repeated."""


class LogTail(Protocol):
    """The end of a run's log in the memory of the process that writes it; see `run_log.Writer`."""

    dialect: Dialect
    followers: set[Follower]
    lost: bool
    finished: bool

    @property
    def visible(self) -> int:
        """The last event number that readers may see."""

    def slice(self, after: int, last: int) -> list[Event] | None:
        """Return the events `after + 1` to `last`; None if memory no longer holds the first of them."""


class Logs(Protocol):
    """What a follower reads from; see `run_log.RunLog`."""

    store: Store
    watch: LogWatch
    followers: set[Follower]
    heartbeat_seconds: float
    deadline_seconds: float

    def writer(self, run_id: str) -> LogTail | None:
        """Return the tail of a run that this process writes."""


class Follower:
    """A reader of a run's log: a context manager, and an iterator over lists of consecutive events.

    An empty list means that a heartbeat is due. The iteration ends after an event that ends a stream and is the
    last of the log: it continues past a required action that has been answered, and ends at once at the end.

    Attributes:
        position: the number of the last event returned.
        signal: wakes the reader.
        wrote_at: when it last returned a list, on the monotonic clock.
        patient: repeat failed reads for as long as a write would be repeated; False raises the first failure.

    Raises (while iterating):
        Gone: the events after `position` have expired.
        StoreError: the store does not answer.
        UnknownDialect: at once, since no later read helps.
    """

    def __init__(self, logs: Logs, run_id: str, after: int) -> None:
        self.run_id = run_id
        self.position = after
        self.signal = Signal()
        self.wrote_at = time.monotonic()
        self.patient = True
        self._logs = logs
        self._closed = False
        self._dialect = ASSISTANTS
        self._last_name = ""
        self._has_read = False
        self._beyond_end = False

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop following, from any thread."""
        self._closed = True
        self.signal.set()

    @property
    def closed(self) -> bool:
        """Whether it was closed, which ends the iteration before the end of the run."""
        return self._closed

    def __iter__(self) -> Iterator[list[Event]]:
        while not self._closed:
            tail = self._logs.writer(self.run_id)
            source = self._from_store() if tail is None else self._from_memory(tail)
            for events in source:
                self.wrote_at = time.monotonic()
                if events:
                    self._last_name = events[-1].name
                    self.position = events[-1].seq
                yield events
            if (yield from self._retrying(self._at_end)):
                return

    def _from_memory(self, tail: LogTail) -> Iterator[list[Event]]:
        """Follow a run that this process writes until it is finished or lost."""
        self._dialect = tail.dialect
        tail.followers.add(self)
        self._logs.followers.add(self)
        try:
            while not self._closed:
                visible = min(tail.visible, self.position + BATCH_EVENTS)
                if visible > self.position:
                    events = tail.slice(self.position, visible)
                    yield (yield from self._behind_memory()) if events is None else events
                elif tail.finished or tail.lost:
                    return
                else:
                    self.signal.wait()
                    if self._heartbeat_due():
                        yield []
        finally:
            tail.followers.discard(self)
            self._logs.followers.discard(self)

    def _behind_memory(self) -> Generator[list[Event], None, list[Event]]:
        """Read from the store what memory no longer holds; it is there unless the run was deleted."""
        events = yield from self._retrying(self._stored_events)
        if not events:
            raise Gone(f"Run {self.run_id} was deleted, and its events with it.", param="after")
        return events

    def _from_store(self) -> Iterator[list[Event]]:
        """Follow a run that another worker writes or that has ended, until its end or until this process writes it."""
        watch = self._logs.watch
        watch.add(self.run_id, self.signal)
        try:
            while not self._closed:
                events = yield from self._retrying(self._stored_events)
                if events:
                    yield from self._once_projected(events)
                elif self._last_name in self._dialect.stream_endings or self._logs.writer(self.run_id) is not None:
                    return
                else:
                    yield from self._pause(watch.poll_seconds)
        finally:
            watch.discard(self.run_id, self.signal)

    def _once_projected(self, events: list[Event]) -> Iterator[list[Event]]:
        """Return events once the stored objects reflect them (`spec/run-protocol.md#projections`).

        So a client that reads the end of a message on one worker finds the message in the history of every worker.
        """
        stored_first = self._dialect.stored_first
        needed = max((event.seq for event in events if event.name in stored_first), default=0)
        pause = PROJECTION_SECONDS
        while needed and not self._closed:
            projected = yield from self._retrying(lambda: self._logs.store.projected(self.run_id))
            if projected is None or projected >= needed:
                break
            yield from self._pause(pause)
            pause = min(2 * pause, POLL_SECONDS)
        for start in range(0, len(events), BATCH_EVENTS):
            yield events[start : start + BATCH_EVENTS]

    def _retrying(self, call: Callable[[], T]) -> Generator[list[Event], None, T]:
        """Return what `call` reads; while the store fails, repeat it and yield heartbeats."""
        deadline = time.monotonic() + self._logs.deadline_seconds
        while True:
            try:
                return call()
            except UnknownDialect:
                raise
            except StoreError:
                if not self.patient or self._closed or time.monotonic() >= deadline:
                    raise
            yield from self._pause(AWAY_SECONDS)

    def _pause(self, seconds: float) -> Iterator[list[Event]]:
        """Wait until woken, at most `seconds`, and yield a heartbeat if one is due."""
        self.signal.wait(seconds)
        if self._heartbeat_due():
            yield []

    def _stored_events(self) -> list[Event]:
        """Return the next stored events; skips fences, which hold none.

        The first read begins one event early: a reader that returns at the last event must learn its name.
        """
        position, has_read, self._has_read = self.position, self._has_read, True
        while True:
            rows = self._logs.store.read(self.run_id, position if has_read else max(position - 1, 0), READ_ROWS)
            if not rows:
                if (has_read and not self._beyond_end) or not self._has_grown(position):
                    return []
                has_read = True
                continue
            if rows[0].first > position + 1:
                raise Gone(f"The events of run {self.run_id} after number {self.position} have expired.", param="after")
            has_read = True
            self._dialect = dialect_of(rows[-1].dialect)
            in_rows = [event for row in rows for event in row.events]
            self._last_name = in_rows[-1].name if in_rows else self._last_name
            position = max(position, rows[-1].last)
            events = [event for event in in_rows if event.seq > self.position]
            if events:
                return events

    def _has_grown(self, position: int) -> bool:
        """Return whether the log reaches beyond `position`; note its last event if not. Gone: all of it has expired."""
        row = self._logs.store.last_row(self.run_id)
        if row is None:
            raise Gone(f"The events of run {self.run_id} have expired; its messages are in the thread.", param="after")
        if row.last > position:
            return True
        self._beyond_end = row.last < position
        self._dialect = dialect_of(row.dialect)
        names = [event.name for event in row.events]
        self._last_name = names[-1] if names else ""
        return False

    def _heartbeat_due(self) -> bool:
        return time.monotonic() - self.wrote_at >= self._logs.heartbeat_seconds

    def _at_end(self) -> bool:
        """Return whether nothing follows: any worker may have answered a required action meanwhile."""
        if self._closed:
            return True
        if self._last_name not in self._dialect.stream_endings:
            return False
        if self._last_name not in self._dialect.pauses:
            return True
        if self._logs.writer(self.run_id) is not None:
            return False
        return not any(row.events for row in self._logs.store.read(self.run_id, self.position))
