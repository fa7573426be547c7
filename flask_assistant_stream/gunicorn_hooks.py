"""Hooks for `gunicorn.conf.py`: a worker that is to end brings its runs to an end first.

    from flask_assistant_stream.gunicorn_hooks import post_worker_init, worker_abort, worker_exit, worker_int

gunicorn waits for open connections, but for nothing else, and kills what is not through after `graceful_timeout`.
So each worker has a thread that watches `worker.alive`, which every kind of ending sets: a stop, a reload, a worker
that has served its `max_requests`. Imported before gevent patches: takes nothing along.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .shutdown import Shutdown

LOOK_SECONDS = 0.05
ACCEPT_SECONDS = 1.1
"""gevent workers accept connections for up to a second after they were told to end: those are still served."""
EXIT_SECONDS = 3.0
"""How long beyond its deadline a shutdown is waited for, at the very end."""
SILENT_SECONDS = 2.0
"""A worker that exits gives no more signs of life; so long before `timeout` it must be through."""


class Worker(Protocol):
    """What is used of a gunicorn worker."""

    alive: bool
    cfg: Any


class Watch:
    """Waits for the end of a worker and shuts down then, in a thread of its own."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._exiting = False
        self._within = math.inf
        self._shutdown: Shutdown | None = None
        self._thread = threading.Thread(target=self._watch, name="assistant-stream-shutdown", daemon=True)
        self._thread.start()

    def hurry(self, seconds: float = 0.0) -> None:
        """Let the shutdown take no longer than this; sets two numbers only, as a signal may call it."""
        self._within = min(self._within, seconds)
        if self._shutdown is not None:
            self._shutdown.hurry(seconds)

    def finish(self) -> None:
        """Wait for the shutdown, in the main thread of a worker that exits: gunicorn waits for readers alone."""
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGABRT):
            signal.signal(number, signal.SIG_IGN)  # each would end the process on the spot, which ends anyway
        self._exiting = True
        cfg = self._worker.cfg
        if cfg.timeout:
            self.hurry(max(0.0, cfg.timeout - SILENT_SECONDS))
        until = time.monotonic() + cfg.graceful_timeout + EXIT_SECONDS
        while self._thread.is_alive() and time.monotonic() < until:
            with contextlib.suppress(SystemExit):  # of a signal that came before
                self._thread.join(LOOK_SECONDS)

    def _watch(self) -> None:
        while self._worker.alive and not self._exiting:
            time.sleep(LOOK_SECONDS)
        from .shutdown import Shutdown, drains

        seconds = self._worker.cfg.graceful_timeout
        self._shutdown = Shutdown(drains(), seconds)
        self._shutdown.hurry(self._within)  # what was asked for before it was there
        until = time.monotonic() + min(ACCEPT_SECONDS, seconds / 4)
        while time.monotonic() < until and self._within and not self._exiting:
            time.sleep(LOOK_SECONDS)
        self._shutdown.run()


_watch: Watch | None = None
"""Of this worker: `post_worker_init` runs after the fork only, so the parent never has one to pass on."""


def post_worker_init(worker: Worker) -> None:
    """Watch a worker from its begin on, and have it sweep before its first request: it may follow one that died."""
    from .shutdown import registrations

    global _watch
    _watch = Watch(worker)
    for registration in registrations():
        registration.runner.wake()


def worker_int(_worker: Worker) -> None:
    """Interrupt all runs at once: the worker got SIGINT or SIGQUIT."""
    _hurry()


def worker_abort(_worker: Worker) -> None:
    """Interrupt all runs at once: the worker gave no sign of life for `timeout` seconds."""
    _hurry()


def worker_exit(_server: object, _worker: Worker) -> None:
    """Wait until the runs of this worker have ended, as long as there is time."""
    if _watch is not None:
        _watch.finish()


def _hurry() -> None:
    if _watch is not None:
        _watch.hurry()
