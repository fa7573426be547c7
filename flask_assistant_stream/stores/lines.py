"""The lines of a thread: who shares whose messages, as pure functions.

A thread has one line of messages until somebody forks it. A fork begins a line that shares the messages of another
one before a position, and continues with its own. Nothing is copied or deleted, and a line never changes its parent.
So the messages of a line are a few *spans*: parts of the positions of its ancestors, then all of its own. Spans ascend,
because every line has its own messages at later positions than those it shares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..errors import NotFound, RequestError, StoreError

TURN = 1 << 20
"""Positions per turn of a thread: event `seq` of a run places its object at `turn * TURN + seq`."""

MAX_FORKS = 1_000
"""Forks of one thread: all of them are read with it."""


class Line(NamedTuple):
    """A line of a thread.

    Attributes:
        number: the turn of its first own messages; 0 for the line that a thread begins with.
        parent: the number of the line whose messages it shares.
        until: the position of the first message of `parent` that it does not share.
    """

    number: int
    parent: int = 0
    until: int = 0


class Fork(NamedTuple):
    """Where a line leaves its parent: `until` is the position of the first message that it does not share."""

    parent: int
    until: int


class Span(NamedTuple):
    """The records of one line from position `first` on and before `end`; None is no bound."""

    line: int = 0
    first: int = 0
    end: int | None = None


Lines = tuple[Line, ...]
"""The lines of a thread in the order of their last use: the last one is active. Empty before the first fork."""

EVERYTHING = (Span(),)
"""The spans of a list without forks."""


def active_line(lines: Lines) -> int:
    """Return the number of the active line."""
    return lines[-1].number if lines else 0


def spans_of(lines: Lines, line: int | None = None) -> tuple[Span, ...]:
    """Return the spans of a line, ascending; None is the active line. NotFound: no such line."""
    if not lines and not line:
        return EVERYTHING
    spans: list[Span] = []
    end: int | None = None
    for ancestor in _ancestry(lines, active_line(lines) if line is None else line):
        spans.append(Span(ancestor.number, 0, end))
        end = ancestor.until
    return tuple(reversed(spans))


def fork_at(lines: Lines, line: int, position: int) -> Fork:
    """Return where a new line begins that shares the messages of `line` before `position`.

    Equal for equal places, from whichever line they are seen: a place at the beginning of a line's own messages is
    where that line leaves its parent.
    """
    for ancestor in _ancestry(lines, line):
        if not ancestor.number or position > ancestor.number * TURN:
            return Fork(ancestor.number, position)
        position = min(position, ancestor.until)
    raise AssertionError("a line without a root")


def forked(lines: Lines, fork: Fork, number: int) -> Lines:
    """Return the lines after a fork; the new line is active, and its place is named as `fork_at` names it.

    Raises:
        NotFound: the thread has no line `fork.parent`.
        RequestError: the thread has `MAX_FORKS` already.
    """
    lines = lines or (Line(0),)
    parent, until = fork_at(lines, *fork)
    if len(lines) > MAX_FORKS:
        raise RequestError(
            f"The thread has {MAX_FORKS} forks, the maximum: continue one of its lines, or start a new thread.",
            code="too_many_forks",
        )
    return (*lines, Line(number, parent, min(until, number * TURN)))


def switched(lines: Lines, line: int) -> Lines:
    """Return the lines with another one active. NotFound: no such line."""
    chosen = _find(lines or (Line(0),), line)
    return (*(each for each in lines if each is not chosen), chosen) if lines else ()


def variants(lines: Lines, fork: Fork) -> list[int]:
    """Return the lines that continue from a place, in the order of their creation: first the parent itself."""
    return [fork.parent, *sorted(line.number for line in lines if line.number and line[1:] == fork)]


def last_used(lines: Lines, fork: Fork) -> dict[int, int]:
    """Return for each of `variants` the line that was used last of those that show it."""
    by_number = {line.number: line for line in lines}
    shown: dict[int, int | None] = {fork.parent: fork.parent}

    def variant(number: int) -> int | None:
        """Return the variant that a line shows; None if it does not reach the place."""
        way = []
        while number not in shown:
            way.append(number)
            line = by_number[number]
            if line.parent == fork.parent:
                if line.until > fork.until:
                    shown[number] = fork.parent
                else:
                    shown[number] = number if line.until == fork.until else None
            elif not number:
                shown[number] = None
            else:
                number = line.parent
        for each in way:
            shown[each] = shown[number]
        return shown[number]

    by_variant = {variant(line.number): line.number for line in lines or (Line(0),)}
    return {shows: line for shows, line in by_variant.items() if shows is not None}


def clipped(spans: Sequence[Span], low: int, high: int | None) -> Iterator[Span]:
    """Yield the parts of spans from position `low` to `high`, both included; None is no bound."""
    for line, first, end in spans:
        first = max(first, low)
        if high is not None and (end is None or end > high):
            end = high + 1
        if end is None or first < end:
            yield Span(line, first, end)


def _find(lines: Lines, number: int) -> Line:
    for line in lines:
        if line.number == number:
            return line
    raise NotFound(f"The thread has no line {number}.")


def _ancestry(lines: Lines, number: int) -> Iterator[Line]:
    """Yield a line, its parent and so on; the thread's first line is the last."""
    by_number = {line.number: line for line in lines} or {0: Line(0)}
    if number not in by_number:
        raise NotFound(f"The thread has no line {number}.")
    while number:
        line = by_number[number]
        yield line
        if line.parent not in by_number or line.parent >= number:  # else a damaged record would never end
            raise StoreError(f"The lines of a thread are damaged: line {number} has the parent {line.parent}.")
        number = line.parent
    yield by_number[0]
