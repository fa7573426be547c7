"""Titles of threads: written by a small model, or else the first words of the first message. Knows no Flask.

What somebody has set by hand stays: it stands under another key, so that a title written at that moment cannot
replace it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from .engines.base import Engine, ItemStream
from .errors import AssistantStreamError, EngineError, RequestError
from .protocol.objects import Object
from .stores.base import Kind, Record, Store
from .translation.titles import AnswerText, first_words, tidy_title, title_request

logger = logging.getLogger(__name__)

EVENT = "thread.title.updated"
BY_HAND = "title"
GENERATED = "generated_title"
"""The keys of a thread's `extra`; what is shown is the first of them that is there."""

TITLE_SECONDS = 20.0
"""How long a model may take for a title."""
MESSAGES_READ = 20


def shown_title(thread: Record) -> str | None:
    """Return the title of a thread, None where it has none."""
    title: str | None = thread.extra.get(BY_HAND) or thread.extra.get(GENERATED)
    return title


class Titles:
    """Writes titles.

    Args:
        store: where the threads are.
        engine: the upstream.
        model: asked for titles; None takes the first words.
        effort: how much it may think, None to leave that to the model.

    Attributes:
        automatic: whether the first message of a thread gives it a title.
        asks_model: whether a title takes a while.
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
        """Write the title of a thread anew, store it and return it; one set by hand is returned as it is.

        Raises:
            NotFound: no such thread for this owner.
            RequestError: it has no message to make a title of.
        """
        thread = self._store.get(Kind.THREAD, owner, thread_id)
        if thread.extra.get(BY_HAND):
            return str(thread.extra[BY_HAND])
        title = self.write(self._first_text(owner, thread_id))
        if not title:
            raise RequestError(f"Thread {thread_id} has no message to make a title of.")
        self.keep(owner, thread_id, title)
        return title

    def give(self, owner: str, thread_id: str, text: str, announce: Callable[[str, Object], None]) -> None:
        """Write a thread's title and have it told; what fails is logged, as nobody waits for it.

        Args:
            text: the thread's first message.
            announce: takes the event, name and data.
        """
        try:
            title = self.write(text)
            if title and self.keep(owner, thread_id, title):
                announce(EVENT, {"id": thread_id, "object": "thread.title", "title": title})
        except AssistantStreamError as error:  # the thread may be deleted, the store away
            logger.warning("thread %s got no title: %s", thread_id, error.message)
        except Exception:
            logger.exception("thread %s got no title by a fault of the library", thread_id)

    def write(self, text: str) -> str:
        """Return a title for a message, "" for one without words; a model that fails is made do without."""
        if self._model is None or not self.asks_model or not text.strip():
            return first_words(text)
        try:
            answer = self._answer(title_request(text, self._model, self._effort))
            return tidy_title(answer) or first_words(text)
        except EngineError as error:
            logger.warning("no title from the model, the first words stand in: %s", error.message)
            return first_words(text)

    def keep(self, owner: str, thread_id: str, title: str) -> bool:
        """Store a title that was written and say whether it is the one that is shown."""
        thread = self._store.update(Kind.THREAD, owner, thread_id, extra={GENERATED: title})
        return shown_title(thread) == title

    def end_late(self, now: float) -> None:
        """End the requests that take too long; called by the log's ticker with the monotonic time."""
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
        """Return the text of the first message of the user that has any."""
        page = self._store.list(Kind.MESSAGE, owner, parent=thread_id, order="asc", limit=MESSAGES_READ)
        texts = (message_text(record.body) for record in page.records if record.body["role"] == "user")
        return next((text for text in texts if text.strip()), "")


def message_text(message: Object) -> str:
    """Return the text of a message's parts."""
    return "\n".join(part["text"]["value"] for part in message["content"] if part["type"] == "text")
