"""Readers of runs that another worker writes: woken by a store that pushes, otherwise polling."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.errors import StoreError
from flask_assistant_stream.log import follow, watch
from flask_assistant_stream.log.run_log import RunLog
from flask_assistant_stream.log.watch import POLL_SECONDS, PUSHED_POLL_SECONDS
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Row, RunRecord, Store
from flask_assistant_stream.testing.store_material import a_row, a_start, a_thread
from tests.mongodb_server import start_server, stop_server
from tests.waiting import soon

PATIENCE = 30.0


def begun(store: Store) -> RunRecord:
    return store.start(a_start(store.insert(a_thread()), due_at=store.now() + 600))


def an_end(run: RunRecord, seq: int = 2) -> Row:
    return Row.of(run, "end", [Event(seq, "thread.run.failed", b'{"object":"thread.run"}')])


class Reading:
    """A reader in a thread of its own, and the events it read."""

    def __init__(self, log: RunLog, run: RunRecord) -> None:
        self.events: list[Event] = []
        self.follower = log.follow(run.id)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        soon(lambda: self.events)

    def _read(self) -> None:
        with self.follower:
            for events in self.follower:
                self.events += events

    def stop(self) -> None:
        self.follower.close()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


MakeLog = Callable[[str], RunLog]


@pytest.fixture
def log() -> Iterator[MakeLog]:
    logs: list[RunLog] = []

    def make(url: str) -> RunLog:
        logs.append(RunLog(make_store(url)))
        return logs[-1]

    yield make
    for log in logs:
        log.stop()
        log.store.close()


def write(writer: Store, run: RunRecord, reading: Reading, rows: int = 12) -> None:
    """Append rows one by one, each after the reader has read the previous one."""
    for first in range(2, 2 + rows):
        writer.append([a_row(run, first)])
        soon(lambda: len(reading.events) >= first)  # noqa: B023


def test_a_store_that_pushes_wakes_readers(log: MakeLog, mongodb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PUSHED_POLL_SECONDS", 60.0)  # a reader that is not woken reads nothing
    writer, reader = make_store(mongodb_url), log(mongodb_url)
    run, other = begun(writer), begun(writer)
    reading, idle = Reading(reader, run), Reading(reader, other)
    soon(lambda: reader.watch.poll_seconds == 60.0)
    write(writer, run, reading)
    assert ([event.seq for event in reading.events], len(idle.events)) == (list(range(1, 14)), 1)
    reading.stop()
    idle.stop()
    writer.close()


def test_without_readers_nothing_is_watched(log: MakeLog, mongodb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LINGER_SECONDS", 0.1)
    opened: list[float] = []
    reader = log(mongodb_url)
    grown = reader.store.grown  # type: ignore[attr-defined]

    def opening() -> Any:
        opened.append(time.monotonic())
        return grown()

    monkeypatch.setattr(reader.store, "grown", opening)
    run = begun(reader.store)
    reader.wake()
    assert opened == []
    for times in (1, 2):
        reading = Reading(reader, run)
        soon(lambda: reader.watch.poll_seconds == PUSHED_POLL_SECONDS)
        assert len(opened) == times
        reading.stop()
        soon(lambda: reader.watch.poll_seconds == POLL_SECONDS)


def test_a_broken_stream_is_reopened_and_misses_nothing(
    log: MakeLog, mongodb_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flask_assistant_stream")
    monkeypatch.setattr(watch, "PUSHED_POLL_SECONDS", 60.0)
    writer, reader = make_store(mongodb_url), log(mongodb_url)
    breaks, grown = threading.Event(), reader.store.grown  # type: ignore[attr-defined]
    opened: list[int] = []

    def fragile() -> Iterator[str | None]:
        opened.append(len(opened))
        if len(opened) == 2:
            raise StoreError("not yet")
        for run_id in grown():
            if breaks.is_set():
                breaks.clear()
                raise StoreError("the stream broke")
            yield run_id

    monkeypatch.setattr(reader.store, "grown", fragile)
    run = begun(writer)
    reading = Reading(reader, run)
    soon(lambda: reader.watch.poll_seconds == 60.0)
    breaks.set()
    writer.append([a_row(run, 2)])  # breaks the stream, which does not report it
    soon(lambda: len(reading.events) == 2)
    assert reader.watch.poll_seconds == POLL_SECONDS
    writer.append([a_row(run, 3)])
    soon(lambda: len(reading.events) == 3)
    soon(lambda: reader.watch.poll_seconds == 60.0)
    assert len(opened) == 3
    writer.append([a_row(run, 4)])
    soon(lambda: len(reading.events) == 4)
    logged = [record for record in caplog.records if record.name == watch.__name__]
    assert [(record.levelname, "the stream broke" in record.getMessage()) for record in logged] == [("INFO", True)]
    reading.stop()
    writer.close()


@pytest.fixture
def standalone_url(tmp_path: Path) -> Iterator[str]:
    process, port = start_server(tmp_path, "--standalone")
    yield f"mongodb://127.0.0.1:{port}/alone"
    stop_server(process)


@pytest.mark.mongodb
def test_a_server_without_change_streams_is_polled(
    standalone_url: str, log: MakeLog, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flask_assistant_stream")
    writer, reader = make_store(standalone_url), log(standalone_url)
    run = begun(writer)
    reading = Reading(reader, run)
    write(writer, run, reading, 3)
    assert reader.watch.poll_seconds == POLL_SECONDS
    reading.stop()
    another = Reading(reader, run)
    another.stop()
    logged = [record for record in caplog.records if record.name == watch.__name__]
    assert [(record.levelname, "cannot push" in record.getMessage()) for record in logged] == [("INFO", True)]
    writer.close()


def test_sqlite_is_polled_without_a_watch_thread(log: MakeLog, sqlite_url: str) -> None:
    writer, reader = make_store(sqlite_url), log(sqlite_url)
    before = set(threading.enumerate())  # threads of other tests may still be ending
    run = begun(writer)
    reading = Reading(reader, run)
    write(writer, run, reading, 3)
    started = set(threading.enumerate()) - before
    assert not [thread for thread in started if thread.name == "assistant-stream-watch"]
    reading.stop()
    writer.close()


# -- readers and a failing store ----------------------------------------------------------------------------------
def failing(store: Store, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Make the reads of a store fail while the returned event is set."""
    away, read = threading.Event(), store.read

    def fails(*arguments: Any) -> Any:
        if away.is_set():
            raise StoreError("away")
        return read(*arguments)

    monkeypatch.setattr(store, "read", fails)
    return away


def test_a_reader_waits_for_a_failing_store(log: MakeLog, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "AWAY_SECONDS", 0.02)
    writer, reader = make_store(store_url), log(store_url)
    reader.heartbeat_seconds = 0.05
    away = failing(reader.store, monkeypatch)
    run = begun(writer)
    with reader.follow(run.id) as follower:
        batches = iter(follower)
        assert [event.seq for event in next(batches)] == [1]
        away.set()
        writer.append([a_row(run, 2)])
        assert [next(batches) for _ in range(3)] == [[], [], []], "only heartbeats"
        away.clear()
        assert [event.seq for event in next(events for events in batches if events)] == [2]
    writer.close()


def test_a_reader_waits_until_the_deadline(log: MakeLog, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "AWAY_SECONDS", 0.02)
    reader = log(sqlite_url)
    reader.deadline_seconds = 0.3
    away = failing(reader.store, monkeypatch)
    run = begun(reader.store)
    with reader.follow(run.id) as follower:
        batches = iter(follower)
        next(batches)
        away.set()
        begin = time.monotonic()
        with pytest.raises(StoreError):
            next(events for events in batches if events)
        assert 0.2 < time.monotonic() - begin < PATIENCE
    with reader.follow(run.id) as impatient:
        impatient.patient = False
        with pytest.raises(StoreError):
            next(iter(impatient))


def test_a_reader_beyond_the_log_ends_with_the_run(
    log: MakeLog, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, reader = make_store(store_url), log(store_url)
    reader.heartbeat_seconds = 0.05
    run = begun(writer)
    with reader.follow(run.id, 1000) as follower:
        batches = iter(follower)
        assert next(batches) == [], "it waits"
        writer.append([an_end(run)])
        assert [events for events in batches if events] == []
    writer.close()


def test_an_end_stored_between_two_reads_is_returned(
    log: MakeLog, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = log(store_url)
    run, last_row = begun(reader.store), reader.store.last_row
    calls: list[str] = []

    def just_before(run_id: str) -> Row | None:
        calls.append(run_id)
        if len(calls) == 2:
            reader.store.append([a_row(run, 2), an_end(run, 3)])
        return last_row(run_id)

    monkeypatch.setattr(reader.store, "last_row", just_before)
    monkeypatch.setattr(reader.store, "projected", lambda _: 3)
    with reader.follow(run.id, 2) as follower:  # after an event that is not stored yet
        assert [event.name for events in follower for event in events] == ["thread.run.failed"]
    assert len(calls) >= 2
