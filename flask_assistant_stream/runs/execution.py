"""Execute one run: pass the engine's items through the translator into the log, until the run ends or waits.

Between two responses the run's server tools are called. The runner gives each execution a thread. Knows no store.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ..engines.base import Engine, ItemStream
from ..errors import EngineError, NotFound, StoreError
from ..files.files import Files
from ..log.run_log import RunLost, Writer
from ..protocol.events import CONTEXT_SHORTENED, Event
from ..protocol.objects import Object
from ..run_logger import RunLogger
from ..stores.base import RunRecord
from ..tools.calls import Around, ToolCalls
from ..tools.server import ServerTools
from ..translation.translator import Ending, Translator
from .conversation import Conversation
from .upstream_request import RequestBuilder

T = TypeVar("T")

STORE_AWAY = "The store does not answer."
STORE_SECONDS = 0.5
"""Pause between two reads from a store that fails."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """What every execution of a runner uses.

    Attributes:
        tools: the functions that this server executes, or None.
        files: stores the files that tools of the upstream generate, or None.
    """

    engine: Engine
    requests: RequestBuilder
    tools: ServerTools | None = None
    files: Files | None = None

    def keep_context(self) -> Around:
        """Return what makes the contexts of a run's tools; called in the request that starts or continues the run."""
        return nullcontext if self.tools is None else self.tools.keep_context()


class Execution:
    """A run that this process executes.

    Attributes:
        run: as it was started or claimed.
        translator: used by the executing thread only.
        messages: the thread's messages before the run's own, or None if they must be read.
        on_answer: called when the answer begins, or None.

    Args:
        around: makes the host's context of the run's tools.
    """

    def __init__(
        self,
        run: RunRecord,
        translator: Translator,
        writer: Writer,
        log: RunLogger,
        messages: list[Object] | None = None,
        *,
        around: Around = nullcontext,
    ) -> None:
        self.run = run
        self.translator = translator
        self.messages = messages
        self.on_answer: Callable[[], None] | None = None
        self._writer = writer
        self._log = log
        self._around = around
        self._conversation: Conversation | None = None
        self._stream: ItemStream | None = None
        self._calls: ToolCalls | None = None
        self._stop_reason: tuple[Ending, Object | None] | None = None
        self._announced: deque[tuple[str, Object]] = deque()
        self._read_at = time.monotonic()
        writer.on_lost = self._abandon

    @property
    def stopping(self) -> bool:
        """Whether the run must end or is lost, so that nothing more is worth waiting for."""
        return self._stop_reason is not None or self._writer.lost

    def stop(self, ending: Ending, error: Object | None = None) -> None:
        """Make the run end; from any thread. The first reason counts."""
        self._stop_reason = self._stop_reason or (ending, error)
        self._abandon()

    def stop_if_idle(self, now: float, limit: float, first: float = 0.0) -> None:
        """Make the run end as failed if its upstream was silent for `limit` seconds, or `first` before its answer."""
        stream = self._stream
        if stream is None or self._stop_reason is not None:
            return
        if not stream.begun:
            limit = max(limit, first)
        if now - self._read_at > limit:
            message = f"The upstream sent nothing for {limit:g} seconds."
            self.stop(Ending.FAILED, {"code": "server_error", "message": message})

    def announce(self, name: str, data: Object) -> None:
        """Send a vendor event with the run's next events, if there are any; from any thread."""
        self._announced.append((name, data))

    def execute(self, context: RunContext) -> None:
        """Run to the end or to a required action; every error ends the run, too."""
        self._log.info("run started")
        detail: str | None = None
        try:
            self._respond(context)
        except RunLost:
            self._log.warning("run lost to another worker")
        except NotFound:  # its thread is read at its start; see docs/durability.md#who-wins-the-race
            self._log.info("run ended, its thread was deleted")
            self._close(Ending.CANCELLED)
        except EngineError as error:
            detail = error.detail
            self._close(Ending.FAILED, {"code": error.code, "message": error.message})
        except StoreError as error:  # only for the log: a driver's message may name hosts
            self._log.error(f"run failed, store error: {error.message}")
            self._close(Ending.FAILED, {"code": "server_error", "message": STORE_AWAY})
        except Exception:
            self._log.exception("run failed, error of the library")
            self._close(Ending.FAILED, {"code": "server_error", "message": "Internal error."})
        finally:
            self._abandon()
            self._log.ended(self.translator, detail)

    def _respond(self, context: RunContext) -> None:
        """Read responses and execute their calls until the run ends or waits for the client."""
        translator = self.translator
        while not (translator.ended or translator.waiting or self.stopping):
            if calls := translator.calls_to_run:
                self._call(context, calls)
            else:
                self._answer(context)
        if self.stopping and not translator.waiting:  # a waiting run is ended by a takeover
            self._close(Ending.FAILED)

    def _answer(self, context: RunContext) -> None:
        """Read one response; after a refusal of old messages, send the request again without them."""
        while not self.stopping:
            conversation = self._read_conversation(context.requests)
            request = self._request(context.requests, conversation)
            if news := conversation.news():
                self.announce(CONTEXT_SHORTENED, news)
                left_out = f"{news['messages']} of {news['of_messages']} earlier messages and {news['files']} files"
                self._log.info(f"the request leaves out {left_out}")
            try:
                self._feed(context, request)
            except EngineError as error:
                if not self.translator.silent:  # clients have seen a part of the answer
                    raise
                conversation.amend(error, self.translator.items())
                self._abandon()
                self._log.info(f"the upstream refused the request, {error.code}; it is sent again")
            else:
                if not self.stopping:
                    conversation.accepted()
                return

    def _read_conversation(self, requests: RequestBuilder) -> Conversation:
        if self._conversation is None:
            self._conversation = self._repeated(lambda: requests.conversation(self.run, self.messages))
        return self._conversation

    def _request(self, requests: RequestBuilder, conversation: Conversation) -> Object:
        """Return the request of the next response."""
        return self._repeated(lambda: requests.of(self.run, self.translator, conversation, lambda: self.stopping))

    def _repeated(self, read: Callable[[], T]) -> T:
        """Return what a read returns, repeated while the store does not answer, as long as its writes would be."""
        deadline = time.monotonic() + self._writer.deadline_seconds
        while True:
            try:
                return read()
            except StoreError:
                if self.stopping or time.monotonic() >= deadline:
                    raise
            time.sleep(STORE_SECONDS)

    def _feed(self, context: RunContext, request: Object) -> None:
        """Pass the items of one response to the translator, read by read, and its events to the log."""
        translator = self.translator
        self._read_at = time.monotonic()
        self._stream = stream = context.engine.stream(request, search=context.requests.search(self.run.owner))
        if self.stopping:
            stream.close()
        for items in stream:
            self._read_at = time.monotonic()
            if self.stopping:
                break
            self._append(context, partial(translator.feed, items))
            if translator.ended or translator.waiting or translator.calls_to_run:
                self._stream = None
                stream.close()  # the connection stays open for the next response
                return
            time.sleep(0)  # else a socket that is always ready would block the other greenlets
        if not self.stopping:
            self._append(context, partial(translator.close, Ending.EOF))  # such an end may require calls

    def _call(self, context: RunContext, calls: list[Object]) -> None:
        """Execute the server's calls and pass their outputs to the translator."""
        assert context.tools is not None
        self._calls = context.tools.calls(self.run, calls, self._log, self._around)
        if not self.stopping:
            outputs = self._calls.run()
            if not self.stopping:
                self._append(context, partial(self.translator.tool_results, outputs))
        self._calls = None

    def _append(self, context: RunContext, make: Callable[[], list[Event]]) -> None:
        """Append the announced events and those that `make` returns, in one write."""
        translator = self.translator
        events: list[Event] = []
        while self._announced:
            events += translator.announce(*self._announced.popleft())
        events += make()
        if not events:
            return
        if context.files is not None:  # before a client can see and download them
            for generated in translator.take_files():
                context.files.keep(self.run.owner, generated)
        self._writer.append(events, translator.state() if translator.waiting else None)
        if self._log.first_token(events) and self.on_answer is not None:
            self.on_answer()

    def _close(self, ending: Ending, error: Object | None = None) -> None:
        """End the run, for the reason of `stop` or else for this one."""
        if self._stop_reason is not None:
            ending, error = self._stop_reason
        try:
            if events := self.translator.close(ending, error):
                self._writer.append(events)
        except RunLost:
            self._log.warning("run lost to another worker")

    def _abandon(self) -> None:
        """Close the upstream stream and stop the tools, which wakes the thread that waits for them."""
        stream, calls = self._stream, self._calls  # the executing thread may set either to None
        if stream is not None:
            stream.close()
        if calls is not None:
            calls.stop()
