"""What an upstream announces of its models: asked for once per process, beside everything else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from ...per_process import PerProcess

logger = logging.getLogger(__name__)


class ShutdownNotices:
    """Dates after which models are switched off, of `GET /models`.

    Made before a fork, it asks after it: each process for itself, when it is woken.

    Args:
        models: those that are used here; without any nothing is asked.
        ask: returns the decoded answer; whatever it raises means that nothing is known.
    """

    def __init__(self, models: Iterable[str], ask: Callable[[], Any]) -> None:
        self._models = frozenset(models)
        self._ask = ask
        self._thread = PerProcess(self._start)
        self.warnings: list[str] = []

    def look(self) -> None:
        """Ask, in a thread of its own, unless this process has done so; cheap then."""
        if self._models:
            self._thread.get()

    def wait(self) -> None:
        """Wait for the answer; for tests."""
        self._thread.get().join()

    def _start(self) -> threading.Thread:
        thread = threading.Thread(target=self._read, name="assistant-stream-notices", daemon=True)
        thread.start()
        return thread

    def _read(self) -> None:
        try:
            self.warnings = shutdowns(self._ask(), self._models)
        except Exception as error:  # a notice is a courtesy, whatever is wrong with it
            logger.debug("the upstream does not say when models are switched off: %s", type(error).__name__)
        for warning in self.warnings:
            logger.warning("%s", warning)


def shutdowns(listed: Any, models: Iterable[str]) -> list[str]:
    """Return a warning for each of the models for which a list of models names a `shutdown_date`."""
    found = listed.get("data") if isinstance(listed, dict) else None
    dates = {one.get("id"): one.get("shutdown_date") for one in found or () if isinstance(one, dict)}
    return [
        f"The upstream switches the model {model} off on {dates[model]}: set ASSISTANT_MODEL, or the assistant's, "
        "to another one before."
        for model in sorted(models)
        if isinstance(dates.get(model), str)
    ]
