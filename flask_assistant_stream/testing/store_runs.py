"""The contract for runs and their leases, as a test class."""

# ruff: noqa: D102 (the name of a test is its description)

from __future__ import annotations

from dataclasses import replace

import pytest

from ..errors import Duplicate, NotFound, ThreadBusy
from ..stores.base import Kind, Projection, Record, RunRecord, Store, ThreadRecord
from ..stores.lines import TURN
from .store_material import (
    ANN,
    AWKWARD,
    BOB,
    StoreFixtures,
    a_message,
    a_start,
    a_thread,
    again,
    at_once,
    changed,
    ids_of,
)


class RunSuite(StoreFixtures):
    """Runs: start, claim, renew, cancel, due."""

    def test_a_run_starts(self, store: Store, other: Store, thread: ThreadRecord) -> None:
        start = a_start(thread, "one", "two", due_at=12.5, touched={"updated_at": 7})
        state = {"calls": [AWKWARD]}
        start = replace(start, run=replace(start.run, extra={"$a.b": 1}, state=state, last_seq=1))
        run = store.start(start)
        assert run == replace(start.run, position=run.position)
        assert run == other.get(Kind.RUN, ANN, run.id, parent=thread.id)
        assert other.list(Kind.RUN, ANN, parent=thread.id).records == [run]
        assert ids_of(other.list(Kind.MESSAGE, ANN, parent=thread.id, order="asc").records) == ids_of([*start.messages])
        assert other.read(run.id) == [start.row] == [other.last_row(run.id)]
        after = other.get_thread(ANN, thread.id)
        assert after == replace(thread, extra={"updated_at": 7}, turns=2, revision=after.revision)
        assert run.position == after.turns * TURN

    def test_a_run_starts_with_a_new_thread(self, store: Store) -> None:
        thread = a_thread(title="New")
        run = store.start(a_start(thread, "Hello", thread=thread, touched={"updated_at": 7}))
        stored = store.get(Kind.THREAD, ANN, thread.id)
        assert (stored.body, stored.extra) == (thread.body, {"title": "New", "updated_at": 7})
        assert ids_of(store.list(Kind.THREAD, ANN).records) == [thread.id]
        later = store.insert(a_message(thread))
        assert later.position > run.position

    def test_a_busy_thread_rejects_a_start(self, store: Store, thread: Record, run: RunRecord) -> None:
        before = store.get_thread(ANN, thread.id)
        second = a_start(thread, "Too early", touched={"updated_at": 9})
        with pytest.raises(ThreadBusy) as busy:
            store.start(second)
        assert busy.value.run_id == run.id
        assert len(store.list(Kind.MESSAGE, ANN, parent=thread.id).records) == 1
        assert store.read(second.run.id) == []
        after = store.get_thread(ANN, thread.id)
        assert replace(after, turns=before.turns, revision=before.revision) == before
        store.project([Projection(run, changes=changed(run, "failed"), last_seq=2)])
        assert store.start(second).active

    def test_a_failed_start_leaves_nothing(self, store: Store, thread: Record, run: RunRecord) -> None:
        unknown, new = a_thread(), a_thread()
        standing = store.list(Kind.MESSAGE, ANN, parent=thread.id).records[0]
        failing = [
            (a_start(unknown, "Where?"), NotFound),
            (a_start(thread, "Again", thread=thread), Duplicate),
            (replace(a_start(new, "Twice", thread=new), run=replace(run, parent=new.id)), Duplicate),
            (replace(a_start(new, thread=new), messages=(a_message(new), replace(standing, parent=new.id))), Duplicate),
        ]
        for start, error in failing:
            with pytest.raises(error):
                store.start(start)
            for message in start.messages:
                if message.id != standing.id:
                    with pytest.raises(NotFound):
                        store.get(Kind.MESSAGE, ANN, message.id)
        assert store.get(Kind.MESSAGE, ANN, standing.id) == standing
        assert ids_of(store.list(Kind.THREAD, ANN).records) == [thread.id]
        assert [due.id for due in store.due(1e12)] == [run.id]
        assert store.get(Kind.RUN, ANN, run.id) == run

    def test_the_same_start_again_is_a_duplicate(self, store: Store, thread: Record) -> None:
        """Even though the thread is busy; nothing is stored twice."""
        start = a_start(thread, "Hello")
        store.start(start)
        for repeated in (start, again(start)):
            with pytest.raises(Duplicate):
                store.start(repeated)
        assert len(store.list(Kind.MESSAGE, ANN, parent=thread.id).records) == len(store.read(start.run.id)) == 1

    def test_one_of_simultaneous_starts_wins(self, store: Store, other: Store, thread: Record) -> None:
        starts = [a_start(thread, str(number)) for number in range(6)]
        results = at_once(*[lambda n=n, s=s: (store, other)[n % 2].start(s) for n, s in enumerate(starts)])
        begun = [result for result in results if isinstance(result, RunRecord)]
        assert len(begun) == 1
        assert sum(isinstance(result, ThreadBusy) for result in results) == 5
        messages = store.list(Kind.MESSAGE, ANN, parent=thread.id).records
        assert len(messages) == 1
        assert messages[0].position // TURN + 1 == begun[0].position // TURN

    @pytest.mark.parametrize("new", [False, True], ids=["existing-thread", "new-thread"])
    def test_one_of_simultaneous_repeats_wins(self, store: Store, other: Store, new: bool) -> None:
        """A repeated request has the same run and thread ids; the losers leave nothing."""
        thread = a_thread() if new else store.insert(a_thread())
        first = a_start(thread, "Hello", thread=thread if new else None, touched={"updated_at": 7})
        starts = [again(first) for _ in range(8)]
        results = at_once(*[lambda n=n, s=s: (store, other)[n % 2].start(s) for n, s in enumerate(starts)])
        begun = [result for result in results if isinstance(result, RunRecord)]
        assert len(begun) == 1
        assert sum(isinstance(result, Duplicate) for result in results) == 7
        (message,) = store.list(Kind.MESSAGE, ANN, parent=thread.id).records
        (row,) = store.read(first.run.id)
        (winner,) = [start for start in starts if start.row.token == row.token]
        assert message.id == winner.messages[0].id
        assert store.get(Kind.RUN, ANN, first.run.id) == begun[0]
        assert store.get(Kind.THREAD, ANN, thread.id).extra["updated_at"] == 7

    def test_a_claim_is_compare_and_set(self, store: Store, other: Store, run: RunRecord) -> None:
        claimed = other.claim(run, due_at=200.0)
        assert claimed == replace(run, epoch=2, due_at=200.0) == store.get(Kind.RUN, ANN, run.id)
        assert store.claim(run, due_at=300.0) is None
        moved = replace(claimed, body={**run.body, "status": "in_progress"})
        assert store.claim(moved, due_at=300.0) is None
        assert store.claim(claimed, due_at=300.0, if_due=199.0) is None
        again = store.claim(claimed, due_at=300.0, if_due=200.0)
        assert again is not None
        assert (again.epoch, again.due_at) == (3, 300.0)

    def test_a_claim_sets_extra_keys(self, store: Store, other: Store, thread: Record) -> None:
        start = a_start(thread)
        run = store.start(replace(start, run=replace(start.run, extra={"kept": 1})))
        claims = [
            lambda n=n, s=s: s.claim(run, due_at=9.0, extra={"$a.b": n}) for n, s in enumerate((store, other) * 3)
        ]
        claimed = [won for won in at_once(*claims) if isinstance(won, RunRecord)]
        assert len(claimed) == 1
        assert claimed[0] == store.get(Kind.RUN, ANN, run.id)
        assert set(claimed[0].extra) == {"kept", "$a.b"}
        refused = other.claim(run, due_at=9.0, extra={"late": True})
        assert refused is None
        assert store.get(Kind.RUN, ANN, run.id) == claimed[0]

    def test_one_of_simultaneous_claims_wins(self, store: Store, other: Store, run: RunRecord) -> None:
        claims = [lambda s=s: s.claim(run, due_at=200.0) for s in (store, other) * 4]
        assert sum(claimed is not None for claimed in at_once(*claims)) == 1
        assert store.get(Kind.RUN, ANN, run.id) == replace(run, epoch=2, due_at=200.0)

    def test_a_claimed_required_action_is_queued(self, store: Store, run: RunRecord) -> None:
        store.project([Projection(run, changes=changed(run, "requires_action"), due_at=600.0, last_seq=2, state={})])
        waiting = store.get(Kind.RUN, ANN, run.id)
        assert isinstance(waiting, RunRecord)
        assert (waiting.due_at, waiting.state, waiting.last_seq) == (600.0, {}, 2)
        claimed = store.claim(waiting, due_at=50.0)
        assert claimed is not None
        assert (claimed.body["status"], claimed.due_at) == ("queued", 50.0)
        assert store.claim(waiting, due_at=50.0) is None

    def test_an_ended_run_is_not_claimed(self, store: Store, run: RunRecord) -> None:
        store.project([Projection(run, changes=changed(run, "completed"), last_seq=2)])
        ended = store.get(Kind.RUN, ANN, run.id)
        assert isinstance(ended, RunRecord)
        assert not ended.active
        assert store.claim(ended, due_at=1.0) is None
        assert store.request_cancel(ANN, run.id, due_at=1.0) == ended
        store.renew([(run.id, 1)], 999.0)
        assert store.get(Kind.RUN, ANN, run.id) == ended
        assert store.due(1e12) == []

    def test_leases_are_renewed(self, store: Store, other: Store, run: RunRecord) -> None:
        def new() -> RunRecord:
            return store.start(a_start(store.insert(a_thread())))

        second, foreign, ending = new(), new(), new()
        other.claim(foreign, due_at=100.0)
        store.request_cancel(ANN, ending.id, due_at=90.0)
        store.renew([(each.id, 1) for each in (run, second, foreign, ending)] + [("run_unknown", 1)], 500.0)
        assert {each.id: each.due_at for each in other.due(1e12)} == {
            run.id: 500.0,
            second.id: 500.0,
            foreign.id: 100.0,
            ending.id: 90.0,
        }
        store.renew([], 600.0)

    def test_a_required_action_has_no_lease_to_renew(self, store: Store, run: RunRecord) -> None:
        """It expires even if a worker still believes it has the run."""
        store.project([Projection(run, changes=changed(run, "requires_action"), due_at=600.0, last_seq=2)])
        store.renew([(run.id, run.epoch)], 900.0)
        assert [due.due_at for due in store.due(1e12)] == [600.0]

    def test_a_projection_does_not_delay_a_cancel(self, store: Store, run: RunRecord) -> None:
        store.request_cancel(ANN, run.id, due_at=40.0)
        store.project([Projection(run, changes=changed(run, "requires_action"), due_at=900.0, last_seq=5)])
        (due,) = store.due(41.0)
        assert (due.id, due.body["status"], due.cancel_requested) == (run.id, "requires_action", True)

    def test_a_cancel_is_requested(self, store: Store, other: Store, run: RunRecord) -> None:
        assert other.cancel_requested([run.id, "run_unknown"]) == other.cancel_requested([]) == set()
        noted = store.request_cancel(ANN, run.id, due_at=40.0)
        assert noted == replace(run, cancel_requested=True, due_at=40.0) == other.get(Kind.RUN, ANN, run.id)
        assert other.cancel_requested([run.id, "run_unknown"]) == {run.id}
        assert store.request_cancel(ANN, run.id, due_at=70.0).due_at == 40.0

    def test_the_longest_due_run_comes_first(self, store: Store) -> None:
        runs = [store.start(a_start(store.insert(a_thread(o)), due_at=d)) for o, d in ((ANN, 30.0), (BOB, 10.0))]
        runs.append(store.start(a_start(store.insert(a_thread()), due_at=20.0)))
        assert [run.due_at for run in store.due(30.0)] == [10.0, 20.0, 30.0]
        assert store.due(30.0, limit=2) == [runs[1], runs[2]]
        assert store.due(9.9) == []

    def test_the_clock(self, store: Store, other: Store) -> None:
        first = store.now()
        assert abs(other.now() - first) < 1.0
        assert store.now() >= first - 0.1
        store.ping()
        store.open()
        store.open()
