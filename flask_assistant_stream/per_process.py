"""Values and threads that belong to one process: a forked child makes its own.

Connections and threads do not survive a fork. Neither do locks: a lock made before gevent patches `threading` blocks
every greenlet of a worker. So everything here, its own locks included, is made in the process that uses it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")

STOP_SECONDS = 5.0
"""How long `stop` waits for a thread."""


class PerProcess(Generic[T]):
    """Holds one value for each process, made at its first use there.

    A child keeps its parent's value without touching it: closing it could disturb the parent.

    Args:
        make: returns the value of the current process; threads that come meanwhile wait for it.
        drop_inherited: release the parent's value in a child instead.
    """

    def __init__(self, make: Callable[[], T], *, drop_inherited: bool = False) -> None:
        self._make = make
        self._drop_inherited = drop_inherited
        self._values: dict[int, T] = {}
        self._locks: dict[int, threading.Lock] = {}

    def get(self) -> T:
        """Return the value of this process. Costs a dictionary lookup once the value exists."""
        pid = os.getpid()
        try:
            return self._values[pid]
        except KeyError:
            pass
        with self._locks.setdefault(pid, threading.Lock()):
            if pid not in self._values:
                if self._drop_inherited:
                    self._values.clear()
                self._values[pid] = self._make()
            return self._values[pid]

    def pop(self) -> T | None:
        """Remove and return the value of this process; None if there is none. `get` makes a new one."""
        return self._values.pop(os.getpid(), None)


class ProcessThreads:
    """Daemon threads that each process starts once, when `wake` is first called in it.

    Args:
        prepare: called in the process before its threads start. Returns their functions by name; each receives an
            event and returns soon after the event is set.
    """

    def __init__(self, prepare: Callable[[], Mapping[str, Callable[[threading.Event], None]]]) -> None:
        self._prepare = prepare
        self._started = PerProcess(self._start)

    def wake(self) -> None:
        """Start the threads of this process unless they run; cheap when they do."""
        self._started.get()

    def stop(self, interrupt: Callable[[], None] | None = None) -> None:
        """Stop the threads of this process and wait for them; `wake` starts new ones.

        Args:
            interrupt: called after the event is set, to end what the threads wait for.
        """
        started = self._started.pop()
        if started is None:
            return
        stopped, threads = started
        stopped.set()
        if interrupt is not None:
            interrupt()
        for thread in threads:
            thread.join(STOP_SECONDS)

    def _start(self) -> tuple[threading.Event, list[threading.Thread]]:
        stopped = threading.Event()
        threads = [
            threading.Thread(target=target, args=(stopped,), name=f"assistant-stream-{name}", daemon=True)
            for name, target in self._prepare().items()
        ]
        for thread in threads:
            thread.start()
        return stopped, threads
