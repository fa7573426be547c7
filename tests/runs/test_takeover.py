"""Runs without a worker: those with a long log, and those in a dialect that only a newer worker can end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from flask_assistant_stream.protocol.dialects import DIALECTS, Dialect, UnknownDialect
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.protocol.ids import new_id
from flask_assistant_stream.protocol.run_states import RunStatus
from flask_assistant_stream.runs import runner
from flask_assistant_stream.runs.sweeper import Sweeper
from flask_assistant_stream.runs.takeover import Takeover
from flask_assistant_stream.stores import base
from flask_assistant_stream.stores.base import AppendResult, Kind, Projection, Row, RunRecord, Store
from flask_assistant_stream.testing.store_material import ANN, a_row, a_start, a_thread, changed
from tests.runs.workers import MakeWorker, Worker

TALES = Dialect.of(
    "tales", run_endings={"tale.over"}, pauses={"tale.question"}, stored_first=set(), vendor_events=set()
)


def test_a_run_whose_log_exceeds_a_page_is_ended(
    open_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    thread = store.insert(a_thread())
    run = store.start(a_start(thread, "Hello", due_at=1.0))
    monkeypatch.setattr(base, "PAGE_BYTES", 1)  # each row is a page of its own
    assert store.append([a_row(run, 2, 9), a_row(run, 10, 12)]) == [AppendResult.STORED, AppendResult.STORED]

    Takeover(store, 10.0, new_id).finish(run)

    ended = store.get(Kind.RUN, ANN, run.id)
    assert isinstance(ended, RunRecord)
    assert (ended.body["status"], ended.active) == ("failed", False)
    last = store.last_row(run.id)
    assert last is not None
    assert [event.name for event in last.events][-1] == "thread.run.failed"


# -- runs in another dialect ----------------------------------------------------------------------------------------
@pytest.fixture(params=["sagas", TALES.name])
def dialect(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a dialect that is not in the table, and of one whose events only the log knows."""
    monkeypatch.setitem(DIALECTS, TALES.name, TALES)
    name: str = request.param
    return name


def left(store: Store, dialect: str, status: str = "in_progress", *, last_name: str = "tale.word") -> RunRecord:
    """Return a run as a newer worker left it; its lease has run out."""
    start = a_start(store.insert(a_thread()), "Hello", due_at=1.0)
    run = replace(start.run, dialect=dialect)
    run = store.start(replace(start, run=run, row=Row.of(run, "t", [Event(1, last_name, b"{}")])))
    store.project([Projection(run, changes={**changed(run, status), "expires_at": 1}, last_seq=1, state={"own": 1})])
    return found(store, run)


def found(store: Store, run: RunRecord) -> RunRecord:
    stored = store.get(Kind.RUN, ANN, run.id)
    assert isinstance(stored, RunRecord)
    return stored


def assert_unchanged(store: Store, run: RunRecord) -> None:
    assert found(store, run) == run
    assert [(row.first, row.last, row.epoch) for row in store.read(run.id)] == [(1, 1, 1)]
    assert [each.id for each in store.due(store.now())] == [run.id], "a newer worker finds it"


@pytest.mark.parametrize("last_name", ["tale.word", "tale.over", "thread.run.failed"])
def test_a_run_in_another_dialect_is_not_taken_over(
    open_store: Callable[[], Store], dialect: str, last_name: str
) -> None:
    store = open_store()
    run = left(store, dialect, last_name=last_name)
    takeover = Takeover(store, 10.0, new_id)
    with pytest.raises(UnknownDialect, match=dialect):
        takeover.finish(run)
    with pytest.raises(UnknownDialect, match=dialect):
        takeover.restore(run)
    Sweeper(store, takeover, {}, 10.0).sweep()
    assert_unchanged(store, run)


def test_the_answer_to_a_run_in_another_dialect_is_refused(worker: MakeWorker, dialect: str) -> None:
    ann: Worker = worker()
    run = left(ann.store, dialect, RunStatus.REQUIRES_ACTION.value, last_name="tale.question")
    with pytest.raises(UnknownDialect, match=dialect):  # it has expired
        ann.runner.submit(ANN, run.parent, run.id, {"call_1": "sunny"})
    assert_unchanged(ann.store, run)
    ann.store.project([Projection(run, due_at=ann.store.now() + 600, last_seq=1)])
    run = found(ann.store, run)
    with pytest.raises(UnknownDialect, match=dialect):
        ann.runner.submit(ANN, run.parent, run.id, {"call_1": "sunny"})
    assert found(ann.store, run) == run


def test_a_cancel_of_a_run_in_another_dialect_is_left_for_a_newer_worker(
    worker: MakeWorker, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "CANCEL_SECONDS", 0.0)
    ann: Worker = worker()
    run = left(ann.store, dialect)
    assert ann.runner.cancel(ANN, run.parent, run.id)["status"] == RunStatus.CANCELLING.value
    with pytest.raises(UnknownDialect, match=dialect):
        ann.runner.delete_thread(ANN, run.parent)
    assert ann.store.find(Kind.THREAD, ANN, run.parent) is not None
    assert_unchanged(ann.store, replace(run, cancel_requested=True))
