"""Titles of threads: written by a small model, or the first words of the first message. Knows no Flask.

A title set by hand is stored under another key, so that a generated one never replaces it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .engines.base import Engine, ItemStream
from .errors import AssistantStreamError, EngineError, RequestError
from .loggers import logger_of
from .protocol.events import TITLE_UPDATED
from .protocol.objects import Object
from .stores.base import Kind, Record, RunRecord, Store
from .translation.past_messages import message_text
from .translation.titles import AnswerText, shorten, tidy_title, title_request

logger = logger_of(__name__)

BY_HAND = "title"
GENERATED = "generated_title"
STOPGAP = "first_words"
"""Keys of a thread's `extra`; the title of the first one with a value is shown. A key without a value was cleared."""
TITLED = "titled"
"""The `extra` key of runs whose threads get a title."""

TITLE_SECONDS = 20.0
"""Time limit of the model."""
MESSAGES_READ = 20


def shown_title(thread: Record) -> str | None:
    """Return the title of a thread, or None."""
    title: str | None = thread.extra.get(BY_HAND) or thread.extra.get(GENERATED) or thread.extra.get(STOPGAP)
    return title


def named(title: str | None) -> Object:
    """Return the changes of a thread's `extra` that set its title by hand, or clear every title of it."""
    return {BY_HAND: title} if title else {BY_HAND: None, GENERATED: None, STOPGAP: None}


class Titles:
    """Writes titles.

    Args:
        model: writes titles; None uses the first words.
        effort: its reasoning effort, or None for the model's default.

    Attributes:
        automatic: threads get titles without a request.
        early: a title is ready at once or can be written beside the run; otherwise it is written after the run, as the
            title's request would go before the answer's.
        asks_model: a model writes titles, which takes a while.
    """

    def __init__(self, store: Store, engine: Engine, model: str | None, *, effort: str | None = None) -> None:
        self.automatic = model is not None
        self.asks_model = model is not None and engine.writes_titles
        self.early = self.automatic and not (self.asks_model and engine.one_at_a_time)
        self._store = store
        self._engine = engine
        self._model = model
        self._effort = effort
        self._one_at_a_time = engine.one_at_a_time
        self._open: dict[ItemStream, float] = {}
        self._yielding: set[ItemStream] = set()
        self._yields = 0
        self._writing: set[str] = set()

    def make(self, owner: str, thread_id: str) -> str:
        """Write a new title of a thread, store and return it; a title set by hand is returned as it is.

        Raises:
            NotFound: no such thread for this owner.
            RequestError: it has no message with text.
        """
        thread = self._store.get(Kind.THREAD, owner, thread_id)
        if thread.extra.get(BY_HAND):
            return str(thread.extra[BY_HAND])
        title = self.write(self._first_text(owner, thread_id))
        if not title:
            raise RequestError(f"Thread {thread_id} has no message with text: send one first.")
        self.keep(owner, thread_id, title)
        return title

    def give(self, owner: str, thread_id: str, text: str, announce: Callable[[str, Object], None]) -> None:
        """Write a thread's first title during its first run, and announce it.

        Args:
            text: the thread's first message.
            announce: receives name and data of the event.
        """
        with self._alone(thread_id) as alone:
            title = self.write(text) if alone else ""
            if title and self.keep(owner, thread_id, title):
                announce(TITLE_UPDATED, {"id": thread_id, "object": "thread.title", "title": title})

    def complete(self, run: RunRecord) -> None:
        """Write the title of an ended run's thread, unless it has one, is getting one, or should have none."""
        if not self._wanted(run):
            return
        with self._alone(run.parent) as alone:
            if not (alone and self._missing(run)):
                return
            yields = self._yields
            if title := self.write(self._first_text(run.owner, run.parent), yielding=self._one_at_a_time):
                key = GENERATED if yields == self._yields else STOPGAP
                self._store.update(Kind.THREAD, run.owner, run.parent, extra={key: title})

    def yield_to_run(self) -> None:
        """Close requests that may go before an answer; their threads show the first words until their next run."""
        if self._yielding:
            self._yields += 1
            for stream in list(self._yielding):
                stream.close()

    def bridge(self, run: RunRecord) -> None:
        """Show the first words as the title of a run's thread until a later run completes it: asks no model.

        For runs that are taken over: a dead worker may leave many at once.
        """
        if not self._wanted(run):
            return
        with self._alone(run.parent) as alone:
            if alone and self._missing(run) and (words := shorten(self._first_text(run.owner, run.parent))):
                self._store.update(Kind.THREAD, run.owner, run.parent, extra={STOPGAP: words})

    def _wanted(self, run: RunRecord) -> bool:
        return self.automatic and bool(run.extra.get(TITLED))

    def _missing(self, run: RunRecord) -> bool:
        """Return whether the thread has neither a title of its own nor had one that was cleared."""
        extra = self._store.get(Kind.THREAD, run.owner, run.parent).extra
        return not extra.get(BY_HAND) and GENERATED not in extra

    @contextmanager
    def _alone(self, thread_id: str) -> Iterator[bool]:
        """Return whether no other thread of this process writes this title; log errors, as no request waits for it."""
        alone = thread_id not in self._writing
        self._writing.add(thread_id)
        try:
            yield alone
        except AssistantStreamError as error:  # the thread was deleted, or the store does not answer
            logger.warning("thread %s got no title: %s", thread_id, error.message)
        except Exception:
            logger.exception("thread %s got no title, error of the library", thread_id)
        finally:
            if alone:
                self._writing.discard(thread_id)

    def write(self, text: str, *, yielding: bool = False) -> str:
        """Return a title for a message, or "" for one without text; if the model fails, its first words.

        Args:
            yielding: the request to the model ends if a run starts.
        """
        if self._model is None or not self.asks_model or not text.strip():
            return shorten(text)
        try:
            request = title_request(text, self._model, self._effort)
            return tidy_title(self._answer(request, yielding)) or shorten(text)
        except EngineError as error:
            logger.warning("no title from the model, the first words are used: %s", error.detail)
            return shorten(text)

    def keep(self, owner: str, thread_id: str, title: str) -> bool:
        """Store a generated title and return whether it is the one that is shown."""
        thread = self._store.update(Kind.THREAD, owner, thread_id, extra={GENERATED: title})
        return shown_title(thread) == title

    def end_late(self, now: float) -> None:
        """Close requests after their time limit; called by the log's ticker with the monotonic time."""
        for stream, deadline in list(self._open.items()):
            if now > deadline:
                stream.close()

    def _answer(self, request: Object, yielding: bool) -> str:
        stream, answer = self._engine.stream(request), AnswerText()
        if yielding:
            self._yielding.add(stream)
        self._open[stream] = time.monotonic() + TITLE_SECONDS
        try:
            for items in stream:
                answer.feed(items)
                if answer.ended:
                    break
        finally:
            del self._open[stream]
            self._yielding.discard(stream)
            stream.close()
        return answer.text if answer.ended or (answer.whole and self._engine.bare_end) else ""

    def _first_text(self, owner: str, thread_id: str) -> str:
        """Return the text of the first message of the user with text."""
        page = self._store.list(Kind.MESSAGE, owner, parent=thread_id, order="asc", limit=MESSAGES_READ)
        texts = (message_text(record.body) for record in page.records if record.body.get("role") == "user")
        return next((text for text in texts if text.strip()), "")
