"""A bounded number of places that owners take in turn, so that no owner waits for all the work of another one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Gives places to threads; of those that wait, the owners get one place after the other."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[threading.Lock]] = {}

    @property
    def waiting(self) -> int:
        """The number of threads that wait for a place."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    @contextmanager
    def turn(self, owner: str, seconds: float) -> Iterator[bool]:
        """Take a place within the context; yield False, without a place, if none was free in time."""
        taken = self._take(owner, seconds)
        try:
            yield taken
        finally:
            if taken:
                self._pass_on()

    def _take(self, owner: str, seconds: float) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            gate = threading.Lock()
            gate.acquire()
            self._waiting.setdefault(owner, deque()).append(gate)
        try:
            if gate.acquire(timeout=seconds):
                return True
        except BaseException:  # this thread is being killed
            if not self._give_up(owner, gate):
                self._pass_on()
            raise
        return not self._give_up(owner, gate)

    def _give_up(self, owner: str, gate: threading.Lock) -> bool:
        """Stop waiting; return False if the place has come meanwhile."""
        with self._lock:
            gates = self._waiting.get(owner)
            if gates is None or gate not in gates:
                return False
            gates.remove(gate)
            if not gates:
                del self._waiting[owner]
            return True

    def _pass_on(self) -> None:
        """Give the place to the owner that has waited the longest since its last turn."""
        with self._lock:
            if not self._waiting:
                self._free += 1
                return
            owner = next(iter(self._waiting))
            gates = self._waiting.pop(owner)
            gate = gates.popleft()
            if gates:
                self._waiting[owner] = gates  # at the end
        gate.release()
