"""The lines of a thread: spans, forks, variants, against a model that copies the list of messages for each line."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import pytest

from flask_assistant_stream.errors import NotFound, RequestError, StoreError
from flask_assistant_stream.stores.lines import (
    EVERYTHING,
    MAX_FORKS,
    TURN,
    Fork,
    Line,
    Lines,
    Span,
    active_line,
    clipped,
    fork_at,
    forked,
    last_used,
    spans_of,
    switched,
    variants,
)

NESTED = (Line(0), Line(5, 0, 3 * TURN), Line(9, 5, 6 * TURN), Line(12, 0, TURN))
"""Line 9 shares turns 1 and 2 of line 0, and turn 5 of line 5."""


class Message(NamedTuple):
    line: int
    position: int


def within(messages: list[Message], spans: tuple[Span, ...]) -> list[Message]:
    """Return the messages in spans, in the order of the spans."""
    return [
        message
        for span in spans
        for message in sorted(messages)
        if message.line == span.line
        and span.first <= message.position
        and (span.end is None or message.position < span.end)
    ]


class Copies:
    """A thread that keeps a whole list of messages for each line, beside the lines under test."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.turn = 0
        self.lines: Lines = ()
        self.messages: list[Message] = []
        self.lists: dict[int, list[Message]] = {0: []}
        self.active = 0

    def say(self) -> None:
        """Add a message, or the answers of a run, to the active line."""
        self.turn += 1
        for seq in self.random.choice([(0,), (0, 1), (3,), (2, 7)]):
            message = Message(self.active, self.turn * TURN + seq)
            self.messages.append(message)
            self.lists[self.active].append(message)

    def fork(self) -> None:
        """Fork before a message of any line, or behind its last one, with or without messages on the new line."""
        line = self.random.choice([*self.lists])
        index = self.random.randint(0, len(self.lists[line]))
        shared, rest = self.lists[line][:index], self.lists[line][index:]
        position = rest[0].position if rest else self.turn * TURN + TURN - 1
        number = self.turn + 1
        self.lines = forked(self.lines, fork_at(self.lines, line, position), number)
        self.lists[number] = shared
        self.active = number
        for _ in range(self.random.randint(0, 2)):
            self.say()
        self.turn = max(self.turn, number)

    def switch(self) -> None:
        self.active = self.random.choice([*self.lists])
        self.lines = switched(self.lines, self.active)

    def delete(self) -> None:
        if self.messages:
            message = self.random.choice(self.messages)
            for messages in (self.messages, *self.lists.values()):
                if message in messages:
                    messages.remove(message)

    def grow(self, steps: int) -> Iterator[Copies]:
        """Yield the thread after each of some random changes."""
        for _ in range(steps):
            self.random.choices([self.say, self.fork, self.switch, self.delete], (4, 3, 2, 1))[0]()
            yield self


SEEDS = pytest.mark.parametrize("seed", range(20))


@SEEDS
def test_every_line_has_the_messages_of_its_copy(seed: int) -> None:
    for thread in Copies(seed).grow(40):
        assert active_line(thread.lines) == thread.active
        assert within(thread.messages, spans_of(thread.lines)) == thread.lists[thread.active]
    for line, messages in thread.lists.items():
        assert within(thread.messages, spans_of(thread.lines, line)) == messages


@SEEDS
def test_spans_ascend(seed: int) -> None:
    """Each ends before the next line's own messages begin, so a list is in the order of its spans."""
    for thread in Copies(seed).grow(40):
        for line in thread.lists:
            for span, later in pairwise(spans_of(thread.lines, line)):
                assert span.end is not None
                assert span.end <= later.line * TURN
                assert (span.line, span.first) < (later.line, later.first + 1)


@SEEDS
def test_a_place_is_named_the_same_from_every_line_that_shows_it(seed: int) -> None:
    *_, thread = Copies(seed).grow(60)
    for message in thread.messages:
        shown = [line for line, messages in thread.lists.items() if message in messages]
        places = {fork_at(thread.lines, line, message.position) for line in shown}
        assert len(places) == 1 or not shown
        for place in places:
            assert fork_at(thread.lines, *place) == place
            kept = within(thread.messages, tuple(clipped(spans_of(thread.lines, place.parent), 0, place.until - 1)))
            for line in shown:
                assert thread.lists[line][: thread.lists[line].index(message)] == kept


@SEEDS
def test_a_line_begins_at_its_fork(seed: int) -> None:
    *_, thread = Copies(seed).grow(60)
    for line in thread.lines:
        if line.number:
            for position in (line.number * TURN, line.number * TURN - 1, line.until):
                assert fork_at(thread.lines, line.number, position) == Fork(line.parent, line.until)


@SEEDS
def test_variants_are_what_follows_the_place(seed: int) -> None:
    """A line shows the variant whose span is next at the place; a line that ends before it shows none."""
    *_, thread = Copies(seed).grow(60)
    forks = {Fork(line.parent, line.until) for line in thread.lines if line.number}
    for place in forks | {fork_at(thread.lines, 0, message.position) for message in thread.messages}:
        expected: dict[int, int] = {}
        for line in thread.lines:
            spans = spans_of(thread.lines, line.number)
            ends = {span.line: span.end for span in spans}
            end = ends.get(place.parent, -1)
            if end is None or end > place.until:
                expected[place.parent] = line.number
            elif end == place.until:
                after = [*ends].index(place.parent) + 1
                expected[[*ends][after]] = line.number
        assert last_used(thread.lines, place) == expected
        assert variants(thread.lines, place) == [
            place.parent,
            *sorted(number for number in expected if number != place.parent),
        ]


def test_a_thread_without_forks() -> None:
    assert active_line(()) == 0
    assert spans_of(()) == spans_of((), 0) == EVERYTHING
    assert fork_at((), 0, 7 * TURN) == Fork(0, 7 * TURN)
    assert switched((), 0) == ()
    assert variants((), Fork(0, TURN)) == [0]
    assert last_used((), Fork(0, TURN)) == {0: 0}


def test_spans_of_nested_lines() -> None:
    assert spans_of(NESTED, 0) == (Span(0),)
    assert spans_of(NESTED, 5) == (Span(0, 0, 3 * TURN), Span(5))
    assert spans_of(NESTED, 9) == (Span(0, 0, 3 * TURN), Span(5, 0, 6 * TURN), Span(9))
    assert spans_of(NESTED) == (Span(0, 0, TURN), Span(12))


@pytest.mark.parametrize(
    ("line", "position", "fork"),
    [
        (9, 10 * TURN, Fork(9, 10 * TURN)),
        (9, 9 * TURN + 1, Fork(9, 9 * TURN + 1)),
        (9, 9 * TURN, Fork(5, 6 * TURN)),
        (9, 7 * TURN, Fork(5, 6 * TURN)),
        (9, 5 * TURN, Fork(0, 3 * TURN)),
        (9, 4 * TURN, Fork(0, 3 * TURN)),
        (9, 2 * TURN, Fork(0, 2 * TURN)),
        (9, 0, Fork(0, 0)),
        (12, 12 * TURN, Fork(0, TURN)),
        (0, 99 * TURN, Fork(0, 99 * TURN)),
    ],
)
def test_where_a_line_leaves_its_parent(line: int, position: int, fork: Fork) -> None:
    assert fork_at(NESTED, line, position) == fork


def test_the_line_that_was_used_last_shows_a_variant() -> None:
    place = Fork(0, 3 * TURN)
    assert variants(NESTED, place) == [0, 5]
    assert last_used(NESTED, place) == {0: 0, 5: 9}
    assert last_used(switched(NESTED, 5), place) == {0: 0, 5: 5}
    assert last_used(NESTED, Fork(0, TURN)) == {0: 9, 12: 12}
    assert last_used(switched(NESTED, 0), Fork(0, TURN)) == {0: 0, 12: 12}
    assert last_used(NESTED, Fork(9, 10 * TURN)) == {9: 9}


def test_a_line_that_does_not_exist() -> None:
    for lines, unknown in (((), 1), (NESTED, 1), (NESTED, -5)):
        for call in (spans_of, switched):
            with pytest.raises(NotFound, match=f"no line {unknown}"):
                call(lines, unknown)
        with pytest.raises(NotFound, match=f"no line {unknown}"):
            fork_at(lines, unknown, TURN)
        with pytest.raises(NotFound, match=f"no line {unknown}"):
            forked(lines, Fork(unknown, TURN), 20)


def test_the_first_fork_names_the_first_line() -> None:
    assert forked((), Fork(0, TURN), 3) == (Line(0), Line(3, 0, TURN))


def test_a_fork_in_front_of_everything() -> None:
    """The first line is the parent of such a fork, not another one."""
    lines = forked((), Fork(0, 0), 3)
    assert spans_of(lines) == (Span(0, 0, 0), Span(3))
    assert variants(lines, Fork(0, 0)) == [0, 3]
    assert last_used(lines, Fork(0, 0)) == {0: 0, 3: 3}


def test_a_new_line_shares_only_what_comes_before_its_own() -> None:
    """Wherever a caller forks: spans ascend, and equal places have one name."""
    for fork, line in [
        (Fork(9, 99 * TURN), Line(20, 9, 20 * TURN)),
        (Fork(9, 2 * TURN), Line(20, 0, 2 * TURN)),
        (Fork(9, 9 * TURN), Line(20, 5, 6 * TURN)),
    ]:
        assert forked(NESTED, fork, 20) == (*NESTED, line)


def test_a_switch_moves_a_line_to_the_end() -> None:
    assert [line.number for line in switched(NESTED, 5)] == [0, 9, 12, 5]
    assert switched(NESTED, 12) == NESTED


def test_a_thread_has_so_many_forks_and_no_more() -> None:
    lines: Lines = ()
    for number in range(2, MAX_FORKS + 2):
        lines = forked(lines, Fork(0, TURN), number)
    with pytest.raises(RequestError, match=str(MAX_FORKS)) as error:
        forked(lines, Fork(0, TURN), MAX_FORKS + 2)
    assert error.value.code == "too_many_forks"
    assert variants(lines, Fork(0, TURN)) == [0, *range(2, MAX_FORKS + 2)]
    assert len(last_used(lines, Fork(0, TURN))) == MAX_FORKS + 1


def test_a_line_below_a_thousand_others() -> None:
    lines: Lines = ()
    for number in range(2, MAX_FORKS + 2):
        lines = forked(lines, fork_at(lines, active_line(lines), number * TURN - 1), number)
    spans = spans_of(lines)
    assert len(spans) == MAX_FORKS + 1
    assert fork_at(lines, active_line(lines), 0) == Fork(0, 0)
    assert last_used(lines, Fork(0, 2 * TURN - 1)) == {0: 0, 2: MAX_FORKS + 1}


@pytest.mark.parametrize(
    ("low", "high", "parts"),
    [
        (0, None, [Span(0, 0, 10), Span(1, 20, 30), Span(2, 0, None)]),
        (9, 9, [Span(0, 9, 10), Span(2, 9, 10)]),
        (10, 19, [Span(2, 10, 20)]),
        (25, 25, [Span(1, 25, 26), Span(2, 25, 26)]),
        (29, None, [Span(1, 29, 30), Span(2, 29, None)]),
        (30, None, [Span(2, 30, None)]),
        (5, 4, []),
    ],
)
def test_spans_are_clipped(low: int, high: int | None, parts: list[Span]) -> None:
    assert list(clipped((Span(0, 0, 10), Span(1, 20, 30), Span(2)), low, high)) == parts


def test_clipping_finds_the_same_records_as_a_filter() -> None:
    spans = (Span(0, 0, 6), Span(1, 3, 3), Span(2, 4, 9), Span(3, 8))
    everything = [Message(line, position) for line in range(4) for position in range(14)]
    for low in range(14):
        for high in (None, *range(14)):
            bounded = [m for m in everything if low <= m.position and (high is None or m.position <= high)]
            assert within(everything, tuple(clipped(spans, low, high))) == within(bounded, spans)


@pytest.mark.parametrize("damaged", [Line(5, 5, 1), Line(5, 7, 1), Line(5, 3, 1)])
def test_damaged_lines_are_an_error(damaged: Line) -> None:
    with pytest.raises(StoreError, match="damaged: line 5"):
        spans_of((Line(0), Line(7, 5, 3), damaged), 5)
