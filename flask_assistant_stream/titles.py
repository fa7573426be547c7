"""Titles of threads: written by a small model, or the first words of the first message. Knows no Flask.

A title set by hand is stored under another key, so that a generated one never replaces it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from .engines.base import Engine, ItemStream
from .errors import AssistantStreamError, EngineError, RequestError
from .protocol.objects import Object
from .stores.base import Kind, Record, Store
from .translation.titles import AnswerText, shorten, tidy_title, title_request

logger = logging.getLogger(__name__)

EVENT = "thread.title.updated"
BY_HAND = "title"
GENERATED = "generated_title"
"""Keys of a thread's `extra`; the title of the first existing one is shown."""

TITLE_SECONDS = 20.0
"""Time limit of the model."""
MESSAGES_READ = 20


def shown_title(thread: Record) -> str | None:
    """Return the title of a thread, or None."""
    title: str | None = thread.extra.get(BY_HAND) or thread.extra.get(GENERATED)
    return title


class Titles:
    """Writes titles.

    Args:
        model: writes titles; None uses the first words.
        effort: its reasoning effort, or None for the model's default.

    Attributes:
        automatic: the first message of a thread gives it a title.
        asks_model: a model writes titles, which takes a while.
    """

    def __init__(self, store: Store, engine: Engine, model: str | None, *, effort: str | None = None) -> None:
        self.automatic = model is not None
        self.asks_model = model is not None and engine.writes_titles
        self._store = store
        self._engine = engine
        self._model = model
        self._effort = effort
        self._open: dict[ItemStream, float] = {}

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
        """Write a thread's title and announce it; errors are logged, as no request waits for it.

        Args:
            text: the thread's first message.
            announce: receives name and data of the event.
        """
        try:
            title = self.write(text)
            if title and self.keep(owner, thread_id, title):
                announce(EVENT, {"id": thread_id, "object": "thread.title", "title": title})
        except AssistantStreamError as error:  # the thread was deleted, or the store does not answer
            logger.warning("thread %s got no title: %s", thread_id, error.message)
        except Exception:
            logger.exception("thread %s got no title, error of the library", thread_id)

    def write(self, text: str) -> str:
        """Return a title for a message, or "" for one without text; if the model fails, its first words."""
        if self._model is None or not self.asks_model or not text.strip():
            return shorten(text)
        try:
            return tidy_title(self._answer(title_request(text, self._model, self._effort))) or shorten(text)
        except EngineError as error:
            logger.warning("no title from the model, the first words are used: %s", error.message)
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

    def _answer(self, request: Object) -> str:
        stream, answer = self._engine.stream(request), AnswerText()
        self._open[stream] = time.monotonic() + TITLE_SECONDS
        try:
            for items in stream:
                answer.feed(items)
                if answer.ended:
                    break
        finally:
            del self._open[stream]
            stream.close()
        return answer.text if answer.ended or (answer.whole and self._engine.bare_end) else ""

    def _first_text(self, owner: str, thread_id: str) -> str:
        """Return the text of the first message of the user with text."""
        page = self._store.list(Kind.MESSAGE, owner, parent=thread_id, order="asc", limit=MESSAGES_READ)
        texts = (message_text(record.body) for record in page.records if record.body["role"] == "user")
        return next((text for text in texts if text.strip()), "")


def message_text(message: Object) -> str:
    """Return the text of a message's parts."""
    return "\n".join(part["text"]["value"] for part in message["content"] if part["type"] == "text")
