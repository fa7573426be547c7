"""Read a run's log from any number on: from memory where this process writes the run, else from the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from ..errors import Gone, StoreError
from ..protocol.events import STORED_FIRST, STREAM_ENDINGS, Event

if TYPE_CHECKING:
    from .run_log import RunLog, Writer

T = TypeVar("T")

READ_ROWS = 64
"""Rows per read of the store: what a reader that is far behind may hold in memory."""
GIVEN_EVENTS = 64
"""Events given out at once: what a client that does not read keeps in memory, and what a slow one must take in time."""
POLL_SECONDS = 0.075
"""How often a reader asks the store for a run that another worker writes, where the store does not push."""
PROJECTION_SECONDS = 0.005
"""How soon the objects are looked at that follow a row; then ever later, up to `POLL_SECONDS`."""
AWAY_SECONDS = 0.5
"""How often a reader asks a store that fails."""


class Signal:
    """A flag that one thread waits for: a lock, the cheapest thing gevent and plain threads both offer."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Wake the waiter, now or when it next waits."""
        try:
            if self._lock.locked():
                self._lock.release()
        except RuntimeError:  # another thread was quicker
            pass

    def wait(self, seconds: float = -1) -> bool:
        """Wait until set, for ever or `seconds`; say whether it was."""
        return self._lock.acquire(timeout=seconds)


class Follower:
    """A reader of a run's log: a context manager, and an iterator over lists of consecutive events.

    An empty list says that a heartbeat is due. The iteration ends behind an event of `STREAM_ENDINGS` that is
    the last of the log, so a reader that replays an answered required action goes on, and one that comes back
    at the end ends at once.

    Attributes:
        patient: while the store is away the reader waits for it, as long as a write would be repeated; else the
            first failure is raised.

    Raises (while iterating):
        Gone: the events after `after` have expired.
        StoreError: the store does not answer.
    """

    def __init__(self, log: RunLog, run_id: str, after: int) -> None:
        self.run_id = run_id
        self.position = after
        self.signal = Signal()
        self.wrote_at = time.monotonic()
        self.patient = True
        self._log = log
        self._closed = False
        self._last_name = ""
        self._begun = False
        self._beyond = False

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
        """Whether it was closed; nothing more follows then, be the run at its end or not."""
        return self._closed

    def __iter__(self) -> Iterator[list[Event]]:
        while not self._closed:
            writer = self._log.writer(self.run_id)
            source = self._from_store() if writer is None else self._from_memory(writer)
            for events in source:
                self.wrote_at = time.monotonic()
                if events:
                    self._last_name = events[-1].name
                    self.position = events[-1].seq
                yield events
            if (yield from self._patiently(self._at_end)):
                return

    def _from_memory(self, writer: Writer) -> Iterator[list[Event]]:
        """Follow a run that this process writes until it is finished or lost."""
        writer.followers.add(self)
        self._log.followers.add(self)
        try:
            while not self._closed:
                visible = min(writer.visible, self.position + GIVEN_EVENTS)
                if visible > self.position:
                    events = writer.slice(self.position, visible)
                    yield (yield from self._left_behind()) if events is None else events
                elif writer.finished or writer.lost:
                    return
                else:
                    self.signal.wait()
                    if self._silent_for(self._log.heartbeat_seconds):
                        yield []
        finally:
            writer.followers.discard(self)
            self._log.followers.discard(self)

    def _left_behind(self) -> Generator[list[Event], None, list[Event]]:
        """Read from the store what memory no longer holds: there it is, unless the run was deleted meanwhile."""
        events = yield from self._patiently(self._stored_events)
        if not events:
            raise Gone(f"The events of run {self.run_id} are gone: it was deleted.", param="after")
        return events

    def _from_store(self) -> Iterator[list[Event]]:
        """Follow a run that another worker writes, or that has ended, until its end or until it is ours."""
        watch = self._log.watch
        watch.add(self)
        try:
            while not self._closed:
                events = yield from self._patiently(self._stored_events)
                if events:
                    yield from self._once_projected(events)
                elif self._last_name in STREAM_ENDINGS or self._log.writer(self.run_id) is not None:
                    return
                else:
                    yield from self._pause(watch.poll_seconds)
        finally:
            watch.discard(self)

    def _once_projected(self, events: list[Event]) -> Iterator[list[Event]]:
        """Yield events once the store's objects match them (`spec/run-protocol.md#projections`).

        A reader that is told of an answer's end on one worker finds the answer in the history of every other.
        """
        told = max((event.seq for event in events if event.name in STORED_FIRST), default=0)
        pause = PROJECTION_SECONDS
        while told and not self._closed:
            projected = yield from self._patiently(lambda: self._log.store.projected(self.run_id))
            if projected is None or projected >= told:
                break
            yield from self._pause(pause)
            pause = min(2 * pause, POLL_SECONDS)
        for start in range(0, len(events), GIVEN_EVENTS):
            yield events[start : start + GIVEN_EVENTS]

    def _patiently(self, call: Callable[[], T]) -> Generator[list[Event], None, T]:
        """Return what the store says; while it is away, give heartbeats for as long as a write would be repeated."""
        deadline = time.monotonic() + self._log.deadline_seconds
        while True:
            try:
                return call()
            except StoreError:
                if not self.patient or self._closed or time.monotonic() >= deadline:
                    raise
            yield from self._pause(AWAY_SECONDS)

    def _pause(self, seconds: float) -> Iterator[list[Event]]:
        """Wait until woken or `seconds`, and give a heartbeat where one is due."""
        self.signal.wait(seconds)
        if self._silent_for(self._log.heartbeat_seconds):
            yield []

    def _stored_events(self) -> list[Event]:
        """Read on from the store; steps over fences, which hold no events.

        The first read begins one event early: a reader that comes back at the last event must learn its name.
        """
        position, begun, self._begun = self.position, self._begun, True
        while True:
            rows = self._log.store.read(self.run_id, position if begun else max(position - 1, 0), READ_ROWS)
            if not rows:
                if (begun and not self._beyond) or not self._grown_meanwhile(position):
                    return []
                begun = True
                continue
            if rows[0].first > position + 1:
                raise Gone(f"The events of run {self.run_id} after number {self.position} have expired.", param="after")
            begun = True
            passed = [event for row in rows for event in row.events]
            self._last_name = passed[-1].name if passed else self._last_name
            position = max(position, rows[-1].last)
            events = [event for event in passed if event.seq > self.position]
            if events:
                return events

    def _grown_meanwhile(self, position: int) -> bool:
        """Tell a log that has expired from one that is shorter than the reader thinks and may have ended."""
        row = self._log.store.last_row(self.run_id)
        if row is None:
            raise Gone(f"The events of run {self.run_id} have expired; its messages are in the thread.", param="after")
        if row.last > position:
            return True
        self._beyond = row.last < position
        names = [event.name for event in row.events]
        self._last_name = names[-1] if names else ""
        return False

    def _silent_for(self, seconds: float) -> bool:
        return time.monotonic() - self.wrote_at >= seconds

    def _at_end(self) -> bool:
        """Say whether nothing follows: a required action may have been answered meanwhile, on any worker."""
        if self._closed:
            return True
        if self._last_name not in STREAM_ENDINGS:
            return False
        if self._last_name != "thread.run.requires_action":
            return True
        if self._log.writer(self.run_id) is not None:
            return False
        return not any(row.events for row in self._log.store.read(self.run_id, self.position))
