"""Shut a process down: runs may end until shortly before a deadline, the others are interrupted.

For servers, and for hosts with a server of their own; knows none of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from weakref import WeakSet

from flask import Flask

from .loggers import logger_of
from .routes.base import EXTENSION, Registration
from .runs.draining import Drain

logger = logger_of(__name__)

INTERRUPT_SECONDS = 1.5
"""Time between interruption and deadline: the ends of runs must be stored and sent to readers."""
LOOK_SECONDS = 0.02
FAREWELL_SECONDS = 0.05
"""Time for the server to write the end of an answer after its last event."""

_apps: WeakSet[Flask] = WeakSet()


def remember(app: Flask) -> None:
    """Add an app with a registration to the apps of this process, as long as it exists."""
    _apps.add(app)


def drain(app: Flask | None = None, *, seconds: float = 30.0) -> int:
    """Shut the assistants of this process down: block until nothing is under way, at most about `seconds`.

    From now on requests that would start or continue a run get 503. Active runs may end until 1.5 s before the deadline
    (half of the time if it is shorter than 3 s). The others are interrupted: they fail, their text so far is stored,
    and their readers see the end. Runs that wait for tool outputs stay as they are; any other process accepts the
    outputs.

    Args:
        app: None for every app of this process.
        seconds: 0 interrupts at once, which takes 1.5 s at most.

    Returns:
        The number of interrupted runs.
    """
    return Shutdown(drains(app), seconds).run()


def drains(app: Flask | None = None) -> list[Drain]:
    """Return the drains of all registrations of an app, or of every app of this process."""
    return [registration.runner.drain for registration in registrations(app)]


def registrations(app: Flask | None = None) -> list[Registration]:
    """Return the registrations of an app, or of every app of this process."""
    apps = list(_apps) if app is None else [app]
    return [registration for each in apps for registration in each.extensions.get(EXTENSION, {}).values()]


class Shutdown:
    """A shutdown under way, with its deadline `seconds` from now."""

    def __init__(self, drains: Iterable[Drain], seconds: float) -> None:
        self._drains = list(drains)
        self._interrupt_at = time.monotonic() + _patience(seconds)

    def hurry(self, seconds: float = 0.0) -> None:
        """Move the deadline to at most `seconds` from now; from any thread or signal handler."""
        self._interrupt_at = min(self._interrupt_at, time.monotonic() + _patience(seconds))

    def run(self) -> int:
        """Block until everything has ended or the deadline; return the number of interrupted runs."""
        for each in self._drains:
            each.begin()
        while not self._idle() and time.monotonic() < self._interrupt_at:
            time.sleep(LOOK_SECONDS)
        self._interrupt(time.monotonic())
        for each in self._drains:
            each.end()
        interrupted = sum(each.interrupted for each in self._drains)
        if interrupted:
            logger.warning("shut down, %d runs interrupted", interrupted)
        return interrupted

    def _interrupt(self, begun: float) -> None:
        """Interrupt the active runs and wait for them; after half of the time, take over those that hang."""
        while not self._idle() and (passed := time.monotonic() - begun) < INTERRUPT_SECONDS:
            for each in self._drains:
                each.interrupt()
                if passed > INTERRUPT_SECONDS / 2:
                    each.leave()
            time.sleep(LOOK_SECONDS)
        time.sleep(FAREWELL_SECONDS)

    def _idle(self) -> bool:
        return all(each.idle for each in self._drains)


def _patience(seconds: float) -> float:
    """Return how long runs may continue with a deadline in `seconds`."""
    return max(seconds - INTERRUPT_SECONDS, seconds / 2)
