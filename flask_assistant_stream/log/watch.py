"""Readers of runs that other workers write are woken by the store where it can push; else they ask it.

Knows neither engines nor HTTP. The store is listened to only while there is somebody to wake: most readers are on the
worker that writes their run, and a process would hear of every row of every worker.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from ..errors import StoreError
from ..stores.base import Store
from ..stores.capabilities import Push
from .follow import POLL_SECONDS, Signal

if TYPE_CHECKING:
    from .follow import Follower

logger = logging.getLogger(__name__)

PUSHED_POLL_SECONDS = 1.0
"""How often readers ask all the same while the store pushes."""
LINGER_SECONDS = 10.0
"""How long the store is listened to when the last reader has gone."""
PAUSE_SECONDS = 30.0
"""The longest pause before a store that failed is listened to again."""


class LogWatch:
    """Wakes the readers of one process.

    Args:
        store: where the logs are.

    Attributes:
        poll_seconds: how often a reader is to ask by itself at the moment.
    """

    def __init__(self, store: Store) -> None:
        self.poll_seconds = POLL_SECONDS
        self._push = store if isinstance(store, Push) else None
        self.renew()

    def renew(self) -> bool:
        """Begin anew in this process: locks are made where they are used. Say whether there is anything to watch."""
        self._followers: dict[str, set[Follower]] = {}
        self._lock = threading.Lock()
        self._wanted = Signal()
        return self._push is not None

    def add(self, follower: Follower) -> None:
        """Wake a reader from now on."""
        with self._lock:
            self._followers.setdefault(follower.run_id, set()).add(follower)
        self._wanted.set()

    def discard(self, follower: Follower) -> None:
        """Wake a reader no more."""
        with self._lock:
            of_run = self._followers.get(follower.run_id, set())
            of_run.discard(follower)
            if not of_run:
                self._followers.pop(follower.run_id, None)

    def wake(self) -> None:
        """Let `watch_until` see that it is to stop."""
        self._wanted.set()

    def watch_until(self, stopped: threading.Event) -> None:
        """Listen to the store whenever there are readers; the body of a thread. Ends where the store cannot push."""
        failures = 0
        while not stopped.is_set():
            self._wanted.wait()
            if not self._followers:
                continue
            try:
                if not self._can_push():
                    return
                self._listen(stopped)
                failures = 0
            except Exception as error:
                failures = 1 if self.poll_seconds != POLL_SECONDS else failures + 1
                if failures == 1:
                    self._note(error)
                self._wanted.set()
            finally:
                self._ask_every(POLL_SECONDS)
            if failures:
                stopped.wait(min(PAUSE_SECONDS, 0.5 * 2 ** min(failures, 6)))

    def _can_push(self) -> bool:
        can = cast(Push, self._push).pushes()
        if not can:
            logger.info(
                "the store's server cannot push: readers of other workers' runs ask it every %g s", POLL_SECONDS
            )
        return can

    def _listen(self, stopped: threading.Event) -> None:
        """Wake readers until all have been gone for a while."""
        needed_at = time.monotonic()
        grown: Any = cast(Push, self._push).grown()
        with closing(grown):
            for run_id in grown:
                if stopped.is_set():
                    return
                if self.poll_seconds != PUSHED_POLL_SECONDS:
                    self._ask_every(PUSHED_POLL_SECONDS)
                if run_id is not None:
                    self._wake(run_id)
                if self._followers:
                    needed_at = time.monotonic()
                elif time.monotonic() - needed_at > LINGER_SECONDS:
                    return

    def _ask_every(self, seconds: float) -> None:
        """Set how often readers ask, and have each ask now: what grew while nobody listened was not told."""
        if self.poll_seconds != seconds:
            self.poll_seconds = seconds
            for run_id in list(self._followers):
                self._wake(run_id)

    def _wake(self, run_id: str) -> None:
        for follower in tuple(self._followers.get(run_id, ())):
            follower.signal.set()

    def _note(self, error: Exception) -> None:
        reason = error.message if isinstance(error, StoreError) else type(error).__name__
        logger.info("the store does not push at the moment, readers ask it: %s", reason)
