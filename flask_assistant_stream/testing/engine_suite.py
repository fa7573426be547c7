"""The contract of an engine, as a test class."""

from __future__ import annotations

import copy
import itertools
import threading
import time
from typing import Any

import pytest

from ..engines.base import Engine, Item, ItemStream

SOON = 2.0
"""Seconds within which `close` must end an iteration."""

ENDINGS = frozenset(("response.completed", "response.incomplete", "response.failed"))


def collect(stream: ItemStream) -> list[Item]:
    """Iterate to the end and return all items; the stream is closed."""
    try:
        return [item for items in stream for item in items]
    finally:
        stream.close()


def text_of(items: list[Item]) -> str:
    """Return the joined text deltas."""
    return "".join(item["delta"] for item in items if item["type"] == "response.output_text.delta")


class EngineSuite:
    """Subclass as `Test…` with fixtures `engine`, `asked` and `slow`."""

    @pytest.fixture
    def engine(self) -> Engine:
        """Return the engine, new for each test."""
        raise NotImplementedError

    @pytest.fixture
    def asked(self) -> dict[str, Any]:
        """Return a request whose response has text and completes."""
        raise NotImplementedError

    @pytest.fixture
    def slow(self) -> dict[str, Any]:
        """Return a request whose response begins at once and takes longer than ten seconds."""
        raise NotImplementedError

    def test_the_response_is_lists_of_items_and_ends(self, engine: Engine, asked: dict[str, Any]) -> None:
        """No list is empty, each item has a type, and the last item ends the response."""
        stream = engine.stream(asked)
        lists = list(stream)
        stream.close()
        assert all(lists)
        items = [item for items in lists for item in items]
        assert all(isinstance(item["type"], str) for item in items)
        assert items[-1]["type"] in ENDINGS
        assert text_of(items)

    def test_the_request_is_not_changed(self, engine: Engine, asked: dict[str, Any]) -> None:
        """The caller may send it again."""
        before = copy.deepcopy(asked)
        collect(engine.stream(asked))
        assert asked == before

    def test_a_search_may_come_with_the_request(self, engine: Engine, asked: dict[str, Any]) -> None:
        """`search` is accepted; an engine whose upstream searches by itself ignores it."""

        def search(*_: object) -> list[dict[str, Any]]:
            return []

        assert collect(engine.stream(asked, search=search))[-1]["type"] in ENDINGS

    def test_streams_do_not_mix(self, engine: Engine, asked: dict[str, Any]) -> None:
        """Two simultaneous streams have the same text and different response ids."""
        first, second = engine.stream(asked), engine.stream(asked)
        items: tuple[list[Item], list[Item]] = ([], [])
        for one, other in itertools.zip_longest(first, second):
            items[0].extend(one or ())
            items[1].extend(other or ())
        first.close()
        second.close()
        ids = [{item["response"]["id"] for item in mine if "response" in item} for mine in items]
        assert len(ids[0]) == len(ids[1]) == 1
        assert ids[0] != ids[1]
        assert text_of(items[0]) == text_of(items[1])

    def test_close_before_the_first_read(self, engine: Engine, asked: dict[str, Any]) -> None:
        """The iteration is empty and raises nothing."""
        stream = engine.stream(asked)
        stream.close()
        assert list(stream) == []

    def test_close_again(self, engine: Engine, asked: dict[str, Any]) -> None:
        """A stream may be closed any number of times, even after its end."""
        stream = engine.stream(asked)
        collect(stream)
        stream.close()
        stream.close()

    def test_close_from_another_thread_ends_the_iteration(self, engine: Engine, slow: dict[str, Any]) -> None:
        """The iterating thread wakes and ends without an error."""
        stream = engine.stream(slow)
        begun = threading.Event()
        ended: list[float] = []

        def iterate() -> None:
            for _ in stream:
                begun.set()
            ended.append(time.monotonic())

        thread = threading.Thread(target=iterate, daemon=True)
        thread.start()
        assert begun.wait(10)
        closed = time.monotonic()
        stream.close()
        thread.join(10)
        assert ended, "the iteration raised or continues"
        assert ended[0] - closed < SOON

    def test_close_between_two_reads(self, engine: Engine, slow: dict[str, Any]) -> None:
        """The iterating thread may close the stream itself."""
        stream = engine.stream(slow)
        reads = iter(stream)
        next(reads)
        stream.close()
        begun = time.monotonic()
        assert sum(1 for _ in reads) <= 1
        assert time.monotonic() - begun < SOON

    def test_ping_does_not_raise(self, engine: Engine) -> None:
        """It returns the problem, or None."""
        assert engine.ping() is None or isinstance(engine.ping(), str)
