"""Drain a runner: refuse new work, wait for its runs, interrupt those that do not end.

Knows no times and no servers: `shutdown.py` has the schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from ..errors import AssistantStreamError, Unavailable
from ..log.run_log import RunLog
from ..loggers import logger_of
from ..stores.base import RunRecord
from ..translation.translator import Ending
from .execution import Execution

logger = logger_of(__name__)


class Drain:
    """The work of a runner in this process, and how to end it.

    Args:
        executions: the current runs of this process by id.
        take_over: ends a run whose thread hangs.

    Attributes:
        at_end: called when no run is under way any more; ends what a run may need.
    """

    def __init__(
        self, log: RunLog, executions: Mapping[str, Execution], take_over: Callable[[RunRecord], None]
    ) -> None:
        self.begun = False
        self.at_end: list[Callable[[], None]] = []
        self._log = log
        self._executions = executions
        self._take_over = take_over
        self._starting: set[object] = set()
        self._interrupted: set[str] = set()
        self._left: set[str] = set()

    @contextmanager
    def admission(self) -> Iterator[None]:
        """Start or continue a run within this context; the drain waits for it.

        Raises:
            Unavailable: the process is shutting down; nothing was started.
        """
        token = object()
        self._starting.add(token)  # first, so that `idle` sees every admitted one
        try:
            if self.begun:
                raise Unavailable("The server is shutting down; send this again.", code="shutting_down")
            yield
        finally:
            self._starting.discard(token)

    def begin(self) -> None:
        """Refuse new work."""
        self.begun = True

    @property
    def idle(self) -> bool:
        """Whether no start, run, write or reader is under way."""
        running = self._executions.keys() - self._left
        return not (self._starting or running or self._log.writing or self._log.followers)

    @property
    def interrupted(self) -> int:
        """How many runs were interrupted."""
        return len(self._interrupted)

    def interrupt(self) -> None:
        """Make every run end as interrupted, without a wait; call it again for runs that start later."""
        for run_id, execution in list(self._executions.items()):
            self._interrupted.add(run_id)
            execution.stop(Ending.INTERRUPTED)

    def end(self) -> None:
        """End what the runs needed."""
        for call in self.at_end:
            call()

    def leave(self) -> None:
        """Take over the interrupted runs that have not ended: their threads hang."""
        for run_id in self._executions.keys() & (self._interrupted - self._left):
            self._left.add(run_id)
            execution, writer = self._executions.get(run_id), self._log.writer(run_id)
            if execution is None:
                continue
            try:
                self._take_over(execution.run)
            except AssistantStreamError as error:  # another worker's sweep ends it
                logger.warning("run %s could not be ended: %s", run_id, error.message)
                continue
            if writer is not None:
                writer.lose()  # its readers continue from the store
