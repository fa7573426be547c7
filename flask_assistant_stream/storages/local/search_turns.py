"""Searches take turns: a bounded number at once, one of each owner, the owners one after the other."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import TooManySearches

AT_ONCE = 2
"""Searches at once in a process. More would not be faster: a search computes."""
WAITING = 16
"""Requests of an owner that may wait; the next one is refused, because each holds a connection or a thread."""


class _Turn:
    """One waiting search."""

    __slots__ = ("_lock", "owner", "taken")

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.taken = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def give(self) -> None:
        self.taken = True
        self._lock.release()

    def wait(self) -> None:
        self._lock.acquire()


class SearchTurns:
    """The searches of one process: at most `at_once`, and one of each owner.

    So one owner's searches never delay another owner's by more than the `at_once`th part of one search.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = at_once
        self._searching: set[str] = set()
        self._waiting: dict[str, deque[_Turn]] = {}  # by owner, in the order of their turns
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """The number of searches that wait."""
        return sum(map(len, self._waiting.values()))

    @contextmanager
    def turn(self, owner: str, *, waiting: int | None = None) -> Iterator[None]:
        """Wait for a turn and hold it for the length of the context.

        Args:
            waiting: how many of the owner may wait; None is any number.

        Raises:
            TooManySearches: so many wait already.
        """
        turn = _Turn(owner)
        with self._lock:
            if waiting is not None and len(self._waiting.get(owner, ())) >= waiting:
                raise TooManySearches("Too many searches of yours wait for their turn. Try again in a moment.")
            self._waiting.setdefault(owner, deque()).append(turn)
            self._give()
        try:
            turn.wait()
            yield
        finally:
            self._end(turn)

    def _give(self) -> None:
        """Give free turns to owners without one, in their order."""
        for owner in [*self._waiting]:
            if self._free and owner not in self._searching:
                turn = self._waiting[owner][0]
                self._leave_queue(turn)
                self._free -= 1
                self._searching.add(owner)
                turn.give()

    def _leave_queue(self, turn: _Turn) -> None:
        queue = self._waiting[turn.owner]
        queue.remove(turn)
        if not queue:
            del self._waiting[turn.owner]

    def _end(self, turn: _Turn) -> None:
        """End a turn, or a wait for one that was broken off."""
        with self._lock:
            if turn.taken:
                self._free += 1
                self._searching.discard(turn.owner)
                if queue := self._waiting.pop(turn.owner, None):  # the owner goes to the end
                    self._waiting[turn.owner] = queue
            else:
                self._leave_queue(turn)
            self._give()
