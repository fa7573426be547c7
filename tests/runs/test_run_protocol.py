"""Every interleaving of `docs/durability.md#who-wins-the-race`, on both stores: workers that die, stall and race.

A worker is a store object, a log and a runner of its own over the same data. Its background threads are not
started unless a test wants them, so a test decides which step happens when; time is moved, not waited for.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest

from flask_assistant_stream.errors import Gone, NotFound, RequestError, StoreError
from flask_assistant_stream.log.projection import project_events
from flask_assistant_stream.protocol import ids, objects
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.runs.runner import RunnerOptions
from flask_assistant_stream.stores.base import WINDOW, AppendResult, Kind, Record, Row, RunRecord
from flask_assistant_stream.testing.decode import text_of
from flask_assistant_stream.testing.scripted import call, text, unfinished
from flask_assistant_stream.testing.store_material import at_once
from tests.runs.workers import LEASE, Begun, MakeWorker, Worker, assert_numbers_are_unique_and_ascending, endings
from tests.waiting import soon


def assert_thread_takes_the_next_message(worker: Worker, thread_id: str) -> None:
    assert worker.read(worker.start(thread_id=thread_id).run_id)[-1].name == "thread.run.completed"


READS = unfinished("The answer is forty-two")


# -- workers that die --------------------------------------------------------------------------------------
def test_a_dead_workers_run_is_ended_with_its_partial_text(worker: MakeWorker) -> None:
    dead, other = worker(), worker(text("Next."))
    begun = Begun(dead, READS)
    other.sweep()
    assert other.run(begun.id).active, "its lease has not run out"
    other.sweep(LEASE + 1)
    events = other.events(begun.id)
    assert endings(events) == ["thread.run.failed"]
    assert_numbers_are_unique_and_ascending(events)
    run = other.run(begun.id)
    assert (run.body["status"], run.active) == ("failed", False)
    assert run.body["last_error"]["code"] == "server_error"
    answer = other.messages(begun.thread_id)[-1]
    assert (answer["status"], answer["content"][0]["text"]["value"]) == ("incomplete", text_of(events))
    assert_thread_takes_the_next_message(other, begun.thread_id)


def test_killed_between_the_terminal_row_and_the_run(worker: MakeWorker) -> None:
    dead, other = worker(), worker(text("Next."))
    begun = Begun(dead)
    begun.play(text("Done."), project=False)
    assert other.run(begun.id).body["status"] == "queued"
    other.sweep(LEASE + 1)
    assert endings(other.events(begun.id)) == ["thread.run.completed"]
    assert other.run(begun.id).body["status"] == "completed"
    assert other.messages(begun.thread_id)[-1]["content"][0]["text"]["value"] == "Done."
    assert_thread_takes_the_next_message(other, begun.thread_id)


def test_killed_between_the_action_row_and_the_run_the_action_can_be_answered(worker: MakeWorker) -> None:
    dead, other = worker(), worker(text("It is cold."))
    begun = Begun(dead)
    begun.play(call("get_weather", {"city": "Oslo"}), project=False)
    other.sweep(LEASE + 1)
    assert other.run(begun.id).body["status"] == "requires_action"
    attached = other.runner.submit("ann", begun.thread_id, begun.id, other.outputs(begun.id))
    events = other.read(begun.id, attached.after)
    assert (endings(events), text_of(events)) == (["thread.run.completed"], "It is cold.")
    request = other.engine.requests[0]
    assert [item["type"] for item in request["input"][-2:]] == ["function_call", "function_call_output"]


def test_a_released_action_shuts_out_the_worker_that_asked(worker: MakeWorker) -> None:
    slow, other = worker(), worker()
    begun = Begun(slow)
    begun.play(call("get_weather"), project=False)
    other.sweep(LEASE + 1)
    late = Event(begun.translator.last_seq + 1, "thread.run.step.completed", b"{}")
    assert slow.store.append([begun.row([late])]) == [AppendResult.REFUSED]


def test_a_second_claimant_continues_behind_a_dead_claimants_fence(worker: MakeWorker) -> None:
    dead, dies_too, other = worker(), worker(), worker()
    begun = Begun(dead, READS)
    last = begun.translator.last_seq
    claimed = dies_too.store.claim(other.run(begun.id), due_at=other.store.now() + LEASE)
    assert claimed is not None
    fence = Row(begun.id, last + 1, last + WINDOW, claimed.epoch, "dead claimant")
    assert dies_too.store.append([fence]) == [AppendResult.STORED]
    other.skipped = 2 * LEASE + 1
    other.sweep()
    events = other.events(begun.id)
    assert endings(events) == ["thread.run.failed"]
    assert_numbers_are_unique_and_ascending(events)
    assert next(e.seq for e in events if e.seq > last) == last + 2 * WINDOW + 1


# -- workers that stall ------------------------------------------------------------------------------------
def test_a_worker_that_wakes_after_its_lease_cannot_write(worker: MakeWorker) -> None:
    stalled, other = worker(), worker()
    begun = Begun(stalled, READS)
    other.sweep(LEASE + 1)
    late = begun.row(begun.translator.feed(text("more")[-1]))
    assert begun.store_row(late) is AppendResult.REFUSED
    assert endings(stalled.events(begun.id)) == ["thread.run.failed"]
    assert stalled.run(begun.id).body["status"] == "failed"


def test_a_late_projection_turns_nothing_back(worker: MakeWorker) -> None:
    stalled, other = worker(), worker()
    begun = Begun(stalled)
    middle = begun.row(begun.translator.feed([item for read in READS for item in read]))
    assert stalled.store.append([middle]) == [AppendResult.STORED]
    other.sweep(LEASE + 1)
    before = other.messages(begun.thread_id), other.run(begun.id)
    projection = project_events(begun.run, middle.events)
    assert projection is not None
    stalled.store.project([projection])
    assert (other.messages(begun.thread_id), other.run(begun.id)) == before


def test_stalled_between_the_terminal_row_and_its_update_while_another_claims(worker: MakeWorker) -> None:
    stalled, other = worker(), worker()
    begun = Begun(stalled)
    rows = begun.play(text("Done."), project=False)
    other.sweep(LEASE + 1)
    for row in rows:
        projection = project_events(begun.run, row.events)
        stalled.store.project([projection] if projection else [])
    assert endings(other.events(begun.id)) == ["thread.run.completed"]
    assert other.run(begun.id).body["status"] == "completed"


def test_two_sweepers_at_once_end_a_run_once(worker: MakeWorker) -> None:
    dead, one, two = worker(), worker(), worker()
    begun = Begun(dead, READS)
    one.skipped = two.skipped = LEASE + 1
    at_once(one.sweep, two.sweep)
    assert endings(one.events(begun.id)) == ["thread.run.failed"]


# -- the store ---------------------------------------------------------------------------------------------
def test_an_append_that_timed_out_but_landed_is_no_loss(worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    one = worker(text("Here I am."))
    commit, failed = one.store.commit, list[bool]()

    def lands_but_fails(writes: Any) -> Any:
        outcomes = commit(writes)
        if len(failed) < 2:
            failed.append(True)
            raise StoreError("timed out")
        return outcomes

    monkeypatch.setattr(one.store, "commit", lands_but_fails)
    attached = one.start()
    events = one.read(attached.run_id)
    assert (failed, endings(events)) == ([True, True], ["thread.run.completed"])
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert one.events(attached.run_id) == events


def stall(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Hold back what a worker stores until the returned event is set."""
    release, commit = threading.Event(), worker.store.commit

    def stalls(writes: Any) -> Any:
        if not release.wait(30):
            raise StoreError("never released")
        return commit(writes)

    monkeypatch.setattr(worker.store, "commit", stalls)
    return release


def test_nothing_is_shown_as_complete_that_is_not_stored(worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    one = worker(text("Here I am."))
    release = stall(one, monkeypatch)
    attached = one.start()
    seen: list[Event] = []
    with one.log.follow(attached.run_id) as follower:
        for events in follower:
            seen += events
            if text_of(seen) == "Here I am.":
                break
        assert not {"thread.message.completed", "thread.run.completed"} & {event.name for event in seen}
        release.set()
        seen += [event for events in follower for event in events]
    assert endings(seen) == ["thread.run.completed"]


def test_a_run_waits_at_its_bound_while_the_store_stalls(worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    one = worker(text(" ".join(["word"] * 300)))
    release = stall(one, monkeypatch)
    attached = one.start()
    writer = one.log.writer(attached.run_id)
    assert writer is not None
    soon(lambda: writer.written - writer.stored >= WINDOW)
    assert writer.written - writer.stored < 2 * WINDOW
    assert writer.visible <= writer.stored + WINDOW
    release.set()
    events = one.read(attached.run_id)
    assert (endings(events), text_of(events)) == (["thread.run.completed"], " ".join(["word"] * 300))


def test_one_row_that_cannot_be_stored_delays_no_other_run(worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    one = worker([held, *text("Bad.")], text("Good."))
    commit = one.store.commit
    bad: list[str] = []

    def refuses_one(writes: Any) -> Any:
        if any(row.run_id in bad for row, _ in writes):
            raise StoreError("too large")
        return commit(writes)

    monkeypatch.setattr(one.store, "commit", refuses_one)
    bad.append(one.start().run_id)
    good = one.start()
    held.set()
    assert endings(one.read(good.run_id)) == ["thread.run.completed"]


# -- races -------------------------------------------------------------------------------------------------
def test_two_posts_at_once_on_one_thread_lose_nothing(worker: MakeWorker) -> None:
    one, two = worker(text("One.")), worker(text("Two."))
    thread = objects.thread(ids.new_id(ids.THREAD), 1)
    one.store.insert(Record(Kind.THREAD, "ann", thread))
    start = [
        lambda w=w, said=said: w.start(said, thread_id=thread["id"]) for w, said in ((one, "first"), (two, "second"))
    ]
    attached: list[Any] = at_once(*start)
    for started in attached:
        assert endings(one.read(started.run_id)) in (["thread.run.completed"], ["thread.run.cancelled"])
    said = [m["content"][0]["text"]["value"] for m in one.messages(thread["id"]) if m["role"] == "user"]
    assert sorted(said) == ["first", "second"]
    runs = one.store.list(Kind.RUN, "ann", parent=thread["id"]).records
    assert len(runs) == 2
    assert not any(isinstance(run, RunRecord) and run.active for run in runs)


def test_of_two_submits_one_wins(worker: MakeWorker) -> None:
    one, two = worker(call("get_weather"), text("Cold.")), worker(text("Warm."))
    attached = one.start()
    one.read(attached.run_id)
    outputs = one.outputs(attached.run_id)
    results = at_once(
        *[lambda w=w: w.runner.submit("ann", attached.thread_id, attached.run_id, outputs) for w in (one, two)]
    )
    assert sorted(isinstance(result, RequestError) for result in results) == [False, True]
    events = one.read(attached.run_id)
    assert endings(events) == ["thread.run.completed"]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_outputs_that_are_not_the_pending_ones_change_nothing(worker: MakeWorker) -> None:
    one = worker(call("get_weather"), text("Cold."))
    attached = one.start()
    one.read(attached.run_id)
    before = one.run(attached.run_id)
    for outputs in ({}, {"call_x": "1"}, {"call_x": "1", "call_y": "2"}):
        with pytest.raises(RequestError, match="Expected tool outputs"):
            one.runner.submit("ann", attached.thread_id, attached.run_id, outputs)
    assert one.run(attached.run_id) == before


def test_an_unanswered_action_expires(worker: MakeWorker) -> None:
    one = worker(call("get_weather"))
    attached = one.start()
    last = one.read(attached.run_id)[-1]
    one.skipped = 601
    with pytest.raises(RequestError, match="expired"):
        one.runner.submit("ann", attached.thread_id, attached.run_id, {"call_x": "1"})
    names = [event.name for event in one.read(attached.run_id, last.seq)]
    assert names[-2:] == ["thread.run.step.expired", "thread.run.expired"]


def test_an_answer_that_was_claimed_and_never_stored_can_be_sent_again(worker: MakeWorker) -> None:
    dead, other = worker(), worker(text("It is cold."))
    begun = Begun(dead, call("get_weather"))
    outputs = other.outputs(begun.id)
    assert dead.store.claim(other.run(begun.id), due_at=dead.store.now() + LEASE) is not None
    with pytest.raises(RequestError, match="do not accept tool outputs"):
        other.runner.submit("ann", begun.thread_id, begun.id, outputs)
    other.sweep(LEASE + 1)
    soon(lambda: other.run(begun.id).body["status"] == "requires_action")  # its sweeper may have been first
    attached = other.runner.submit("ann", begun.thread_id, begun.id, outputs)
    assert endings(other.read(begun.id, attached.after)) == ["thread.run.completed"]


# -- cancel ------------------------------------------------------------------------------------------------
def test_cancel_on_the_worker_that_runs_it(worker: MakeWorker) -> None:
    gate = threading.Event()
    one = worker([*READS, gate])
    attached = one.start()
    with one.log.follow(attached.run_id) as follower:
        seen: list[Event] = []
        for events in follower:
            seen += events
            if text_of(seen) and one.run(attached.run_id).active and not one.engine.streams[0].closed.is_set():
                answer = one.runner.cancel("ann", attached.thread_id, attached.run_id)
                assert answer["status"] in ("cancelling", "cancelled")
    assert endings(seen) == ["thread.run.cancelled"]
    assert one.engine.streams[0].closed.is_set(), "the upstream connection is closed"
    with pytest.raises(RequestError, match="Cannot cancel run with status 'cancelled'"):
        one.runner.cancel("ann", attached.thread_id, attached.run_id)


def test_cancel_from_another_worker(worker: MakeWorker) -> None:
    gate = threading.Event()
    one, two = worker([*READS, gate]), worker()
    attached = one.start()
    two.runner.cancel("ann", attached.thread_id, attached.run_id)
    events = two.read(attached.run_id)
    assert endings(events) == ["thread.run.cancelled"]


def test_a_run_that_does_not_heed_its_cancel_is_taken(worker: MakeWorker) -> None:
    hung, other = worker(), worker(text("Next."))
    begun = Begun(hung, READS)
    attached = other.start(thread_id=begun.thread_id)
    assert endings(other.events(begun.id)) == ["thread.run.cancelled"]
    assert endings(other.read(attached.run_id)) == ["thread.run.completed"]


def test_cancel_of_a_waiting_run_is_immediate(worker: MakeWorker) -> None:
    one = worker(call("get_weather"))
    attached = one.start()
    one.read(attached.run_id)
    assert one.runner.cancel("ann", attached.thread_id, attached.run_id)["status"] == "cancelled"
    assert endings(one.events(attached.run_id)) == ["thread.run.cancelled"]


# -- readers -----------------------------------------------------------------------------------------------
def test_a_reader_may_resume_at_every_number_on_any_worker(worker: MakeWorker) -> None:
    one, two = worker(call("get_weather"), text("It is cold in Oslo today.")), worker()
    attached = one.start()
    whole = one.read(attached.run_id)
    again = one.runner.submit("ann", attached.thread_id, attached.run_id, one.outputs(attached.run_id))
    assert again.after == whole[-1].seq
    whole += one.read(attached.run_id, again.after)
    assert [event.seq for event in whole] == list(range(1, len(whole) + 1))
    for reader in (one, two):
        for after in range(len(whole) + 1):
            assert reader.read(attached.run_id, after) == whole[after:]
        assert reader.read(attached.run_id, len(whole) + 100) == []


def test_a_reader_on_another_worker_follows_a_running_run(worker: MakeWorker) -> None:
    gate = threading.Event()
    one, two = worker([*READS, gate, *text("forty-two")[-1:]]), worker()
    attached = one.start()
    seen: list[Event] = []
    with two.log.follow(attached.run_id) as follower:
        for events in follower:
            seen += events
            if text_of(seen):
                gate.set()
    assert one.read(attached.run_id) == seen


def test_a_reader_elsewhere_hears_of_the_end_when_the_objects_say_so(worker: MakeWorker) -> None:
    slow, other = worker(), worker()
    begun = Begun(slow)
    rows = begun.play(text("Done."), project=False)
    told: list[Event] = []
    found: list[Any] = []

    def read() -> None:
        with other.log.follow(begun.id) as follower:
            for events in follower:
                told.extend(events)
                if endings(events):
                    found.extend([other.run(begun.id).body["status"], other.messages(begun.thread_id)[-1]["status"]])

    reader = threading.Thread(target=read)
    reader.start()
    reader.join(0.3)
    assert endings(told) == [], "the row is there, the objects are not"
    slow.store.project([p for row in rows if (p := project_events(begun.run, row.events)) is not None])
    reader.join(30)
    assert (endings(told), found) == (["thread.run.completed"], ["completed", "completed"])


@pytest.mark.parametrize("deleted", [False, True])
def test_a_reader_left_far_behind_reads_from_the_store(worker: MakeWorker, deleted: bool) -> None:
    gate, script = threading.Event(), text(" ".join(["word"] * 600))
    one = worker([script[0], gate, *script[1:]])
    attached = one.start()
    with one.log.follow(attached.run_id) as slow, one.log.follow(attached.run_id) as quick:
        reads = iter(slow)
        seen = next(reads)
        gate.set()
        whole = [event for events in quick for event in events]
        if deleted:
            one.runner.delete_thread("ann", attached.thread_id)
            with pytest.raises(Gone):
                list(reads)
        else:
            assert seen + [event for events in reads for event in events] == whole


def test_a_silent_run_gives_heartbeats_to_every_reader(worker: MakeWorker) -> None:
    gate = threading.Event()
    one, two = worker([*READS, gate]), worker()
    one.log.heartbeat_seconds = two.log.heartbeat_seconds = 0.2
    attached = one.start()
    for reader in (one, two):
        with reader.log.follow(attached.run_id) as follower:
            beats = 0
            for events in follower:
                beats += not events
                if beats == 2:
                    break
            assert beats == 2
    one.runner.cancel("ann", attached.thread_id, attached.run_id)


def test_an_idle_upstream_ends_the_run(worker: MakeWorker) -> None:
    one = worker([*READS, threading.Event()])
    one.runner.options = RunnerOptions(lease_seconds=LEASE, idle_seconds=0.2)
    attached = one.start()
    events = one.read(attached.run_id)
    assert endings(events) == ["thread.run.failed"]
    assert events[-1].object()["last_error"]["message"] == "The upstream sent nothing for 0.2 seconds."


def test_an_expired_log_is_gone(worker: MakeWorker) -> None:
    one = worker()
    with pytest.raises(Gone):
        one.read("run_that_was")


# -- threads -----------------------------------------------------------------------------------------------
def test_an_unknown_thread_is_refused_and_nothing_is_stored(worker: MakeWorker) -> None:
    one = worker(text("Never."))
    thread = objects.thread(ids.new_id(ids.THREAD), 1)
    one.store.insert(Record(Kind.THREAD, "bob", thread))
    for thread_id in (thread["id"], "thread_unknown"):
        with pytest.raises(NotFound):
            one.start(thread_id=thread_id)
        assert one.messages(thread_id) == []
    assert one.engine.requests == []


def test_deleting_a_thread_ends_its_run_first(worker: MakeWorker) -> None:
    one = worker([*READS, threading.Event()])
    attached = one.start()
    one.runner.delete_thread("ann", attached.thread_id)
    assert one.engine.streams[0].closed.is_set()
    with pytest.raises(NotFound):
        one.store.get(Kind.THREAD, "ann", attached.thread_id)
    with pytest.raises(NotFound):
        one.run(attached.run_id)


def test_the_history_goes_upstream_in_order(worker: MakeWorker) -> None:
    one = worker(text("First answer."), text("Second answer."))
    attached = one.start()
    one.read(attached.run_id)
    one.read(one.start("And?", thread_id=attached.thread_id).run_id)
    said = [(item["role"], item["content"]) for item in one.engine.requests[1]["input"]]
    assert [role for role, _ in said] == ["user", "assistant", "user"]
    assert said[1] == ("assistant", "First answer.")
    assert "And?" in str(said[2][1])
