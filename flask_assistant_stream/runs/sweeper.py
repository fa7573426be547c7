"""Sweep all runs, four times a second in each worker: renew leases, see cancels, end abandoned runs."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from ..errors import NotFound, StoreError
from ..loggers import logger_of
from ..per_process import ProcessThreads
from ..stores.base import RunRecord, Store
from ..translation.translator import Ending
from .execution import Execution
from .takeover import Takeover, can_end

logger = logger_of(__name__)

SWEEP_SECONDS = 0.25
DUE_RUNS = 100
"""Runs that one sweep takes over at most."""
AT_ONCE = 8
"""Runs that are taken over in parallel."""


class Sweeper:
    """Sweeps in a thread of its own, one per process.

    Args:
        executions: the current runs of this process by id.
        lease_seconds: how long a silent worker keeps a run.

    Attributes:
        on_sweep: called after each sweep; may use the store.
    """

    def __init__(
        self, store: Store, takeover: Takeover, executions: Mapping[str, Execution], lease_seconds: float
    ) -> None:
        self.on_sweep: list[Callable[[], None]] = []
        self._store = store
        self._takeover = takeover
        self._executions = executions
        self._lease_seconds = lease_seconds
        self._renewed_at = 0.0
        self._claim_from = 0.0
        self._left = 0
        self._threads = ProcessThreads(lambda: {"sweep": self._sweep_until})

    def wake(self) -> None:
        """Start the thread, once per process; cheap if it runs already."""
        self._threads.wake()

    def stop(self) -> None:
        """Stop the thread of this process and wait for it; `wake` starts a new one."""
        self._threads.stop()

    def sweep(self) -> None:
        """Renew the leases of this worker's runs, end cancelled ones, and end the runs that no worker executes."""
        self._keep_mine()
        if time.monotonic() < self._claim_from:
            return
        now = self._store.now()
        all_due = self._store.due(now, DUE_RUNS + self._left)
        due = [run for run in all_due if can_end(run)]
        self._left = len(all_due) - len(due)  # runs of newer workers; they stay, and must not hide the others
        self._finish([run for run in due if run.cancel_requested or run.id not in self._executions], now)

    def _keep_mine(self) -> None:
        """Renew the leases of this worker's runs and end the cancelled ones."""
        mine = dict(self._executions)
        if mine and time.monotonic() - self._renewed_at >= self._lease_seconds / 3:
            lease_end = self._store.now() + self._lease_seconds
            self._store.renew([(run_id, execution.run.epoch) for run_id, execution in mine.items()], lease_end)
            self._renewed_at = time.monotonic()
        if mine:
            for run_id in self._store.cancel_requested(list(mine)):
                mine[run_id].stop(Ending.CANCELLED)

    def _finish(self, runs: list[RunRecord], now: float) -> None:
        """End abandoned runs in parallel: a dead worker leaves many, and each takes some round trips.

        Meanwhile the leases of this worker's own runs are renewed, or those runs would be taken over next.
        """
        random.shuffle(runs)  # the other workers see the same list
        failures: list[Exception] = []
        if len(runs) == 1:
            self._finish_each(runs, now, failures)
        finish = partial(self._finish_each, runs, now, failures)
        threads = [threading.Thread(target=finish, daemon=True) for _ in range(min(AT_ONCE, len(runs)))]
        for thread in threads:
            thread.start()
        while alive := [thread for thread in threads if thread.is_alive()]:
            alive[0].join(SWEEP_SECONDS)
            self._keep_mine()
        if failures:
            raise failures[0]

    def _finish_each(self, runs: list[RunRecord], now: float, failures: list[Exception]) -> None:
        """End one run after the other until none is left or one fails."""
        while True:
            try:
                run = runs.pop()
            except IndexError:
                return
            try:
                self._takeover.finish(run, if_due=now)
            except NotFound:
                continue  # it was deleted with its thread
            except Exception as error:
                failures.append(error)
                return

    def _sweep_until(self, stopped: threading.Event) -> None:
        failing = False
        while not stopped.is_set():
            try:
                self.sweep()
                for call in list(self.on_sweep):
                    call()
                failing = False
            except StoreError as error:
                if not failing:  # once per outage
                    logger.warning("sweeps are delayed, the store does not answer: %s", error.message)
                failing = True
                # No worker could renew its leases: live workers come first when the store answers again.
                self._claim_from = time.monotonic() + self._lease_seconds / 3
            except Exception:
                logger.exception("sweep failed")
            stopped.wait(SWEEP_SECONDS)
