"""Read a run's log from any number on: from memory where this process writes the run, else from the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from .errors import Gone
from .protocol.events import STORED_FIRST, STREAM_ENDINGS, Event

if TYPE_CHECKING:
    from .log import RunLog, Writer

READ_ROWS = 64
"""Rows per read of the store: what a reader that is far behind may hold in memory."""
GIVEN_EVENTS = 64
"""Events given out at once: what a client that does not read keeps in memory, and what a slow one must take in time."""
POLL_SECONDS = 0.075
"""How often a reader asks the store for a run that another worker writes."""


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

    Raises (while iterating):
        Gone: the events after `after` have expired.
        StoreError: the store does not answer.
    """

    def __init__(self, log: RunLog, run_id: str, after: int) -> None:
        self.run_id = run_id
        self.position = after
        self.signal = Signal()
        self.wrote_at = time.monotonic()
        self._log = log
        self._closed = False
        self._last_name = ""
        self._begun = False

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
            if self._at_end():
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
                    yield self._left_behind() if events is None else events
                elif writer.finished or writer.lost:
                    return
                else:
                    self.signal.wait()
                    if self._silent_for(self._log.heartbeat_seconds):
                        yield []
        finally:
            writer.followers.discard(self)
            self._log.followers.discard(self)

    def _left_behind(self) -> list[Event]:
        """Read from the store what memory no longer holds: there it is, unless the run was deleted meanwhile."""
        events = self._stored_events()
        if not events:
            raise Gone(f"The events of run {self.run_id} are gone: it was deleted.", param="after")
        return events

    def _from_store(self) -> Iterator[list[Event]]:
        """Follow a run that another worker writes, or that has ended, until its end or until it is ours."""
        while not self._closed:
            events = self._stored_events()
            if events:
                yield from self._once_projected(events)
            elif self._last_name in STREAM_ENDINGS or self._log.writer(self.run_id) is not None:
                return
            else:
                self.signal.wait(POLL_SECONDS)
                if self._silent_for(self._log.heartbeat_seconds):
                    yield []

    def _once_projected(self, events: list[Event]) -> Iterator[list[Event]]:
        """Give events out when the store's objects say what they say: rows come first (run protocol 6).

        A reader that is told of an answer's end on one worker finds the answer in the history of every other.
        """
        told = max((event.seq for event in events if event.name in STORED_FIRST), default=0)
        while told and not self._closed:
            projected = self._log.store.projected(self.run_id)
            if projected is None or projected >= told:
                break
            self.signal.wait(POLL_SECONDS)
            if self._silent_for(self._log.heartbeat_seconds):
                yield []
        for start in range(0, len(events), GIVEN_EVENTS):
            yield events[start : start + GIVEN_EVENTS]

    def _stored_events(self) -> list[Event]:
        """Read on from the store; steps over fences, which hold no events.

        The first read begins one event early: a reader that comes back at the last event must learn its name.
        """
        position, begun, self._begun = self.position, self._begun, True
        while True:
            rows = self._log.store.read(self.run_id, position if begun else max(position - 1, 0), READ_ROWS)
            if not rows:
                if not begun:
                    self._expect_rows()
                return []
            if rows[0].first > position + 1:
                raise Gone(f"The events of run {self.run_id} after number {self.position} have expired.", param="after")
            begun = True
            passed = [event for row in rows for event in row.events]
            self._last_name = passed[-1].name if passed else self._last_name
            position = max(position, rows[-1].last)
            events = [event for event in passed if event.seq > self.position]
            if events:
                return events

    def _expect_rows(self) -> None:
        """Tell a log that has expired from one that is shorter than the reader thinks."""
        row = self._log.store.last_row(self.run_id)
        if row is None:
            raise Gone(f"The events of run {self.run_id} have expired; its messages are in the thread.", param="after")
        names = [event.name for event in row.events]
        self._last_name = names[-1] if names else ""

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
