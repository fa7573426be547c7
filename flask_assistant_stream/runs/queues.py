"""Let the threads of a process that want the same thing have it one at a time, in order of arrival."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from ..log.signals import Signal


class QueueFull(Exception):
    """The queue has its maximum length."""


class QueuePlace:
    """One thread's place in a queue.

    Attributes:
        deadline: end of its wait, on the monotonic clock.
        first: it is the first; False if it was not by its deadline.
    """

    __slots__ = ("deadline", "first", "signal", "thread")

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.first = False
        self.signal = Signal()
        self.thread = threading.get_ident()


class ThreadQueues:
    """Queues by name."""

    def __init__(self) -> None:
        # Never held during a wait, so a lock from before gevent's patching is safe.
        self._lock = threading.Lock()
        self._queues: dict[Hashable, deque[QueuePlace]] = {}

    @contextmanager
    def place(self, name: Hashable, seconds: float, *, most: int | None = None) -> Iterator[QueuePlace]:
        """Wait to be first and stay first until the context ends; the first thread may enter again within it.

        Args:
            seconds: the longest wait.
            most: how many may wait behind the first.

        Raises:
            QueueFull: that many wait already.
        """
        own = QueuePlace(seconds)
        place = self._join(name, own, most)
        if place is not own:
            yield place
            return
        try:
            if not own.first:
                own.first = own.signal.wait(seconds)
            yield own
        finally:
            self._leave(name, own)

    def length(self, name: Hashable) -> int:
        """Return the length of a queue, the first one included."""
        return len(self._queues.get(name, ()))

    def _join(self, name: Hashable, place: QueuePlace, most: int | None) -> QueuePlace:
        """Return the place that counts: this one, or the first one if this thread has it already."""
        with self._lock:
            queue = self._queues.setdefault(name, deque())
            if queue and queue[0].thread == place.thread:
                return queue[0]
            if most is not None and len(queue) > most:
                raise QueueFull
            queue.append(place)
            place.first = len(queue) == 1
        return place

    def _leave(self, name: Hashable, place: QueuePlace) -> None:
        with self._lock:
            queue = self._queues[name]
            was_first = queue[0] is place
            queue.remove(place)
            if not queue:
                del self._queues[name]
            elif was_first:
                queue[0].signal.set()
