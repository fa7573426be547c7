"""A limit on how often something is done: for each key, in each process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..per_process import PerProcess

MAX_KEYS = 10_000


class Throttle:
    """Allows an action once per interval for each key.

    Args:
        seconds: the interval.
        clock: seconds, growing.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._taken: dict[str, float] = {}
        self._lock = PerProcess(threading.Lock)

    def take(self, key: str) -> bool:
        """Return whether the action is due; if so, start the next interval."""
        with self._lock.get():
            now = self._clock()
            last = self._taken.pop(key, None)
            if last is not None and now - last < self._seconds:
                self._taken[key] = last
                return False
            self._taken[key] = now  # behind all others: the first is the oldest
            while len(self._taken) > MAX_KEYS:
                self._taken.pop(next(iter(self._taken)))
            return True
