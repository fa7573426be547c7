"""Warn about models that the upstream will switch off; read once per process in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from ...loggers import logger_of
from ...per_process import PerProcess

logger = logger_of(__name__)


class ShutdownNotices:
    """Reads the shutdown dates of models from `GET /models`, once in each process.

    Args:
        models: the models in use; if empty, nothing is read.
        ask: returns the decoded response; any exception means that no dates are known.
    """

    def __init__(self, models: Iterable[str], ask: Callable[[], Any]) -> None:
        self._models = frozenset(models)
        self._ask = ask
        self._thread = PerProcess(self._start)
        self.warnings: list[str] = []

    def look(self) -> None:
        """Start reading in a thread unless this process did so before."""
        if self._models:
            self._thread.get()

    def wait(self) -> None:
        """Wait until the dates are read; for tests."""
        self._thread.get().join()

    def _start(self) -> threading.Thread:
        thread = threading.Thread(target=self._read, name="assistant-stream-notices", daemon=True)
        thread.start()
        return thread

    def _read(self) -> None:
        try:
            self.warnings = shutdowns(self._ask(), self._models)
        except Exception as error:  # notices are optional
            logger.debug("the shutdown dates of models cannot be read: %s", type(error).__name__)
        for warning in self.warnings:
            logger.warning("%s", warning)


def shutdowns(listed: Any, models: Iterable[str]) -> list[str]:
    """Return a warning for each model whose entry has a `shutdown_date`."""
    entries = listed.get("data") if isinstance(listed, dict) else None
    dates = {entry.get("id"): entry.get("shutdown_date") for entry in entries or () if isinstance(entry, dict)}
    return [
        f"The upstream switches the model {model} off on {dates[model]}: set ASSISTANT_MODEL, or the assistant's, "
        "to another one before."
        for model in sorted(models)
        if isinstance(dates.get(model), str)
    ]
