"""The rules of stores as values: a store that calls a wrong rule agrees with it, so only these tests notice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flask_assistant_stream.errors import NotFound, RequestError
from flask_assistant_stream.protocol.run_states import RUN_ACTIVE, RunStatus
from flask_assistant_stream.stores import lines as lines_module
from flask_assistant_stream.stores.base import AppendResult, Kind, Projection, Record, RunRecord, ThreadRecord
from flask_assistant_stream.stores.lines import TURN, Fork, Line
from flask_assistant_stream.stores.rules import (
    Due,
    Lease,
    RunUpdate,
    append_result,
    as_thread,
    begin,
    cancellation,
    changed_threads,
    claim,
    placed_in_turn,
    projected_object,
    projected_run,
    renewal,
    with_line,
)
from flask_assistant_stream.testing.store_material import ANN, BOB, a_message, a_row, a_start, a_thread, an_answer

LEASE = Lease(epoch=2, status="in_progress", due_at=20.0, cancel_requested=False, active=True, last_seq=5)
WAITING = LEASE._replace(status="requires_action")
CANCELLED = LEASE._replace(cancel_requested=True)
ENDED = LEASE._replace(status="completed", active=False)
LINES = (Line(0), Line(5, 0, 3 * TURN))


def a_run(lease: Lease = LEASE, **fields: Any) -> RunRecord:
    run = a_start(a_thread()).run
    values = lease._asdict()
    return replace(run, body={**run.body, "status": values.pop("status")}, **{**values, **fields})


def the_thread(**fields: Any) -> ThreadRecord:
    thread = as_thread(a_thread(title="T"))
    assert isinstance(thread, ThreadRecord)
    return replace(thread, **{"turns": 7, "revision": 3, "lines": LINES, **fields})


# -- runs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("update", "lease", "allowed"),
    [
        (RunUpdate("run"), LEASE, True),
        (RunUpdate("run"), ENDED, False),
        (RunUpdate("run", epoch=2), LEASE, True),
        (RunUpdate("run", epoch=1), LEASE, False),
        (RunUpdate("run", epoch=3), LEASE, False),
        (RunUpdate("run", status="in_progress"), LEASE, True),
        (RunUpdate("run", status="queued"), LEASE, False),
        (RunUpdate("run", due_until=20.0), LEASE, True),
        (RunUpdate("run", due_until=19.9), LEASE, False),
        (RunUpdate("run", due_until=0.0), LEASE, False),
        (RunUpdate("run", held=True), LEASE, True),
        (RunUpdate("run", held=True), WAITING, False),
        (RunUpdate("run", held=True), CANCELLED, False),
        (RunUpdate("run"), WAITING, True),
        (RunUpdate("run"), CANCELLED, True),
    ],
)
def test_when_a_run_changes(update: RunUpdate, lease: Lease, allowed: bool) -> None:
    assert update.allowed(lease) is allowed


@pytest.mark.parametrize(
    ("update", "lease", "changes"),
    [
        (RunUpdate("run"), LEASE, {}),
        (RunUpdate("run", claims=True), LEASE, {"epoch": 3}),
        (RunUpdate("run", due_at=30.0), LEASE, {"due_at": 30.0}),
        (RunUpdate("run", due_at=0.0), LEASE, {"due_at": 0.0}),
        (RunUpdate("run", due_at=30.0, due=Due.AT_MOST), LEASE, {}),
        (RunUpdate("run", due_at=10.0, due=Due.AT_MOST), LEASE, {"due_at": 10.0}),
        (RunUpdate("run", due_at=30.0, due=Due.UNLESS_CANCELLED), LEASE, {"due_at": 30.0}),
        (RunUpdate("run", due_at=30.0, due=Due.UNLESS_CANCELLED), CANCELLED, {}),
        (RunUpdate("run", due_at=30.0), CANCELLED, {"due_at": 30.0}),
        (RunUpdate("run", cancels=True), LEASE, {"cancel_requested": True}),
        (RunUpdate("run", last_seq=9), LEASE, {"last_seq": 9}),
        (RunUpdate("run", last_seq=4), LEASE, {}),
        (RunUpdate("run", body={"usage": None}), LEASE, {}),
        (RunUpdate("run", body={"status": "queued"}), WAITING, {"status": "queued"}),
        (RunUpdate("run", body={"status": "failed"}), LEASE, {"status": "failed", "active": False}),
    ],
)
def test_what_a_change_leaves(update: RunUpdate, lease: Lease, changes: dict[str, Any]) -> None:
    assert update.applied(lease) == lease._replace(**changes)


@pytest.mark.parametrize("status", RunStatus)
def test_a_status_that_is_not_active_ends_the_run(status: RunStatus) -> None:
    assert RunUpdate("run", body={"status": status.value}).ends is (status not in RUN_ACTIVE)


def test_a_claim_compares_what_was_read() -> None:
    run = a_run()
    update = claim(run, 50.0, 20.0, {"worker": "w"})
    assert update.extra == {"worker": "w"}
    assert update.allowed(LEASE)
    for changed in (LEASE._replace(epoch=3), WAITING, ENDED, LEASE._replace(due_at=20.1)):
        assert not update.allowed(changed)
    assert claim(run, 50.0, None, None).allowed(LEASE._replace(due_at=1e12))
    assert update.applied(CANCELLED) == CANCELLED._replace(epoch=3, due_at=50.0)


def test_one_of_two_claims_of_a_waiting_run_wins() -> None:
    update = claim(a_run(WAITING), 50.0, None, None)
    after = update.applied(WAITING)
    assert after == WAITING._replace(epoch=3, status="queued", due_at=50.0)
    assert not update.allowed(after)


def test_a_renewal_is_the_workers_own() -> None:
    update = renewal("run", 2, 50.0)
    assert update.applied(LEASE) == LEASE._replace(due_at=50.0)
    assert update.allowed(LEASE)
    for lease in (LEASE._replace(epoch=3), WAITING, CANCELLED, ENDED):
        assert not update.allowed(lease)


def test_a_cancellation_never_delays() -> None:
    update = cancellation("run", 30.0)
    for lease in (LEASE, WAITING, CANCELLED, LEASE._replace(epoch=9)):
        assert update.allowed(lease)
        assert update.applied(lease) == lease._replace(cancel_requested=True)
    assert cancellation("run", 10.0).applied(LEASE).due_at == 10.0
    assert not update.allowed(ENDED)


def test_a_projection_is_of_one_epoch_and_keeps_a_cancel() -> None:
    projection = Projection(a_run(), (), (), {"status": "requires_action"}, 50.0, 8, {"calls": []})
    update = projected_run(projection)
    assert (update.state, update.allowed(LEASE), update.allowed(CANCELLED)) == ({"calls": []}, True, True)
    assert not update.allowed(LEASE._replace(epoch=3))
    assert not update.allowed(ENDED)
    assert update.applied(LEASE) == LEASE._replace(status="requires_action", due_at=50.0, last_seq=8)
    assert update.applied(CANCELLED) == CANCELLED._replace(status="requires_action", last_seq=8)


# -- rows and objects ---------------------------------------------------------------------------------------


def test_an_append_is_stored_once() -> None:
    row = a_row(a_run(), token="mine")
    assert append_result(row, "mine") is AppendResult.STORED
    assert append_result(row, "other") is append_result(row, None) is AppendResult.REFUSED


def test_a_newer_version_replaces_the_body_alone() -> None:
    old = an_answer(a_run(), 2, "old")
    old = replace(old, body={**old.body, "metadata": {"mark": "1"}}, extra={"seen": 1}, line=5)
    new = replace(an_answer(a_run(), 9, "new", id=old.id), extra={"seen": 2}, line=6, parent="elsewhere")
    assert projected_object(new, 4, None, 0) == new
    assert projected_object(new, 4, old, 3) == replace(old, body={**new.body, "metadata": {"mark": "1"}})
    for seq in (4, 5):
        assert projected_object(new, 4, old, seq) is None
    assert projected_object(replace(new, owner=BOB), 4, old, 3) is None
    bare = replace(old, body={"id": old.id})
    assert projected_object(new, 4, bare, 3) == replace(old, body=new.body)


def test_projected_messages_change_their_threads() -> None:
    run = a_run()
    step = Record(Kind.RUN_STEP, ANN, {"id": "step"}, run.id)
    message = an_answer(run, 2)
    steps, messages = Projection(run, (step,), (2,)), Projection(run, (step, message, message), (2, 3, 4))
    assert changed_threads([steps, Projection(run)]) == set()
    assert changed_threads([steps, messages, messages]) == {(ANN, run.parent)}


# -- threads ------------------------------------------------------------------------------------------------


def test_only_a_new_thread_becomes_a_thread_record() -> None:
    record = replace(a_thread(title="T"), position=4)
    assert as_thread(record) == ThreadRecord(Kind.THREAD, ANN, record.body, "", 4, {"title": "T"})
    thread, message = the_thread(), a_message(record)
    assert (as_thread(thread), as_thread(message)) == (thread, message)


def test_a_switch_is_a_change_unless_the_line_is_active() -> None:
    thread = the_thread()
    assert with_line(thread, 5) == thread
    assert with_line(thread, 0) == replace(thread, lines=LINES[::-1], revision=4)
    with pytest.raises(NotFound):
        with_line(thread, 9)


@pytest.mark.parametrize("texts", [(), ("one", "two")], ids=["bare", "messages"])
def test_a_start_takes_two_turns_of_the_active_line(texts: tuple[str, ...]) -> None:
    thread = the_thread()
    start = a_start(thread, *texts, touched={"updated_at": 1})
    there = begin(thread, start)
    extra = {"title": "T", "updated_at": 1}
    assert there.thread == replace(thread, turns=9, revision=4, extra=extra)
    assert there.run == replace(start.run, position=9 * TURN, line=5)
    assert there.messages == tuple(
        replace(message, position=8 * TURN + n, line=5) for n, message in enumerate(start.messages)
    )


@pytest.mark.parametrize(("texts", "number"), [((), 9), (("one",), 8)], ids=["bare", "messages"])
def test_a_fork_is_named_by_the_turn_of_its_first_content(texts: tuple[str, ...], number: int) -> None:
    thread = the_thread()
    there = begin(thread, a_start(thread, *texts, fork=Fork(0, 2 * TURN)))
    assert there.thread.lines == (*LINES, Line(number, 0, 2 * TURN))
    assert there.thread.revision == 4
    assert {record.line for record in (there.run, *there.messages)} == {number}
    assert (there.messages or (there.run,))[0].position == number * TURN


def test_a_start_without_its_line_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = the_thread()
    with pytest.raises(NotFound):
        begin(thread, a_start(thread, fork=Fork(9, TURN)))
    monkeypatch.setattr(lines_module, "MAX_FORKS", len(LINES) - 1)
    with pytest.raises(RequestError):
        begin(thread, a_start(thread, fork=Fork(0, TURN)))


def test_a_record_without_a_place_gets_the_next_turn() -> None:
    thread = the_thread()
    message, run = a_message(thread), a_run(parent=thread.id)
    assert placed_in_turn(thread, message) == (
        replace(thread, turns=8, revision=4),
        replace(message, position=8 * TURN, line=5),
    )
    assert placed_in_turn(thread, run) == (replace(thread, turns=8), replace(run, position=8 * TURN, line=5))
    there = replace(message, position=3 * TURN + 1, line=0)
    assert placed_in_turn(thread, there) == (replace(thread, revision=4), there)
