"""Log records of a run: each has request id, owner (hashed), thread id and run id, and no content."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence

from .protocol.events import Event
from .stores.base import RunRecord
from .translation.translator import Translator


def owner_digest(owner: str) -> str:
    """Return a stable digest that replaces an owner in logs."""
    return hashlib.sha256(owner.encode()).hexdigest()[:12]


class RunLogger:
    """Writes the records of one run; `request_id` is of the request that started or continued it."""

    def __init__(self, logger: logging.Logger, run: RunRecord, request_id: str) -> None:
        self._logger = logger
        self._extra = {
            "request_id": request_id,
            "owner": owner_digest(run.owner),
            "thread_id": run.parent,
            "run_id": run.id,
        }
        self._started = time.monotonic()
        self._waiting_for_token = True

    def info(self, text: str) -> None:
        """Write a record at INFO."""
        self._write(logging.INFO, text)

    def warning(self, text: str) -> None:
        """Write a record at WARNING."""
        self._write(logging.WARNING, text)

    def error(self, text: str) -> None:
        """Write a record at ERROR."""
        self._write(logging.ERROR, text)

    def traceback(self, text: str) -> None:
        """Write a record at DEBUG with the current exception, whose text may contain content."""
        self._write(logging.DEBUG, text, exc_info=True)

    def exception(self, text: str) -> None:
        """Write a record at ERROR with the current exception."""
        self._write(logging.ERROR, text, exc_info=True)

    def first_token(self, events: Sequence[Event]) -> bool:
        """Log the first piece of an answer, and return whether it is in these events; cheap after that."""
        if not self._waiting_for_token or all(event.name != "thread.message.delta" for event in events):
            return False
        self._waiting_for_token = False
        self.info(f"first token after {self._seconds()} s")
        return True

    def ended(self, translator: Translator, detail: str | None = None) -> None:
        """Log the status of a run that ended or waits, and its usage; a failed one at WARNING.

        Args:
            detail: the cause of a failure, for the operator. Without one, the message of `last_error` is logged,
                except the upstream's own: it may quote the prompt.
        """
        run = translator.run
        usage = run["usage"] or {}
        text = f"run {run['status']} after {self._seconds()} s, {usage.get('total_tokens', 0)} tokens"
        error = run["last_error"]
        if error is None:
            self.info(text)
            return
        own = "the upstream reported it" if translator.failing else error["message"]
        self.warning(f"{text}, {error['code']}: {detail or own}")

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._started:.3f}"

    def _write(self, level: int, text: str, *, exc_info: bool = False) -> None:
        if self._logger.isEnabledFor(level):
            where = " ".join(f"{key}={value}" for key, value in self._extra.items() if value)
            self._logger.log(level, "%s [%s]", text, where, extra=self._extra, exc_info=exc_info)
