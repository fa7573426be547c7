"""Hooks for `gunicorn.conf.py`: a worker that stops ends its runs first.

    from flask_assistant_stream.gunicorn_hooks import post_worker_init, worker_abort, worker_exit, worker_int

gunicorn waits for open connections only, and kills a worker after `graceful_timeout`. So each worker has a thread that
watches `worker.alive`, which a stop, a reload and `max_requests` set to False. Imported before gevent patches, so the
imports are lazy.
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
"""gevent workers accept connections for up to a second after a stop: they are still served."""
EXIT_SECONDS = 3.0
"""How long an exiting worker waits beyond the deadline of its shutdown."""
SILENT_SECONDS = 2.0
"""An exiting worker sends no more heartbeats to gunicorn, so it ends so long before `timeout`."""


SYNC_WORKER = "SyncWorker"


class Worker(Protocol):
    """The used part of a gunicorn worker."""

    alive: bool
    cfg: Any


class Watch:
    """Waits for the stop of a worker and shuts its runs down, in a thread of its own."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._exiting = False
        self._within = math.inf
        self._shutdown: Shutdown | None = None
        self._thread = threading.Thread(target=self._watch, name="assistant-stream-shutdown", daemon=True)
        self._thread.start()

    def hurry(self, seconds: float = 0.0) -> None:
        """Limit the shutdown to `seconds` from now; only sets two numbers, as a signal handler may call it."""
        self._within = min(self._within, seconds)
        if self._shutdown is not None:
            self._shutdown.hurry(seconds)

    def finish(self) -> None:
        """Wait for the shutdown in the main thread of an exiting worker: gunicorn waits for connections only."""
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGABRT):
            signal.signal(number, signal.SIG_IGN)  # each would end the process at once
        self._exiting = True
        cfg = self._worker.cfg
        if cfg.timeout:
            self.hurry(max(0.0, cfg.timeout - SILENT_SECONDS))
        until = time.monotonic() + cfg.graceful_timeout + EXIT_SECONDS
        while self._thread.is_alive() and time.monotonic() < until:
            with contextlib.suppress(SystemExit):  # from an earlier signal
                self._thread.join(LOOK_SECONDS)

    def _watch(self) -> None:
        while self._worker.alive and not self._exiting:
            time.sleep(LOOK_SECONDS)
        from .shutdown import Shutdown, drains

        seconds = self._worker.cfg.graceful_timeout
        self._shutdown = Shutdown(drains(), seconds)
        self._shutdown.hurry(self._within)  # a limit from before this shutdown existed
        until = time.monotonic() + min(ACCEPT_SECONDS, seconds / 4)
        while time.monotonic() < until and self._within and not self._exiting:
            time.sleep(LOOK_SECONDS)
        self._shutdown.run()


_watch: Watch | None = None
"""Of this worker: `post_worker_init` runs after the fork only, so the parent never has one to pass on."""


def post_worker_init(worker: Worker) -> None:
    """Watch a worker from its start, and sweep before its first request: it may replace a worker that died."""
    from .loggers import logger_of
    from .shutdown import registrations

    if type(worker).__name__ == SYNC_WORKER:
        logger_of(__name__).warning(
            "gunicorn's sync worker serves one request at a time: a stream occupies it until its end. Use "
            "--worker-class gevent, or --threads"
        )

    global _watch
    _watch = Watch(worker)
    for registration in registrations():
        registration.runner.wake()


def worker_int(_worker: Worker) -> None:
    """Interrupt all runs at once, after SIGINT or SIGQUIT."""
    if _watch is not None:
        _watch.hurry()


worker_abort = worker_int
"""The same, after `timeout` seconds without a heartbeat of the worker."""


def worker_exit(_server: object, _worker: Worker) -> None:
    """Wait until the runs of this worker have ended, within the time limit."""
    if _watch is not None:
        _watch.finish()
