"""Searches take turns between owners."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from flask_assistant_stream.errors import TooManySearches
from flask_assistant_stream.storages.local.search_turns import SearchTurns
from tests.waiting import soon


class Searches:
    """Searches in threads of their own, each until the test ends it; the first letter of a name is its owner."""

    def __init__(self, at_once: int) -> None:
        self.turns = SearchTurns(at_once)
        self.begun: list[str] = []
        self._ends: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def start(self, *names: str) -> None:
        """Start searches in order; each has its turn or waits for it at the end."""
        for name in names:
            self._ends[name] = threading.Event()
            self._threads.append(threading.Thread(target=self._search, args=(name,)))
            self._threads[-1].start()
            soon(lambda: len(self.begun) + self.turns.waiting == len(self._ends))

    def end(self, name: str, *then: str) -> None:
        """End a search; those that began in all are `then`."""
        self._ends[name].set()
        soon(lambda: len(self.begun) == len(then))
        assert self.begun == [*then]

    def end_all(self) -> None:
        for end in self._ends.values():
            end.set()
        for thread in self._threads:
            thread.join(10)

    def _search(self, name: str) -> None:
        with self.turns.turn(name[0]):
            self.begun.append(name)
            self._ends[name].wait(10)


@pytest.fixture
def searches() -> Iterator[Searches]:
    searches = Searches(at_once=2)
    yield searches
    searches.end_all()


def test_an_owner_has_one_search_at_a_time(searches: Searches) -> None:
    searches.start("a1", "a2", "a3")
    assert searches.begun == ["a1"]
    searches.start("b1")
    assert searches.begun == ["a1", "b1"]
    searches.end("a1", "a1", "b1", "a2")


def test_owners_take_turns(searches: Searches) -> None:
    searches.start("a1", "a2", "a3", "b1", "b2", "c1", "d1")
    assert searches.begun == ["a1", "b1"]
    begun = ["a1", "b1"]
    for ends, begins in (("a1", "c1"), ("c1", "d1"), ("b1", "a2"), ("d1", "b2"), ("a2", "a3")):
        searches.end(ends, *begun, begins)
        begun.append(begins)


def test_a_place_is_free_after_an_error() -> None:
    turns = SearchTurns(1)
    for _ in range(3):
        with pytest.raises(KeyError), turns.turn("a"):
            raise KeyError
    with turns.turn("b"):
        assert turns.waiting == 0


def test_few_requests_of_an_owner_wait(searches: Searches) -> None:
    searches.start("a1", "a2", "a3")
    with pytest.raises(TooManySearches), searches.turns.turn("a", waiting=2):
        pass
    with searches.turns.turn("b", waiting=1):
        assert searches.turns.waiting == 2
    searches.end("a1", "a1", "a2")
