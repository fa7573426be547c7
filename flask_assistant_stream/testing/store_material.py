"""Records, rows, starts, fixtures and simultaneous calls for the store suites."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from ..errors import AssistantStreamError
from ..protocol import objects
from ..protocol.events import Event
from ..protocol.ids import new_id
from ..protocol.objects import RUN_VOLATILE
from ..stores.base import Kind, Projection, Record, Row, RunRecord, Start, Store, ThreadRecord
from ..stores.lines import TURN, Fork, Span

T = TypeVar("T")

ANN, BOB = "ann", "bob"
AWKWARD = {
    "title": "Grüße, 世界 👋\u2028\x00 end",
    "$ref": "#/definitions/a",
    "nested": [{"$ref": "#/x", "$id": "y", "$db": "z"}, {"a.b": {"$gt": 1, "": None, "100%": "%24"}}],
    "big": 1 << 40,
    "bigger": [2**64 - 1, -(2**63) - 1, 10**300],
    "float": 0.1,
    "none": None,
    "flag": True,
}
"""JSON that tools and models produce and that a database could misread."""

ASSISTANT = objects.assistant("asst_1", 1, "model")


def a_thread(owner: str = ANN, **extra: Any) -> Record:
    """Return a new thread."""
    return Record(Kind.THREAD, owner, objects.thread(new_id("thread"), 1), extra=extra)


def a_message(thread: Record, text: str = "Hello", **fields: Any) -> Record:
    """Return a new message."""
    body = objects.message(new_id("msg"), 1, thread.id, "user", [objects.text_part(text)], **fields)
    return Record(Kind.MESSAGE, thread.owner, body, thread.id)


def a_row(run: RunRecord, first: int = 1, last: int | None = None, *, token: str | None = None) -> Row:
    """Return a row of equal events."""
    events = [Event(seq, "thread.run.queued", b'{"id":"x"}') for seq in range(first, (last or first) + 1)]
    return Row.of(run, token or new_id("token"), events)


def a_start(thread: Record, /, *texts: str, due_at: float = 100.0, **fields: Any) -> Start:
    """Return the start of a run on a thread."""
    body = objects.run(new_id("run"), 1, thread.id, ASSISTANT)
    run = RunRecord(Kind.RUN, thread.owner, body, thread.id, due_at=due_at)
    return Start(run, a_row(run), tuple(a_message(thread, text) for text in texts), **fields)


def again(start: Start) -> Start:
    """Return the start of the same request sent again: same run and thread, other messages and row."""
    row = replace(start.row, token=new_id("token"))
    messages = [replace(message, body={**message.body, "id": new_id("msg")}) for message in start.messages]
    return replace(start, row=row, messages=tuple(messages))


def an_answer(run: RunRecord, seq: int, text: str = "Hi", *, id: str | None = None) -> Record:
    """Return a message of a run, as of event `seq`."""
    part = [objects.text_part(text)]
    body = objects.message(id or new_id("msg"), 1, run.parent, "assistant", part, run_id=run.id)
    return Record(Kind.MESSAGE, run.owner, body, run.parent, run.position + seq, line=run.line)


def spans_of_run(run: RunRecord) -> tuple[Span, ...]:
    """Return where the messages of a run are."""
    return (Span(run.line, run.position, run.position + TURN),)


def changed(run: RunRecord, status: str) -> dict[str, Any]:
    """Return the changes of a run event with this status."""
    return {**{key: run.body[key] for key in RUN_VOLATILE}, "status": status}


def end(store: Store, run: RunRecord, *answers: str) -> list[Record]:
    """End a run with these answers, and return them."""
    messages = tuple(an_answer(run, seq, text) for seq, text in enumerate(answers, 2))
    seqs = tuple(range(2, 2 + len(messages)))
    store.project([Projection(run, messages, seqs, changed(run, "completed"), last_seq=2 + len(messages))])
    return [*messages]


def a_turn(
    store: Store, thread: Record, /, *texts: str, answers: tuple[str, ...] = (), fork: Fork | None = None
) -> RunRecord:
    """Start a run with messages, end it with answers, and return it as it was started."""
    run = store.start(a_start(thread, *texts, fork=fork))
    end(store, run, *answers)
    return run


def text_of(message: Record) -> str:
    """Return the text of a message."""
    return str(message.body["content"][0]["text"]["value"])


def texts_of(store: Store, thread: Record, **options: Any) -> list[str]:
    """Return the texts of a list of messages: of the active line, ascending, unless `options` of `list` say else."""
    page = store.list(Kind.MESSAGE, thread.owner, parent=thread.id, **{"order": "asc", "limit": 1000, **options})
    return [text_of(message) for message in page.records]


def ids_of(records: Sequence[Record]) -> list[str]:
    """Return the ids of records."""
    return [record.id for record in records]


def at_once(*calls: Callable[[], T]) -> list[T | AssistantStreamError]:
    """Make calls at the same time in threads of their own. Return their results or errors in order."""
    results: list[Any] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def make(number: int) -> None:
        barrier.wait(10)
        try:
            results[number] = calls[number]()
        except AssistantStreamError as error:
            results[number] = error

    threads = [threading.Thread(target=make, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


class StoreFixtures:
    """The fixtures of the suites; a subclass overrides `open_store`."""

    @pytest.fixture
    def open_store(self) -> Iterator[Callable[[], Store]]:
        """Yield a function that returns stores on the same data, which each test has to itself, empty at first."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: Callable[[], Store]) -> Store:
        """Return the store under test."""
        return open_store()

    @pytest.fixture
    def other(self, open_store: Callable[[], Store]) -> Store:
        """Return another process's view of the same data."""
        return open_store()

    @pytest.fixture
    def thread(self, store: Store) -> ThreadRecord:
        """Return a stored thread of Ann's."""
        thread = store.insert(a_thread())
        assert isinstance(thread, ThreadRecord)
        return thread

    @pytest.fixture
    def run(self, store: Store, thread: Record) -> RunRecord:
        """Return a started run of Ann's."""
        return store.start(a_start(thread, "Hello"))
