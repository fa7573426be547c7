"""The contract for forks and switches of a thread's lines, as a test class."""

# ruff: noqa: D102 (the name of a test is its description)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from ..errors import Duplicate, NotFound, RequestError, StoreError, ThreadBusy
from ..protocol.ids import new_id
from ..stores import lines as lines_module
from ..stores.base import AppendResult, Kind, Projection, Record, RunRecord, Start, Store, ThreadRecord
from ..stores.lines import TURN, Fork, Line, Lines, active_line, spans_of
from .store_material import (
    ANN,
    BOB,
    StoreFixtures,
    a_message,
    a_row,
    a_start,
    a_turn,
    again,
    an_answer,
    at_once,
    changed,
    end,
    ids_of,
    texts_of,
)

ROUNDS = 5
"""How often two calls are made at once."""


def assert_nothing_of(store: Store, start: Start, thread: ThreadRecord, texts: list[str]) -> None:
    """The lines are those of `thread`, the active one has `texts`, and nothing of the start is stored."""
    after = store.get_thread(ANN, thread.id)
    assert (after.lines, after.extra, texts_of(store, thread)) == (thread.lines, thread.extra, texts)
    for owner in (ANN, BOB):
        assert store.find(Kind.RUN, owner, start.run.id) is None
    assert start.run.id not in ids_of([*store.due(1e12)])
    assert store.read(start.run.id) == []
    stored = store.of_owner(ANN, Kind.MESSAGE).records
    assert {message.line for message in stored} <= {line.number for line in thread.lines}
    assert sum(message.id in ids_of(stored) for message in start.messages) <= 1, "one that was there before"


class ForkSuite(StoreFixtures):
    """Forks by starts, switches, and what becomes of their messages and runs."""

    @pytest.fixture
    def first(self, store: Store, thread: ThreadRecord) -> RunRecord:
        """Return an ended run of the thread: `q1 a1`."""
        return a_turn(store, thread, "q1", answers=("a1",))

    @pytest.fixture
    def forked(self, store: Store, first: RunRecord, thread: ThreadRecord) -> ThreadRecord:
        """Return a thread with another message in place of `q1`: `Q1 A1`, the active line."""
        a_turn(store, thread, "Q1", answers=("A1",), fork=Fork(0, first.position - TURN))
        return store.get_thread(ANN, thread.id)

    def test_a_fork_begins_a_line(self, store: Store, other: Store, first: RunRecord, thread: ThreadRecord) -> None:
        run = store.start(a_start(thread, "one", "two", fork=Fork(0, first.position), touched={"title": "T"}))
        messages = store.list(Kind.MESSAGE, ANN, parent=thread.id, limit=2).records
        after = other.get_thread(ANN, thread.id)
        number = run.position // TURN - 1
        assert after.lines == (Line(0), Line(number, 0, first.position))
        assert (after.turns, after.extra) == (run.position // TURN, {"title": "T"})
        assert run == other.get(Kind.RUN, ANN, run.id)
        assert [run.line, *(message.line for message in messages)] == [number] * 3
        assert [message.position for message in messages] == [number * TURN + 1, number * TURN]
        assert texts_of(other, thread) == ["q1", "one", "two"]
        assert texts_of(other, thread, spans=spans_of(after.lines, 0)) == ["q1", "a1"]

    def test_a_fork_without_messages(self, store: Store, other: Store, first: RunRecord, thread: ThreadRecord) -> None:
        """As for another answer to the same message; its run is the first of the line."""
        run = store.start(a_start(thread, fork=Fork(0, first.position)))
        assert run.line == run.position // TURN
        assert other.get_thread(ANN, thread.id).lines == (Line(0), Line(run.line, 0, first.position))
        assert texts_of(other, thread) == ["q1"]
        (answer,) = end(store, run, "A1")
        assert other.get(Kind.MESSAGE, ANN, answer.id) == answer
        assert texts_of(other, thread) == ["q1", "A1"]

    def test_a_fork_in_front_of_everything(self, store: Store, first: RunRecord, thread: ThreadRecord) -> None:
        a_turn(store, thread, "Q1", answers=("A1",), fork=Fork(0, first.position - TURN))
        assert texts_of(store, thread) == ["Q1", "A1"]

    def test_a_fork_of_a_line_that_is_not_active(self, store: Store, first: RunRecord, forked: ThreadRecord) -> None:
        run = a_turn(store, forked, "q2", fork=Fork(0, first.position + TURN))
        assert [line.number for line in store.get_thread(ANN, forked.id).lines] == [
            *(line.number for line in forked.lines),
            run.line,
        ]
        assert texts_of(store, forked) == ["q1", "a1", "q2"]

    def test_both_lines_continue(self, store: Store, other: Store, forked: ThreadRecord) -> None:
        edited = active_line(forked.lines)
        a_turn(store, forked, "Q2")
        lines = other.switch(ANN, forked.id, 0).lines
        a_turn(other, forked, "q2")
        assert texts_of(store, forked) == ["q1", "a1", "q2"]
        assert texts_of(store, forked, spans=spans_of(lines, edited)) == ["Q1", "A1", "Q2"]

    def test_an_update_of_the_thread_keeps_its_lines(self, store: Store, other: Store, forked: ThreadRecord) -> None:
        updated = store.update(Kind.THREAD, ANN, forked.id, body={"metadata": {"a": "1"}}, extra={"title": "T"})
        body = {**forked.body, "metadata": {"a": "1"}}
        assert updated == replace(forked, body=body, extra={"title": "T"}) == other.get_thread(ANN, forked.id)
        assert other.list(Kind.THREAD, ANN).records == store.of_owner(ANN, Kind.THREAD).records == [updated]

    def test_a_refused_fork_leaves_nothing(
        self, store: Store, other: Store, forked: ThreadRecord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unknown = a_start(forked, "q", fork=Fork(99, TURN))
        with pytest.raises(NotFound):
            store.start(unknown)
        foreign = a_start(replace(forked, owner=BOB), "q", fork=Fork(0, TURN))
        with pytest.raises(NotFound):
            store.start(foreign)
        standing = store.list(Kind.MESSAGE, ANN, parent=forked.id).records[0]
        taken = replace(a_start(forked, fork=Fork(0, TURN)), messages=(a_message(forked), standing))
        with pytest.raises(Duplicate):
            store.start(taken)
        monkeypatch.setattr(lines_module, "MAX_FORKS", len(forked.lines) - 1)
        many = a_start(forked, "q", fork=Fork(0, TURN))
        with pytest.raises(RequestError) as error:
            store.start(many)
        assert error.value.code == "too_many_forks"
        for start in (unknown, foreign, taken, many):
            assert_nothing_of(other, start, forked, ["Q1", "A1"])
        assert a_turn(store, forked, "goes on").line == active_line(forked.lines)

    def test_a_busy_thread_rejects_a_fork(self, store: Store, other: Store, forked: ThreadRecord) -> None:
        run = store.start(a_start(forked, "Q2"))
        for fork in (Fork(0, TURN), Fork(run.line, run.position)):
            start = a_start(forked, "too early", fork=fork, touched={"title": "No"})
            with pytest.raises(ThreadBusy) as busy:
                store.start(start)
            assert busy.value.run_id == run.id
            assert_nothing_of(other, start, forked, ["Q1", "A1", "Q2"])
        end(store, run)
        assert a_turn(store, forked, "now", fork=Fork(run.line, run.position)).line

    def test_the_same_fork_again_is_a_duplicate(self, store: Store, forked: ThreadRecord) -> None:
        """While its run is active, and later."""
        start = a_start(forked, "Q2", fork=Fork(0, TURN))
        run = store.start(start)
        lines = store.get_thread(ANN, forked.id).lines
        for repeated in (start, again(start), again(start)):
            with pytest.raises(Duplicate):
                store.start(repeated)
            assert store.get_thread(ANN, forked.id).lines == lines
            assert texts_of(store, forked) == ["Q2"]
            if store.due(1e12):
                end(store, run)

    # -- switches -----------------------------------------------------------------------------------------

    def test_a_switch(self, store: Store, other: Store, forked: ThreadRecord) -> None:
        first, edited = forked.lines
        thread = store.switch(ANN, forked.id, 0)
        assert thread == other.get_thread(ANN, forked.id)
        assert thread == replace(forked, lines=(edited, first), revision=thread.revision)
        assert thread.revision > forked.revision
        assert texts_of(other, thread) == ["q1", "a1"]
        back = other.switch(ANN, forked.id, edited.number)
        assert back == replace(forked, revision=back.revision)
        assert back.revision > thread.revision

    def test_a_switch_to_the_active_line_changes_nothing(self, store: Store, forked: ThreadRecord) -> None:
        assert store.switch(ANN, forked.id, active_line(forked.lines)).lines == forked.lines
        assert texts_of(store, forked) == ["Q1", "A1"]

    def test_a_thread_without_forks_has_one_line(self, store: Store, thread: ThreadRecord) -> None:
        assert store.switch(ANN, thread.id, 0).lines == ()
        with pytest.raises(NotFound):
            store.switch(ANN, thread.id, 1)
        assert store.get_thread(ANN, thread.id).lines == ()

    def test_a_refused_switch_changes_nothing(self, store: Store, other: Store, forked: ThreadRecord) -> None:
        for owner, id, line in [
            (ANN, forked.id, 99),
            (ANN, forked.id, -1),
            (ANN, "thread_unknown", 0),
            (BOB, forked.id, 0),
            ("$owner", forked.id, 0),
        ]:
            with pytest.raises(NotFound):
                store.switch(owner, id, line)
        assert other.get_thread(ANN, forked.id) == forked

    def test_a_busy_thread_rejects_a_switch(self, store: Store, other: Store, forked: ThreadRecord) -> None:
        run = store.start(a_start(forked, "Q2"))
        before = store.get_thread(ANN, forked.id)
        with pytest.raises(ThreadBusy) as busy:
            other.switch(ANN, forked.id, 0)
        assert busy.value.run_id == run.id
        assert store.get_thread(ANN, forked.id) == before
        end(store, run)
        assert active_line(other.switch(ANN, forked.id, 0).lines) == 0

    # -- at once ------------------------------------------------------------------------------------------

    def test_one_of_two_forks_at_once_wins(self, store: Store, other: Store, forked: ThreadRecord) -> None:
        expected: Lines = forked.lines
        for number in range(ROUNDS):
            starts = [a_start(forked, f"{number} {n}", fork=Fork(0, (n + 1) * TURN)) for n in range(4)]
            results = at_once(*[partial((store, other)[n % 2].start, start) for n, start in enumerate(starts)])
            (run,) = (result for result in results if isinstance(result, RunRecord))
            assert sum(isinstance(result, ThreadBusy) for result in results) == 3
            (won,) = (start for start in starts if start.run.id == run.id)
            assert won.fork is not None
            expected = (*expected, Line(run.line, *won.fork))
            assert store.get_thread(ANN, forked.id).lines == expected
            assert texts_of(other, forked)[-1] == texts_of(store, forked)[-1] == f"{number} {starts.index(won)}"
            for start in starts:
                there = [other.find(Kind.MESSAGE, ANN, message.id) for message in start.messages]
                assert (there != [None]) is (start is won)
            end(store, run)

    @pytest.mark.parametrize("forks", [False, True], ids=["start", "fork"])
    def test_a_start_and_a_switch_at_once(self, store: Store, other: Store, forked: ThreadRecord, forks: bool) -> None:
        """The switch comes first or is refused: the run is on the active line in any case."""
        numbers = [line.number for line in forked.lines]
        for number in range(ROUNDS):
            start = a_start(forked, f"{number}", fork=Fork(0, TURN) if forks else None)
            calls: list[Callable[[], RunRecord | ThreadRecord]] = [
                partial(store.start, start),
                partial(other.switch, ANN, forked.id, numbers[number % 2]),
            ]
            run, switched = at_once(*calls)
            assert isinstance(run, RunRecord)
            assert isinstance(switched, ThreadRecord | ThreadBusy | StoreError)
            lines = store.get_thread(ANN, forked.id).lines
            assert active_line(lines) == run.line
            assert texts_of(other, forked)[-1] == f"{number}"
            numbers += [run.line] * forks
            assert sorted(line.number for line in lines) == sorted(numbers)
            end(store, run)

    def test_messages_and_a_fork_at_once(self, store: Store, other: Store, forked: ThreadRecord) -> None:
        """Each message is on a line whose own messages begin before it, and is listed there."""
        for number in range(ROUNDS):
            inserts = [partial((store, other)[n % 2].insert, a_message(forked, f"{number} {n}")) for n in range(4)]
            start = a_start(forked, fork=Fork(0, TURN))
            calls: list[Callable[[], RunRecord | Record]] = [partial(store.start, start), *inserts]
            run, *messages = at_once(*calls)
            assert isinstance(run, RunRecord)
            lines = other.get_thread(ANN, forked.id).lines
            assert active_line(lines) == run.line
            for message in messages:
                assert isinstance(message, Record)
                assert message.position > message.line * TURN
                listed = other.list(
                    Kind.MESSAGE, ANN, parent=forked.id, spans=spans_of(lines, message.line), limit=1000
                )
                assert message in listed.records
            end(store, run)

    # -- what is below ------------------------------------------------------------------------------------

    def test_the_runs_of_all_lines_are_in_one_list(self, store: Store, first: RunRecord, forked: ThreadRecord) -> None:
        third = a_turn(store, forked, "Q2", fork=Fork(0, first.position))
        store.switch(ANN, forked.id, 0)
        fourth = a_turn(store, forked, "q2")
        runs = store.list(Kind.RUN, ANN, parent=forked.id, order="asc").records
        assert ids_of(runs)[::2] == [first.id, third.id]
        assert ids_of(runs)[3:] == [fourth.id]
        assert [run.line for run in runs] == [0, active_line(forked.lines), third.line, 0]
        page = store.list(Kind.RUN, ANN, parent=forked.id, limit=2, after=fourth.id)
        assert (ids_of(page.records), page.has_more) == ([third.id, runs[1].id], True)
        assert ids_of(store.list(Kind.RUN, ANN, parent=forked.id, before=first.id).records) == ids_of(runs)[:0:-1]

    def test_a_run_writes_to_its_own_line(self, store: Store, other: Store, forked: ThreadRecord) -> None:
        """Whichever is active later, and also when a takeover repeats its projection."""
        run = store.start(a_start(forked, "Q2"))
        claimed = other.claim(run, due_at=200.0)
        assert claimed is not None
        assert claimed.line == run.line
        answer = an_answer(run, 2, "half")
        store.project([Projection(run, (answer,), (2,), last_seq=2)])
        whole = an_answer(claimed, 5, "whole", id=answer.id)
        ending = Projection(claimed, (whole,), (5,), changed(run, "failed"), last_seq=6)
        other.project([ending])
        other.switch(ANN, forked.id, 0)
        late = an_answer(run, 4, "late")
        for projection in (ending, Projection(run, (answer, late), (2, 4), changed(run, "completed"), last_seq=4)):
            store.project([projection])
        assert texts_of(store, forked) == ["q1", "a1"]
        assert store.get(Kind.MESSAGE, ANN, answer.id) == replace(whole, position=answer.position)
        assert store.get(Kind.MESSAGE, ANN, late.id).line == run.line
        assert texts_of(store, forked, spans=spans_of(forked.lines)) == ["Q1", "A1", "Q2", "whole", "late"]
        assert store.get(Kind.RUN, ANN, run.id).body["status"] == "failed"

    def test_a_fork_in_the_middle_of_a_run_shares_what_came_before(self, store: Store, thread: ThreadRecord) -> None:
        run = store.start(a_start(thread, "q1"))
        answers = end(store, run, "a1", "a2")
        a_turn(store, thread, "Q2", fork=Fork(0, answers[1].position))
        late = an_answer(run, 9, "late")
        store.project([Projection(run, (late,), (9,), last_seq=9)])
        assert texts_of(store, thread) == ["q1", "a1", "Q2"]
        assert texts_of(store, store.switch(ANN, thread.id, 0)) == ["q1", "a1", "a2", "late"]

    def test_a_thread_is_deleted_with_all_its_lines(
        self, store: Store, other: Store, first: RunRecord, forked: ThreadRecord
    ) -> None:
        run = store.start(a_start(forked, "Q2", fork=Fork(0, first.position)))
        step = Record(Kind.RUN_STEP, ANN, {"id": new_id("step"), "metadata": {}}, run.id, run.position + 2)
        projection = Projection(run, (step, an_answer(run, 3)), (2, 3), last_seq=3)
        assert store.commit([(a_row(run, 2, 3), projection)]) == [AppendResult.STORED]
        kept = store.of_owner(ANN, Kind.THREAD).records
        runs = store.list(Kind.RUN, ANN, parent=forked.id).records
        assert (len(runs), ids_of(kept)) == (3, [forked.id])
        other.delete(Kind.THREAD, ANN, forked.id)
        for kind in (Kind.THREAD, Kind.MESSAGE, Kind.RUN, Kind.RUN_STEP):
            assert store.of_owner(ANN, kind).records == []
        for each in runs:
            assert store.read(each.id) == []
            assert store.find(Kind.RUN, ANN, each.id) is None
        store.project([projection])
        assert store.of_owner(ANN, Kind.MESSAGE).records == []
        assert texts_of(store, forked, spans=spans_of(forked.lines, 0)) == []
        with pytest.raises(NotFound):
            store.switch(ANN, forked.id, 0)
