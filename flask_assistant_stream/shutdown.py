"""End a process's work in time: what runs may end until shortly before a deadline, the rest is interrupted.

For servers and for hosts with a server of their own; knows none of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from weakref import WeakSet

from flask import Flask

from .routes.base import EXTENSION, Registration
from .runs.draining import Drain

logger = logging.getLogger(__name__)

INTERRUPT_SECONDS = 1.5
"""How long before the deadline the interruption begins: it must be stored, and readers must be told."""
LOOK_SECONDS = 0.02
FAREWELL_SECONDS = 0.05
"""For the server, to write the end of an answer whose last event has been told."""

_apps: WeakSet[Flask] = WeakSet()


def remember(app: Flask) -> None:
    """Take note of an app that has a registration, as long as it lives."""
    _apps.add(app)


def drain(app: Flask | None = None, *, seconds: float = 30.0) -> int:
    """Shut the assistants of this process down: blocks until nothing is under way, at most about `seconds`.

    From the call on, for good, nothing is admitted: requests that would start or continue a run get 503. Runs under
    way may end until 1.5 s before the end of the time (half-way, where it is shorter than 3 s). Those that have not
    are interrupted: they fail with what they have said so far, stored, and their readers are told. Runs that wait for
    tool outputs are left as they are; any other process takes the outputs.

    Args:
        app: None for every app of this process.
        seconds: 0 interrupts at once, which takes 1.5 s at most.

    Returns:
        How many runs were interrupted.
    """
    return Shutdown(drains(app), seconds).run()


def drains(app: Flask | None = None) -> list[Drain]:
    """Return the drains of all registrations of an app, or of every app of this process."""
    return [registration.runner.drain for registration in registrations(app)]


def registrations(app: Flask | None = None) -> list[Registration]:
    """Return the registrations of an app, or of every app of this process."""
    found: list[Registration] = []
    for one in list(_apps) if app is None else [app]:
        found += one.extensions.get(EXTENSION, {}).values()
    return found


class Shutdown:
    """A shutdown under way.

    Args:
        seconds: until everything must have ended, from now on.
    """

    def __init__(self, of: Iterable[Drain], seconds: float) -> None:
        self._drains = list(of)
        self._interrupt_at = time.monotonic() + _patience(seconds)

    def hurry(self, seconds: float = 0.0) -> None:
        """Bring the deadline forward to so many seconds from now; from any thread, or a signal's."""
        self._interrupt_at = min(self._interrupt_at, time.monotonic() + _patience(seconds))

    def run(self) -> int:
        """Block until everything has ended or the time is over; return how many runs were interrupted."""
        for each in self._drains:
            each.begin()
        while not self._idle() and time.monotonic() < self._interrupt_at:
            time.sleep(LOOK_SECONDS)
        self._interrupt(time.monotonic())
        interrupted = sum(each.interrupted for each in self._drains)
        if interrupted:
            logger.warning("shut down, %d runs interrupted", interrupted)
        return interrupted

    def _interrupt(self, begun: float) -> None:
        """Interrupt what still runs and wait for it; what does not end in half of the time is left behind."""
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
    """Return how long runs may go on where everything must have ended after `seconds`."""
    return max(seconds - INTERRUPT_SECONDS, seconds / 2)
