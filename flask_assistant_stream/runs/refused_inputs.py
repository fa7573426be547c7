"""What this process learnt from refused inputs: the room of each model, files and images that are gone.

In memory only: after a restart one refusal teaches it again, and nothing wrong is kept for ever.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TypeVar

V = TypeVar("V")

DOUBLING_SECONDS = 900.0
"""The known room of a model doubles in this time, because its server may have changed; a refusal corrects it."""
DOUBLINGS = 16
GONE_SECONDS = 3600.0
"""How long a file or image counts as gone: a link may work again."""
MAX_ROOMS = MAX_GONE = 4096


class RefusedInputs:
    """The tables of one registration in one process.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rooms: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._gone: OrderedDict[str, float] = OrderedDict()

    def room(self, owner: str, model: str) -> float | None:
        """Return how many tokens a request may have, by our estimate; None if nothing is known."""
        rooms = (self._room(key) for key in (_of_all(model), _of_one(owner, model)))
        return min((room for room in rooms if room is not None), default=None)

    def narrow(self, owner: str, model: str, tokens: float, *, for_all: bool) -> None:
        """Note a room after a refusal.

        Args:
            for_all: the upstream has named its limit. Else it is a guess from this owner's texts, which may have more
                tokens than we estimate, so it holds for this owner only.
        """
        key = _of_all(model) if for_all else _of_one(owner, model)
        _put(self._rooms, key, (tokens, self._clock()), MAX_ROOMS)

    def took(self, owner: str, model: str, tokens: int) -> None:
        """Note the size of a request that was not refused."""
        for key in (_of_all(model), _of_one(owner, model)):
            room = self._room(key)
            if room is not None and tokens > room:
                _put(self._rooms, key, (tokens, self._clock()), MAX_ROOMS)

    def _room(self, key: str) -> float | None:
        entry = self._rooms.get(key)
        if entry is None:
            return None
        tokens, since = entry
        doublings = (self._clock() - since) / DOUBLING_SECONDS
        return tokens * 2.0**doublings if doublings < DOUBLINGS else None

    def are_gone(self, owner: str, sources: Iterable[str]) -> set[str]:
        """Return which of these ids and links of an owner were refused a short time ago."""
        now = self._clock()
        return {source for source in sources if self._gone.get(_digest(owner, source), now) > now}

    def lose(self, owner: str, sources: Iterable[str]) -> None:
        """Note ids and links that the upstream refused."""
        for source in sources:
            _put(self._gone, _digest(owner, source), self._clock() + GONE_SECONDS, MAX_GONE)


def _of_all(model: str) -> str:
    return f"model {model}"


def _of_one(owner: str, model: str) -> str:
    return _digest(owner, model)


def _put(table: OrderedDict[str, V], key: str, value: V, limit: int) -> None:
    """Set a key as the newest one and drop the oldest above a limit."""
    table.pop(key, None)
    table[key] = value
    while len(table) > limit:
        table.popitem(last=False)


def _digest(owner: str, source: str) -> str:
    """Return a short key: a link may be a whole image."""
    return hashlib.sha256(f"{owner}\n{source}".encode("utf-8", "replace")).hexdigest()
