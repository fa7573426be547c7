"""The contract for the log and its projections, as a test class."""

# ruff: noqa: D102 (the name of a test is its description)

from __future__ import annotations

from dataclasses import replace

import pytest

from ..errors import NotFound
from ..protocol.events import Event
from ..protocol.ids import new_id
from ..stores.base import PAGE_BYTES, AppendResult, Kind, Projection, Record, Row, RunRecord, Store
from .store_material import (
    ANN,
    AWKWARD,
    StoreFixtures,
    a_message,
    a_row,
    a_start,
    a_thread,
    an_answer,
    at_once,
    changed,
)


class LogSuite(StoreFixtures):
    """The log: append, project, commit, read."""

    def test_rows_of_many_runs(self, store: Store, other: Store, run: RunRecord) -> None:
        second = store.start(a_start(store.insert(a_thread())))
        rows = [a_row(run, 2, 4), a_row(second, 2), replace(a_row(run, 5, 5), state={"open": [AWKWARD]})]
        assert store.append(rows) == [AppendResult.STORED] * 3
        assert other.read(run.id, after=1) == [rows[0], rows[2]]
        assert other.read(second.id, after=1) == [rows[1]]
        assert store.append([]) == []

    def test_a_taken_place(self, store: Store, other: Store, run: RunRecord) -> None:
        """A repeated row is stored, a foreign one refused; the other rows of the call are stored."""
        mine, after = a_row(run, 2, 3), a_row(run, 4)
        assert store.append([mine]) == [AppendResult.STORED]
        foreign = replace(a_row(run, 2), token="foreign")
        assert other.append([foreign, mine, after, after]) == [AppendResult.REFUSED, *[AppendResult.STORED] * 3]
        assert other.read(run.id, after=1) == [mine, after]

    def test_one_of_simultaneous_rows_is_stored(self, store: Store, other: Store, run: RunRecord) -> None:
        rows = [a_row(run, 2) for _ in range(6)]
        results = at_once(*[lambda n=n, row=row: (store, other)[n % 2].append([row]) for n, row in enumerate(rows)])
        assert sorted(str(result) for result in results) == sorted(
            [str([AppendResult.STORED])] + [str([AppendResult.REFUSED])] * 5
        )
        stored = [row for row, result in zip(rows, results, strict=True) if result == [AppendResult.STORED]]
        assert store.read(run.id, after=1) == stored

    def test_a_read_is_bounded_in_bytes(self, store: Store, run: RunRecord) -> None:
        data = b'{"id":"%s"}' % (b"x" * (PAGE_BYTES // 2))
        rows = [Row.of(run, str(seq), [Event(seq, "thread.run.queued", data)]) for seq in range(2, 5)]
        for row in rows:
            assert store.append([row]) == [AppendResult.STORED]
        read: list[Row] = []
        while page := store.read(run.id, after=read[-1].last if read else 1):
            assert len(page) == 1
            read += page
        assert read == rows

    def test_reading_in_pages(self, store: Store, run: RunRecord) -> None:
        fence = Row(run.id, 5, 68, 2, "fence")
        rows = [a_row(run, 2, 4), fence, a_row(run, 69, 70), a_row(run, 71)]
        store.append(rows)
        assert store.read(run.id)[1:] == rows
        assert store.read(run.id, after=3, limit=2) == rows[:2]
        assert store.read(run.id, after=4) == store.read(run.id, after=67) == rows[1:]
        assert store.read(run.id, after=68) == rows[2:]
        assert store.read(run.id, after=71) == store.read("run_unknown") == []
        assert rows[1].events == []
        assert [event.seq for event in rows[2].events] == [69, 70]
        assert store.last_row(run.id) == rows[-1]
        assert store.last_row("run_unknown") is None
        last_fence = Row(run.id, 72, 135, 3, "fence")
        store.append([last_fence])
        assert store.last_row(run.id) == last_fence

    def test_projected_is_the_last_projected_number(self, store: Store, run: RunRecord) -> None:
        before = store.projected(run.id)
        store.project([Projection(run, changes=changed(run, "in_progress"), last_seq=7)])
        assert (before, store.projected(run.id)) == (run.last_seq, 7)
        assert store.projected("run_unknown") is None

    def test_a_projection_is_idempotent(self, store: Store, thread: Record, run: RunRecord) -> None:
        step = Record(Kind.RUN_STEP, ANN, {"id": new_id("step"), "metadata": {}}, run.id, run.position + 2)
        answer = an_answer(run, 3)
        changes = changed(run, "in_progress")
        for _ in range(2):
            store.project([Projection(run, (step, answer), (2, 3), changes, last_seq=3)])
            assert store.get(Kind.RUN, ANN, run.id) == replace(run, body={**run.body, **changes}, last_seq=3)
            assert store.list(Kind.RUN_STEP, ANN, parent=run.id).records == [step]
            assert store.list(Kind.MESSAGE, ANN, parent=thread.id, limit=1).records == [answer]
        store.project([])

    def test_only_a_newer_version_replaces_an_object(self, store: Store, other: Store, run: RunRecord) -> None:
        first = an_answer(run, 2, "half")
        later = replace(an_answer(run, 7, "whole", id=first.id), extra={"x": 1})
        store.project([Projection(run, (first,), (2,), last_seq=2)])
        store.update(Kind.MESSAGE, ANN, first.id, body={"metadata": {"kept": "yes"}}, extra={"seen": True})
        other.project([Projection(run, (later,), (7,), last_seq=7)])
        store.project([Projection(run, (first,), (2,), last_seq=2)])
        assert store.get(Kind.MESSAGE, ANN, first.id) == Record(
            Kind.MESSAGE, ANN, {**later.body, "metadata": {"kept": "yes"}}, run.parent, first.position, {"seen": True}
        )

    def test_the_newest_of_simultaneous_versions_is_stored(self, store: Store, other: Store, run: RunRecord) -> None:
        for attempt in range(5):
            id = new_id("msg")
            answers = [an_answer(run, seq, str(seq), id=id) for seq in range(2, 8)]
            writes = [Projection(run, (answer,), (seq,), last_seq=seq) for seq, answer in enumerate(answers, 2)]
            at_once(
                *[lambda n=n, write=write: (store, other)[n % 2].project([write]) for n, write in enumerate(writes)]
            )
            text = store.get(Kind.MESSAGE, ANN, id).body["content"][0]["text"]["value"]
            assert text == "7", attempt

    def test_only_the_current_epoch_writes_a_run(self, store: Store, other: Store, run: RunRecord) -> None:
        claimed = other.claim(run, due_at=200.0)
        assert claimed is not None
        answer = an_answer(run, 2)
        store.project([Projection(run, (answer,), (2,), changed(run, "completed"), last_seq=2)])
        assert store.get(Kind.RUN, ANN, run.id) == claimed
        assert store.get(Kind.MESSAGE, ANN, answer.id) == answer
        other.project([Projection(claimed, changes=changed(run, "failed"), last_seq=3)])
        other.project([Projection(claimed, changes=changed(run, "completed"), last_seq=4)])
        ended = store.get(Kind.RUN, ANN, run.id)
        assert isinstance(ended, RunRecord)
        assert (ended.body["status"], ended.active, ended.last_seq) == ("failed", False, 3)

    def test_a_projection_keeps_the_other_fields(self, store: Store, run: RunRecord) -> None:
        store.update(Kind.RUN, ANN, run.id, body={"metadata": {"kept": "yes"}}, extra={"seen": True})
        store.request_cancel(ANN, run.id, due_at=50.0)
        store.project([Projection(run, changes=changed(run, "in_progress"), last_seq=4)])
        store.project([Projection(run, last_seq=3)])
        assert store.get(Kind.RUN, ANN, run.id) == replace(
            run,
            body={**run.body, "status": "in_progress", "metadata": {"kept": "yes"}},
            extra={"seen": True},
            cancel_requested=True,
            due_at=50.0,
            last_seq=4,
        )

    def test_a_commit_projects_the_stored_rows(self, store: Store, other: Store, run: RunRecord) -> None:
        """For many runs at once; the projection of a refused row is not applied."""
        runs = [run] + [store.start(a_start(store.insert(a_thread()))) for _ in range(30)]
        other.append([a_row(run, 2)])
        answers = [an_answer(each, 2) for each in runs]
        writes = [
            (a_row(each, 2, 3), Projection(each, (answer,), (2,), changed(each, "completed"), last_seq=3))
            for each, answer in zip(runs, answers, strict=True)
        ]
        assert store.commit(writes) == [AppendResult.REFUSED] + [AppendResult.STORED] * 30
        assert store.commit(writes) == [AppendResult.REFUSED] + [AppendResult.STORED] * 30
        with pytest.raises(NotFound):
            store.get(Kind.MESSAGE, ANN, answers[0].id)
        assert [other.get(Kind.MESSAGE, ANN, answer.id) for answer in answers[1:]] == answers[1:]
        assert [due.id for due in other.due(1e12)] == [run.id]
        assert store.commit([]) == []
        assert store.commit([(a_row(run, 3), None)]) == [AppendResult.STORED]

    def test_simultaneous_writes_lose_nothing(self, store: Store, other: Store) -> None:
        """Starts, messages and rows from many threads, through two stores."""

        def converse(each: Store) -> str:
            thread = each.insert(a_thread())
            run = each.start(a_start(thread, "one"))
            for seq in range(2, 6):
                assert each.commit([(a_row(run, seq), None)]) == [AppendResult.STORED]
            each.insert(a_message(thread, "two"))
            return run.id

        ids = at_once(*[lambda n=n: converse((store, other)[n % 2]) for n in range(12)])
        for id in ids:
            assert isinstance(id, str), id
            assert [row.first for row in other.read(id)] == [1, 2, 3, 4, 5]
            run = other.get(Kind.RUN, ANN, id)
            assert len(store.list(Kind.MESSAGE, ANN, parent=run.parent).records) == 2
