"""A scripted model: the fake upstream in the tests' process. A test sets each answer and its timing."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask_assistant_stream.engines.response_items import ResponseItems, usage, words
from tests.fake_upstream import FakeUpstream, Gate, Recorded, Reply, Step

TITLE_MODEL = "a-title-model"
Middle = Callable[[ResponseItems], Iterable[Step]]


class Held:
    """An answer that pauses between its parts until the test releases them."""

    def __init__(self, stops: int) -> None:
        self.gates = [threading.Event() for _ in range(stops)]

    def go_on(self) -> None:
        """Release the next part."""
        next(gate for gate in self.gates if not gate.is_set()).set()

    def finish(self) -> None:
        """Release all remaining parts."""
        for gate in self.gates:
            gate.set()


class Model(FakeUpstream):
    """The fake upstream. Requests for titles return `title` and leave the queue unchanged."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.titles_held = Held(0)
        self._held: list[Held] = []

    def reply_to(self, request: Recorded) -> Reply:
        """Return the reply to a request."""
        if request.body["model"] == TITLE_MODEL:
            gates = [Gate(gate) for gate in self.titles_held.gates]
            return _reply(lambda items: [*gates, *items.text(words(self.title))])
        return super().reply_to(request)

    def says(self, text: str, citations: Iterable[dict[str, Any]] = ()) -> None:
        """Answer the next request with a text, word by word."""
        self.does(lambda items: items.text(words(text), citations))

    def does(self, middle: Middle) -> None:
        """Answer the next request with items."""
        self.play(_reply(middle))

    def calls(self, name: str, arguments: str) -> None:
        """Answer the next request with a function call."""
        self.does(lambda items: items.call(name, arguments))

    def holds(self, *parts: str) -> Held:
        """Answer the next request with a text that pauses before each part except the first."""
        held = Held(len(parts) - 1)
        self._held.append(held)

        def middle(items: ResponseItems) -> Iterator[Step]:
            steps = items.text([word for part in parts for word in words(part)])
            begin = 0
            for part, gate in zip(parts, [*held.gates, None], strict=True):
                count = len(words(part)) + (0 if begin else 2)  # two events open the message
                for _ in range(count):
                    begin += 1
                    yield next(steps)
                if gate is not None:
                    yield Gate(gate)
            yield from steps

        self.does(middle)
        return held

    def breaks(self, *parts: str, message: str = "The model broke.") -> None:
        """Begin the next answer, then fail."""

        def steps() -> Iterator[Step]:
            items = _items()
            yield from items.begin()
            text = items.text([word for part in parts for word in words(part)])
            for _, item in zip(range(2 + sum(len(words(part)) for part in parts)), text, strict=False):
                yield item
            yield items.fail("server_error", message)

        self.play(Reply(steps()))

    def hold_titles(self) -> Held:
        """Hold titles until the test releases them."""
        self.titles_held = Held(1)
        self._held.append(self.titles_held)
        return self.titles_held

    def forget(self) -> None:
        """Release the held answers and drop the queued ones."""
        for held in self._held:
            held.finish()
        self._held.clear()
        self.titles_held = Held(0)
        self.title = "A conversation"
        self.files.indexing_reads = 0
        self.files.outcomes.clear()
        with contextlib.suppress(queue.Empty):
            while True:
                self._next.get_nowait()

    def file_id(self, filename: str) -> str:
        """Return the id of an uploaded file."""
        return next(id for id, file in reversed(self.files.files.items()) if file["filename"] == filename)


def _items() -> ResponseItems:
    return ResponseItems({"model": "a-model"}, now=time.time)


def _reply(middle: Middle) -> Reply:
    def steps() -> Iterator[Step]:
        items = _items()
        yield from items.begin()
        yield from middle(items)
        yield items.complete(usage(11, 10))

    return Reply(steps())


def citation(file_id: str, filename: str, index: int) -> dict[str, Any]:
    """Return an annotation that cites a file before the character `index` of the text."""
    return {"type": "file_citation", "file_id": file_id, "filename": filename, "index": index}
