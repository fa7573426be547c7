"""Places that owners take in turn."""

from __future__ import annotations

import threading

from flask_assistant_stream.extraction.turns import Turns
from tests.waiting import soon


class Queue:
    """Threads that wait for the one place, and the order in which they get it."""

    def __init__(self) -> None:
        self.turns = Turns(1)
        self.order: list[str] = []
        self.threads: list[threading.Thread] = []

    def join(self, owner: str) -> None:
        waiting = threading.Event()

        def work() -> None:
            waiting.set()
            with self.turns.turn(owner, 60) as taken:
                assert taken
                self.order.append(owner)

        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()
        waiting.wait()
        soon(lambda: self.turns.waiting == len(self.threads))


def test_owners_take_turns_however_much_each_of_them_waits_for() -> None:
    queue = Queue()
    with queue.turns.turn("ann", 1) as taken:
        assert taken
        for owner in ["ann"] * 4 + ["bob", "bob", "cleo"]:
            queue.join(owner)
    for thread in queue.threads:
        thread.join()
    assert queue.order == ["ann", "bob", "cleo", "ann", "bob", "ann", "ann"]


def test_a_place_that_is_not_free_in_time_is_not_taken() -> None:
    turns = Turns(1)
    with turns.turn("ann", 1), turns.turn("bob", 0.01) as taken:
        assert not taken
    assert turns.waiting == 0
    with turns.turn("bob", 0.01) as taken:
        assert taken


def test_there_are_as_many_places_as_there_should_be() -> None:
    turns = Turns(2)
    with turns.turn("ann", 1) as one, turns.turn("ann", 1) as two, turns.turn("ann", 0.01) as three:
        assert (one, two, three) == (True, True, False)
