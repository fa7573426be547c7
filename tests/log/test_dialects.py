"""The log obeys the table of dialects: a made-up one of which it knows only the names in its row."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from flask_assistant_stream.log.run_log import RunLog
from flask_assistant_stream.protocol.dialects import ASSISTANTS, DIALECTS, Dialect, UnknownDialect, dialect_of
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.protocol.ids import new_id
from flask_assistant_stream.stores.base import Kind, Row, RunRecord, Store
from flask_assistant_stream.testing.store_material import ANN, a_start, a_thread
from tests.waiting import soon

PATIENCE = 30.0
TALES = Dialect.of(
    "tales",
    run_endings={"tale.over"},
    pauses={"tale.question"},
    stored_first={"tale.chapter"},
    vendor_events={"tale.rumour"},
)
BEGIN, WORD, CHAPTER, QUESTION, OVER = "tale.begin", "tale.word.delta", "tale.chapter", "tale.question", "tale.over"
FOREIGN = "thread.run.completed"
"""Ends a stream in another dialect; here it is a name like any other."""


@pytest.fixture(autouse=True)
def _tales(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DIALECTS, TALES.name, TALES)


def events(first: int, *names: str) -> list[Event]:
    return [Event(seq, name, b'{"id":"x","object":"tale"}') for seq, name in enumerate(names, first)]


def begun(store: Store, dialect: str = TALES.name) -> RunRecord:
    """Return a run whose log has one event."""
    start = a_start(store.insert(a_thread()), due_at=store.now() + 600)
    run = replace(start.run, dialect=dialect)
    return store.start(replace(start, run=run, row=Row.of(run, new_id("token"), events(1, BEGIN))))


def stored_names(store: Store, run: RunRecord) -> list[str]:
    return [event.name for row in store.read(run.id) for event in row.events]


@pytest.fixture
def make_log(open_store: Callable[[], Store]) -> Iterator[Callable[[], RunLog]]:
    """Return a function that makes the log of another process on the same data."""
    logs: list[RunLog] = []

    def make() -> RunLog:
        logs.append(RunLog(open_store(), deadline_seconds=PATIENCE))
        return logs[-1]

    yield make
    for log in logs:
        log.stop()


class Reading:
    """A reader in a thread of its own: the names it read, and what ended it."""

    def __init__(self, log: RunLog, run: RunRecord, after: int = 0) -> None:
        self.names: list[str] = []
        self.error: Exception | None = None
        self.follower = log.follow(run.id, after)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            with self.follower:
                for batch in self.follower:
                    self.names += [event.name for event in batch]
        except Exception as error:
            self.error = error

    def at_end(self) -> list[str]:
        """Return the names after the stream has ended by itself."""
        self._thread.join(PATIENCE)
        assert (self._thread.is_alive(), self.error) == (False, None)
        return self.names


class HeldBack:
    """Holds back the writes of a store until `free` is set."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free, self.held = threading.Event(), threading.Event()
        self._commit = store.commit
        monkeypatch.setattr(store, "commit", self._held)

    def _held(self, writes: Any) -> Any:
        self.held.set()
        assert self.free.wait(PATIENCE)
        return self._commit(writes)


def test_the_table() -> None:
    assert dialect_of("assistants") is ASSISTANTS
    assert ASSISTANTS.stream_endings == ASSISTANTS.run_endings | {"thread.run.requires_action"}
    assert ASSISTANTS.stream_endings < ASSISTANTS.stored_first
    assert not ASSISTANTS.stored_first & ASSISTANTS.vendor_events
    with pytest.raises(UnknownDialect, match=r"dialect 'sagas', of a newer version: upgrade"):
        dialect_of("sagas")


def test_rows_and_fences_name_the_dialect_of_their_run() -> None:
    run = replace(a_start(a_thread()).run, dialect=TALES.name, epoch=3)
    assert Row.of(run, "t", events(4, WORD, WORD)).dialect == TALES.name
    assert Row.fence(run, 5, "t").dialect == TALES.name


def test_readers_end_where_the_dialect_ends(open_store: Callable[[], Store], make_log: Callable[[], RunLog]) -> None:
    here, there = make_log(), make_log()
    run = begun(here.store)
    writer = here.open(run, events(1, BEGIN), 1)
    readings = [Reading(here, run), Reading(there, run)]
    names = [BEGIN, WORD, FOREIGN, CHAPTER, OVER]
    for seq, name in enumerate(names[1:], 2):
        writer.append(events(seq, name))
        assert writer.wait_stored(PATIENCE)
        assert writer.finished is (name == OVER)
    assert [reading.at_end() for reading in readings] == [names, names]
    assert here.writer(run.id) is None
    assert Reading(there, run, 5).at_end() == [], "at the end already"
    assert [row.dialect for row in open_store().read(run.id)] == [TALES.name] * len(names)


def test_what_the_dialect_stores_first_is_not_shown_before(
    make_log: Callable[[], RunLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = make_log()
    run = begun(log.store)
    writes = HeldBack(log.store, monkeypatch)
    writer = log.open(run, events(1, BEGIN), 1)
    reading = Reading(log, run)
    writer.append(events(2, WORD, FOREIGN, CHAPTER, WORD))
    soon(lambda: len(reading.names) == 3)
    assert writes.held.wait(PATIENCE)
    assert (writer.visible, reading.names) == (3, [BEGIN, WORD, FOREIGN])
    writes.free.set()
    soon(lambda: len(reading.names) == 5)
    writer.append(events(6, OVER))
    assert reading.at_end() == [BEGIN, WORD, FOREIGN, CHAPTER, WORD, OVER]


def test_a_stream_ends_where_its_run_waits_and_continues_once_it_is_answered(make_log: Callable[[], RunLog]) -> None:
    here, there = make_log(), make_log()
    run = begun(here.store)
    writer = here.open(run, events(1, BEGIN), 1)
    state = {"step": None}
    writer.append(events(2, WORD, QUESTION), state)
    assert writer.wait_stored(PATIENCE)
    assert Reading(there, run).at_end() == Reading(here, run).at_end() == [BEGIN, WORD, QUESTION]
    row = here.store.last_row(run.id)
    assert row is not None
    assert row.state == state
    writer = here.open(run, [], 3)
    writer.append(events(4, WORD, OVER))
    assert writer.wait_stored(PATIENCE)
    assert Reading(there, run).at_end() == Reading(here, run).at_end() == [BEGIN, WORD, QUESTION, WORD, OVER]


def test_objects_of_another_dialect_are_not_guessed(make_log: Callable[[], RunLog]) -> None:
    log = make_log()
    run = begun(log.store)
    log.open(run, events(1, BEGIN), 1).append(events(2, "thread.message.completed", FOREIGN, OVER))
    assert Reading(make_log(), run).at_end()[-1] == OVER
    left = log.store.get(Kind.RUN, ANN, run.id)
    assert isinstance(left, RunRecord)
    assert left == replace(run, last_seq=4), "only what readers on other workers wait for"
    assert log.store.list(Kind.MESSAGE, ANN, parent=run.parent).records == []


@pytest.mark.parametrize("after", [0, 1, 9])
def test_a_reader_of_an_unknown_dialect_is_refused_at_once(make_log: Callable[[], RunLog], after: int) -> None:
    log = make_log()
    run = begun(log.store, "sagas")
    before = time.monotonic()
    with log.follow(run.id, after) as follower, pytest.raises(UnknownDialect, match="sagas"):
        next(iter(follower))
    assert time.monotonic() - before < log.deadline_seconds / 2, "no read is repeated"


def test_an_unknown_dialect_is_not_written(make_log: Callable[[], RunLog]) -> None:
    log = make_log()
    run = begun(log.store, "sagas")
    with pytest.raises(UnknownDialect, match="sagas"):
        log.open(run, events(1, BEGIN), 1)
    assert not log.writing
    assert stored_names(log.store, run) == [BEGIN]
