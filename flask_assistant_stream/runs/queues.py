"""Turns: of the threads that want something of one name, one at a time, in the order they came; within a process."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from ..log.signals import Signal


class TooMany(Exception):
    """As many as may wait are waiting already."""


class Turn:
    """One thread's place in a line.

    Attributes:
        deadline: until when it waits, on the monotonic clock.
        mine: it is first; False where it was not until its deadline.
    """

    __slots__ = ("deadline", "mine", "signal", "thread")

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.mine = False
        self.signal = Signal()
        self.thread = threading.get_ident()


class Turns:
    """The lines of one kind."""

    def __init__(self) -> None:
        # Never held while anything waits, so a lock from before gevent's patching does no harm.
        self._lock = threading.Lock()
        self._lines: dict[Hashable, deque[Turn]] = {}

    @contextmanager
    def turn(self, name: Hashable, seconds: float, *, most: int | None = None) -> Iterator[Turn]:
        """Wait to be first, and be it until the context is left; whose turn it is may take it again within.

        Args:
            seconds: how long to wait.
            most: how many may wait behind the first one.

        Raises:
            TooMany: they do.
        """
        turn = Turn(seconds)
        taken = self._join(name, turn, most)
        if taken is not turn:
            yield taken
            return
        try:
            if not turn.mine:
                turn.mine = turn.signal.wait(seconds)
            yield turn
        finally:
            self._leave(name, turn)

    def waiting(self, name: Hashable) -> int:
        """Return how many stand in a line, the first one included."""
        return len(self._lines.get(name, ()))

    def _join(self, name: Hashable, turn: Turn, most: int | None) -> Turn:
        """Return the turn that counts: this one, or the one that this thread has already."""
        with self._lock:
            line = self._lines.setdefault(name, deque())
            if line and line[0].thread == turn.thread:
                return line[0]
            if most is not None and len(line) > most:
                raise TooMany
            line.append(turn)
            turn.mine = len(line) == 1
        return turn

    def _leave(self, name: Hashable, turn: Turn) -> None:
        with self._lock:
            line = self._lines[name]
            first = line[0] is turn
            line.remove(turn)
            if not line:
                del self._lines[name]
            elif first:
                line[0].signal.set()
