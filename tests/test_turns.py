"""Places that owners take in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from flask_assistant_stream.turns import Turns
from tests.waiting import soon


class Work:
    """Work in threads of its own, each until the test ends it; the first letter of a name is its owner."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.begun: list[str] = []
        self._ends: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def start(self, *names: str) -> None:
        """Start work in order; each has its turn or waits for it at the end."""
        for name in names:
            self._ends[name] = threading.Event()
            self._threads.append(threading.Thread(target=self._work, args=(name,)))
            self._threads[-1].start()
            soon(lambda: len(self.begun) + self.turns.waiting == len(self._ends))

    def end(self, name: str, then: str) -> None:
        """End some work, after which other work begins."""
        expected = [*self.begun, then]
        self._ends[name].set()
        soon(lambda: len(self.begun) == len(expected))
        assert self.begun == expected

    def end_all(self) -> None:
        for end in self._ends.values():
            end.set()
        for thread in self._threads:
            thread.join(10)

    def _work(self, name: str) -> None:
        with self.turns.turn(name[0]) as taken:
            assert taken
            self.begun.append(name)
            self._ends[name].wait(10)


@pytest.fixture
def work() -> Iterator[Callable[[Turns], Work]]:
    """Return a function that makes work; it is ended after the test."""
    made: list[Work] = []

    def make(turns: Turns) -> Work:
        made.append(Work(turns))
        return made[-1]

    yield make
    for each in made:
        each.end_all()


def test_owners_take_turns_however_much_each_of_them_waits_for(work: Callable[[Turns], Work]) -> None:
    jobs = work(Turns(1))
    jobs.start("a1", "a2", "a3", "a4", "b1", "b2", "c1")
    assert jobs.begun == ["a1"]
    for ends, begins in (("a1", "b1"), ("b1", "c1"), ("c1", "a2"), ("a2", "b2"), ("b2", "a3"), ("a3", "a4")):
        jobs.end(ends, begins)


def test_an_owner_holds_no_more_places_than_allowed(work: Callable[[Turns], Work]) -> None:
    jobs = work(Turns(2, per_owner=1))
    jobs.start("a1", "a2", "a3")
    assert (jobs.begun, jobs.turns.waiting_of("a"), jobs.turns.waiting_of("b")) == (["a1"], 2, 0)
    jobs.start("b1", "b2", "c1", "d1")
    assert jobs.begun == ["a1", "b1"]
    for ends, begins in (("a1", "c1"), ("c1", "d1"), ("b1", "a2"), ("d1", "b2"), ("a2", "a3")):
        jobs.end(ends, begins)


def test_a_place_is_free_after_an_error() -> None:
    turns = Turns(1)
    for _ in range(3):
        with pytest.raises(KeyError), turns.turn("a"):
            raise KeyError
    with turns.turn("b", seconds=0.01) as taken:
        assert taken


def test_a_place_that_is_not_free_in_time_is_not_taken() -> None:
    turns = Turns(1)
    with turns.turn("a"), turns.turn("b", seconds=0.01) as taken:
        assert not taken
    assert turns.waiting == 0
    with turns.turn("b", seconds=0.01) as taken:
        assert taken


def test_there_are_as_many_places_as_there_should_be() -> None:
    turns = Turns(2)
    with turns.turn("a") as one, turns.turn("a") as two, turns.turn("a", seconds=0.01) as three:
        assert (one, two, three) == (True, True, False)
