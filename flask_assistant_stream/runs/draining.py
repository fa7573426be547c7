"""The end of a runner's work in this process: nothing more is admitted, runs end, those that do not are interrupted.

Knows no times and no servers: `shutdown.py` says when.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from ..errors import AssistantStreamError, Unavailable
from ..log.run_log import RunLog
from ..stores.base import RunRecord
from ..translation.translator import Ending
from .execution import Execution

logger = logging.getLogger(__name__)


class Drain:
    """What a runner has under way, and the way to bring it to an end.

    Args:
        log: where the runs are written.
        executions: the runs of this process by id, as they are at any moment.
        take_over: ends a run whose thread does not come back.

    Attributes:
        begun: nothing more is admitted, for the rest of this process's life.
    """

    def __init__(
        self, log: RunLog, executions: Mapping[str, Execution], take_over: Callable[[RunRecord], None]
    ) -> None:
        self.begun = False
        self._log = log
        self._executions = executions
        self._take_over = take_over
        self._starting: set[object] = set()
        self._interrupted: set[str] = set()
        self._left: set[str] = set()

    @contextmanager
    def admission(self) -> Iterator[None]:
        """Begin or continue a run within this: the drain waits for it, or refuses it.

        Raises:
            Unavailable: the process is shutting down; nothing was begun.
        """
        token = object()
        self._starting.add(token)  # before the look: who is let in is seen by `idle`
        try:
            if self.begun:
                raise Unavailable("The server is shutting down; send this again.", code="shutting_down")
            yield
        finally:
            self._starting.discard(token)

    def begin(self) -> None:
        """Admit nothing more."""
        self.begun = True

    @property
    def idle(self) -> bool:
        """Whether nothing is under way: no start, no run, nothing that is not stored, no reader that is not told."""
        running = self._executions.keys() - self._left
        return not (self._starting or running or self._log.writing or self._log.followers)

    @property
    def interrupted(self) -> int:
        """How many runs were asked to end."""
        return len(self._interrupted)

    def interrupt(self) -> None:
        """Ask every run to end as interrupted; waits for none, and may be called again for those that came late."""
        for run_id, execution in list(self._executions.items()):
            self._interrupted.add(run_id)
            execution.stop(Ending.INTERRUPTED)

    def leave(self) -> None:
        """End the runs that have not ended although they were asked to: their threads hang, and are left behind."""
        for run_id in self._executions.keys() & (self._interrupted - self._left):
            self._left.add(run_id)
            execution, writer = self._executions.get(run_id), self._log.writer(run_id)
            if execution is None:
                continue
            try:
                self._take_over(execution.run)
            except AssistantStreamError as error:  # the sweep of another worker ends it
                logger.warning("run %s could not be ended: %s", run_id, error.message)
                continue
            if writer is not None:
                writer.lose()  # its readers turn to the store


class _Drained(Protocol):
    @property
    def drain(self) -> Drain: ...


S = TypeVar("S", bound=_Drained)
P = ParamSpec("P")
T = TypeVar("T")


def admitted(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Call the decorated method of a runner only while its drain admits, and let the drain wait for it."""

    @functools.wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self.drain.admission():
            return method(self, *args, **kwargs)

    return call
