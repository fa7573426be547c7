"""One run, executed: the engine's items through the translator into the log, until it ends or waits.

Made by the runner, which gives it a thread. Knows neither stores nor owners' requests.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .engines.base import Engine, ItemStream
from .errors import EngineError, StoreError
from .log import RunLost, Writer
from .protocol.from_responses import Ending, Translator
from .protocol.objects import Object
from .run_logger import RunLogger
from .stores.base import RunRecord


class Execution:
    """A run that this process executes.

    Attributes:
        run: as it was started or claimed.
        translator: its state; touched by the executing thread only.
        history: the thread's messages before the run's own, or None where they must be read.
    """

    def __init__(
        self,
        run: RunRecord,
        translator: Translator,
        writer: Writer,
        log: RunLogger,
        history: list[Object] | None = None,
    ) -> None:
        self.run = run
        self.translator = translator
        self.history = history
        self._writer = writer
        self._log = log
        self._stream: ItemStream | None = None
        self._asked: tuple[Ending, Object | None] | None = None
        self._read_at = time.monotonic()
        writer.on_lost = self._abandon

    def stop(self, ending: Ending, error: Object | None = None) -> None:
        """Ask the run to end; from any thread. The first reason counts."""
        self._asked = self._asked or (ending, error)
        self._abandon()

    def stop_if_idle(self, now: float, limit: float) -> None:
        """Ask the run to end as failed if its upstream has been silent for `limit` seconds."""
        if self._stream is not None and self._asked is None and now - self._read_at > limit:
            message = f"The upstream sent nothing for {limit:g} seconds."
            self.stop(Ending.FAILED, {"code": "server_error", "message": message})

    def execute(self, engine: Engine, make_request: Callable[[], dict[str, Any]]) -> None:
        """Run to the end or to a required action; whatever happens, the run has its ending then.

        Args:
            engine: the upstream.
            make_request: builds the Responses request; may read the store.
        """
        self._log.info("run started")
        try:
            self._feed(engine, make_request())
        except RunLost:
            self._log.warning("run lost to another worker")
        except (EngineError, StoreError) as error:
            code = error.code if isinstance(error, EngineError) else "server_error"
            self._close(Ending.FAILED, {"code": code, "message": error.message})
        except Exception:
            self._log.exception("run failed by a fault of the library")
            self._close(Ending.FAILED, {"code": "server_error", "message": "Internal error."})
        finally:
            self._abandon()
            self._log.ended(self.translator)

    def _feed(self, engine: Engine, request: dict[str, Any]) -> None:
        """Hand the upstream's items to the translator, read by read, and its events to the log."""
        translator, writer = self.translator, self._writer
        self._read_at = time.monotonic()
        self._stream = engine.stream(request)
        if self._asked is not None:
            self._stream.close()
        for items in self._stream:
            self._read_at = time.monotonic()
            if self._asked is not None or writer.lost:
                break
            events = translator.feed(items)
            if events:
                writer.append(events, translator.state() if translator.waiting else None)
                self._log.first_token(events)
            if translator.ended or translator.waiting:
                return
            time.sleep(0)  # a socket that is always ready would never let the others run
        self._close(Ending.EOF)

    def _close(self, ending: Ending, error: Object | None = None) -> None:
        """End the run, for the reason somebody asked for or else for this one."""
        if self._asked is not None:
            ending, error = self._asked
        try:
            if events := self.translator.close(ending, error):
                self._writer.append(events)
        except RunLost:
            self._log.warning("run lost to another worker")

    def _abandon(self) -> None:
        """Close the upstream stream, which wakes the thread that reads it."""
        if self._stream is not None:
            self._stream.close()
