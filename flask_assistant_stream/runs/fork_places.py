"""Where a thread forks: to edit a message of the user, to generate an answer again; the alternatives at a place.

Reads the store, writes nothing; `stores/lines.py` has the rules of lines.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import RequestError
from ..stores.base import Kind, Record, Store, ThreadRecord
from ..stores.lines import TURN, Fork, Span, active_line, fork_at, forked, last_used, spans_of, variants
from .starting import BUSY
from .stored_runs import active_run


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of the ways in which a thread continues from a place.

    Attributes:
        number: the line that began it; of the oldest alternative, the line that the others left.
        line: the line that was used last of those that show it.
        active: the active line shows it.
        own: where its messages are; other lines may share them.
    """

    number: int
    line: int
    active: bool
    own: Span


def message_of(store: Store, owner: str, thread_id: str, message_id: str) -> tuple[ThreadRecord, Record]:
    """Return a thread and a message of any of its lines.

    Raises:
        NotFound: the owner has no such thread, or the thread no such message.
    """
    thread = store.get_thread(owner, thread_id)
    return thread, store.get(Kind.MESSAGE, owner, message_id, parent=thread_id)


def edit(store: Store, owner: str, thread_id: str, message_id: str) -> tuple[Record, Fork]:
    """Return a message of the user, and where a line begins that has another message in its place.

    Raises:
        NotFound: as `message_of`.
        RequestError: the message is not the user's, or the thread has too many forks.
    """
    thread, message = message_of(store, owner, thread_id, message_id)
    if message.body["role"] != "user":
        raise RequestError(
            f"Message {message_id} is not the user's: edit the user's message before it, or leave out 'content' to "
            "generate the answer again.",
            param="content",
        )
    return message, _new_line(thread, message.line, message.position)


def regenerate(store: Store, owner: str, thread_id: str, message_id: str) -> Fork | None:
    """Return where a line begins that has another answer in place of this message, or behind this message of the user.

    None if nothing is there on the active line, which then continues.

    Raises:
        NotFound: as `message_of`.
        RequestError: the message's run is active, or the thread has too many forks.
    """
    run = active_run(store, owner, thread_id)  # first: a run that has ended meanwhile has stored its messages
    thread, message = message_of(store, owner, thread_id, message_id)
    if run is not None and message.body["run_id"] == run.id:
        raise RequestError(
            f"Message {message_id} belongs to run {run.id}, which is active: cancel it first.", code=BUSY
        )
    if message.body["role"] != "user":
        return _new_line(thread, message.line, beginning(message))
    line = _line_to_continue(thread, message)
    spans = spans_of(thread.lines, line)
    behind = store.list(Kind.MESSAGE, owner, parent=thread_id, limit=1, order="asc", after=message_id, spans=spans)
    if behind.records:
        return _new_line(thread, line, beginning(behind.records[0]))
    if run is not None and run.line == line and run.position > message.position:  # it may answer before it ends
        return _new_line(thread, line, run.position)
    return None if line == active_line(thread.lines) else _new_line(thread, line, message.position + 1)


def alternatives(thread: ThreadRecord, message: Record) -> list[Alternative]:
    """Return the ways in which a thread continues from the place where a message begins, oldest first."""
    lines = thread.lines
    place = fork_at(lines, message.line, beginning(message))
    lines_used, active = last_used(lines, place), active_line(lines)
    return [
        Alternative(
            number,
            lines_used[number],
            lines_used[number] == active,
            Span(number, place.until if number == place.parent else 0),
        )
        for number in variants(lines, place)
    ]


def beginning(message: Record) -> int:
    """Return the position where a message begins: that of its run, or its own without one."""
    return message.position - message.position % TURN if message.body["run_id"] else message.position


def _new_line(thread: ThreadRecord, line: int, position: int) -> Fork:
    """Return the fork at a position of a line, which the thread can have: refused before a run is ended for it."""
    fork = fork_at(thread.lines, line, position)
    forked(thread.lines, fork, thread.turns + 1)
    return fork


def _line_to_continue(thread: ThreadRecord, message: Record) -> int:
    """Return the active line if a message is on it, else the message's own."""
    on_active = any(
        span.line == message.line
        and span.first <= message.position
        and (span.end is None or message.position < span.end)
        for span in spans_of(thread.lines)
    )
    return active_line(thread.lines) if on_active else message.line
