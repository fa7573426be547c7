"""A flag that wakes one waiting thread."""

from __future__ import annotations

import threading


class Signal:
    """A flag that one thread waits for: a lock, the cheapest primitive that gevent and plain threads share."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Wake the waiting thread, now or at its next `wait`."""
        try:
            if self._lock.locked():
                self._lock.release()
        except RuntimeError:  # another thread has set it meanwhile
            pass

    def wait(self, seconds: float = -1) -> bool:
        """Wait until the flag is set, at most `seconds` (no limit by default), and clear it. Return whether it was."""
        return self._lock.acquire(timeout=seconds)
