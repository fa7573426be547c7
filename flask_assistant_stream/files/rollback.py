"""Undo the finished steps of a call when a later step fails."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from ..loggers import logger_of

logger = logger_of(__name__)


class Rollback:
    """Runs the added steps, the last one first, if the `with` block raises.

    Any exception counts, also the end of a killed greenlet. A step that fails is logged, and the others still run.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[[], object]]] = []

    def add(self, name: str, step: Callable[[], object]) -> None:
        """Add the step that undoes what was just done; `name` is for the log and has the id."""
        self._steps.append((name, step))

    def clear(self) -> None:
        """Remove all steps."""
        self._steps.clear()

    def __enter__(self) -> Rollback:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            return
        for name, step in reversed(self._steps):
            try:
                step()
            except Exception as failure:
                logger.warning("%s not undone: %s: %s", name, type(failure).__name__, failure)
