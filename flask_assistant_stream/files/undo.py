"""Take back what a call has done where a later step of it fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType

logger = logging.getLogger(__name__)


class Undo:
    """Steps that are done, the last first, where the `with` block raises; best effort: what fails is logged.

    Whatever ends the block counts, a killed greenlet too.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[[], object]]] = []

    def add(self, what: str, step: Callable[[], object]) -> None:
        """Note how to take back what has just been done; `what` names it in the log, by its id."""
        self._steps.append((what, step))

    def clear(self) -> None:
        """Forget the steps: nothing has been done after all."""
        self._steps.clear()

    def __enter__(self) -> Undo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            return
        for what, step in reversed(self._steps):
            try:
                step()
            except Exception as failure:
                logger.warning("Could not undo %s: %s: %s", what, type(failure).__name__, failure)
