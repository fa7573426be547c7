"""A bounded number of places that owners take in turn, so that no owner waits for all the work of another one."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Gives places to threads; of the owners that wait, the one whose last turn ended first comes next.

    Args:
        places: how many there are.
        per_owner: how many of them one owner may hold; by default all.
    """

    def __init__(self, places: int, *, per_owner: int | None = None) -> None:
        self._free = places
        self._per_owner = places if per_owner is None else per_owner
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[_Turn]] = {}  # by owner, in the order of their turns
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """The number of threads that wait."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def waiting_of(self, owner: str) -> int:
        """Return the number of an owner's threads that wait."""
        with self._lock:
            return len(self._waiting.get(owner, ()))

    @contextmanager
    def turn(self, owner: str, *, seconds: float = -1.0) -> Iterator[bool]:
        """Wait for a place and hold it within the context; yield False, without a place, if none was free in time.

        Args:
            seconds: how long to wait; -1 is without a limit.
        """
        turn = _Turn(owner)
        with self._lock:
            self._waiting.setdefault(owner, deque()).append(turn)
            self._give()
        try:
            yield turn.begins(seconds)
        finally:
            self._end(turn)

    def _give(self) -> None:
        """Give the free places to the owners that may have one."""
        for owner in [*self._waiting]:
            if self._free and self._held[owner] < self._per_owner:
                turn = self._waiting[owner][0]
                self._leave(turn)
                self._free -= 1
                self._held[owner] += 1
                turn.begin()

    def _leave(self, turn: _Turn) -> None:
        queue = self._waiting[turn.owner]
        queue.remove(turn)
        if not queue:
            del self._waiting[turn.owner]

    def _end(self, turn: _Turn) -> None:
        """End a turn, or the wait for one."""
        with self._lock:
            if not turn.begun:
                self._leave(turn)
                return
            self._free += 1
            self._held[turn.owner] -= 1
            if not self._held[turn.owner]:
                del self._held[turn.owner]
            if queue := self._waiting.pop(turn.owner, None):  # the owner goes to the end
                self._waiting[turn.owner] = queue
            self._give()


class _Turn:
    """One place that a thread holds or waits for."""

    __slots__ = ("_gate", "begun", "owner")

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.begun = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def begin(self) -> None:
        self.begun = True
        self._gate.release()

    def begins(self, seconds: float) -> bool:
        """Wait until the turn begins; return whether it does so in time."""
        return self._gate.acquire(timeout=seconds)
