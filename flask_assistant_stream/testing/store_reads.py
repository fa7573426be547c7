"""The contract for reads beside lists, and for the revision of a thread, as a test class."""

# ruff: noqa: D102 (the name of a test is its description)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from ..errors import NotFound, StoreError
from ..protocol import objects
from ..protocol.ids import new_id
from ..stores.base import PAGE_BYTES, Kind, Order, Projection, Record, RunRecord, Store, ThreadRecord
from ..stores.lines import TURN, Fork, Span
from .store_material import (
    ANN,
    ASSISTANT,
    BOB,
    StoreFixtures,
    a_message,
    a_row,
    a_start,
    a_thread,
    a_turn,
    an_answer,
    at_once,
    changed,
    end,
    ids_of,
)

AWKWARD_IDS = ["", "%", "a.b", "$id", "ann/asst_1", "nul\0", "' OR '1'='1", "世界 👋", '"quoted"', "$$ROOT", "one,two"]
"""Ids that a client may ask for; every second one is there."""
MANY = 3_000


def pages_of(store: Store, kind: Kind, *, limit: int, deletes: Store | None = None) -> list[list[str]]:
    """Return the ids of all pages of Ann's; `deletes` deletes the records of each page when it is read."""
    pages: list[list[str]] = []
    after, more = None, True
    while more:
        page = store.of_owner(ANN, kind, after=after, limit=limit)
        pages.append(ids_of(page.records))
        after, more = page.records[-1], page.has_more
        if deletes is not None:
            for record in page.records:
                deletes.delete(kind, ANN, record.id)
    return pages


def first_messages(store: Store) -> list[Record]:
    """Return a message of each thread of Ann's."""
    threads = store.of_owner(ANN, Kind.THREAD).records
    return [store.list(Kind.MESSAGE, ANN, parent=thread.id).records[0] for thread in threads]


class ReadSuite(StoreFixtures):
    """Reads: find, get_many, of_owner, positions of other kinds, dialects; revisions."""

    def test_what_is_not_there_is_none(self, store: Store, thread: ThreadRecord, run: RunRecord) -> None:
        message = store.list(Kind.MESSAGE, ANN, parent=thread.id).records[0]
        for record in (thread, run, message):
            assert store.find(record.kind, ANN, record.id) == store.get(record.kind, ANN, record.id)
            assert store.find(record.kind, ANN, record.id, parent=record.parent) is not None
            assert store.find(record.kind, BOB, record.id) is None
            assert store.find(record.kind, ANN, "unknown") is None
            assert store.find(record.kind, ANN, record.id, parent="elsewhere") is None
        assert store.find(Kind.MESSAGE, ANN, run.id) is None
        store.delete(Kind.MESSAGE, ANN, message.id)
        assert store.find(Kind.MESSAGE, ANN, message.id) is None
        with pytest.raises(NotFound):
            store.get_thread(BOB, thread.id)

    def test_many_records(self, store: Store, other: Store, thread: ThreadRecord) -> None:
        """Those that are there, of any parents and lines; ids in any order, and twice."""
        run = a_turn(store, thread, "q1", answers=("a1",))
        a_turn(store, thread, "Q1", fork=Fork(0, run.position - TURN))
        elsewhere = store.insert(a_message(store.insert(a_thread()), "elsewhere"))
        theirs = store.insert(a_message(store.insert(a_thread(BOB)), "theirs"))
        messages = store.of_owner(ANN, Kind.MESSAGE).records
        gone = messages.pop(0)
        store.delete(Kind.MESSAGE, ANN, gone.id)
        assert elsewhere in messages or gone == elsewhere
        wanted = [theirs.id, "unknown", gone.id, *ids_of(messages)[::-1], *ids_of(messages), run.id]
        assert other.get_many(Kind.MESSAGE, ANN, wanted) == {message.id: message for message in messages}
        assert other.get_many(Kind.MESSAGE, ANN, iter(wanted)) == other.get_many(Kind.MESSAGE, ANN, set(wanted))
        assert other.get_many(Kind.MESSAGE, BOB, wanted) == {theirs.id: theirs}
        assert other.get_many(Kind.RUN, ANN, wanted) == {run.id: store.get(Kind.RUN, ANN, run.id)}
        assert other.get_many(Kind.THREAD, ANN, [thread.id]) == {thread.id: store.get_thread(ANN, thread.id)}
        assert other.get_many(Kind.MESSAGE, ANN, []) == other.get_many(Kind.MESSAGE, ANN, ["unknown"]) == {}

    def test_a_few_of_many_ids(self, store: Store, thread: ThreadRecord) -> None:
        stored = [store.insert(a_message(thread, str(number))) for number in range(3)]
        wanted = [f"msg_{number}" for number in range(MANY)]
        for number, message in enumerate(stored):  # the first, the one in the middle, the last
            wanted.insert(number * MANY // 2 + number, message.id)
        assert wanted[-1] == stored[-1].id
        assert store.get_many(Kind.MESSAGE, ANN, wanted) == {message.id: message for message in stored}

    @pytest.mark.parametrize("kind", [Kind.FILE, Kind.ASSISTANT])
    def test_awkward_ids_are_only_text(self, store: Store, kind: Kind) -> None:
        """Also of a kind whose ids several owners may have."""
        stored = {id: store.insert(Record(kind, ANN, {"id": id})) for id in AWKWARD_IDS[::2]}
        if kind is Kind.ASSISTANT:
            for id in AWKWARD_IDS:
                store.insert(Record(kind, BOB, {"id": id}))
        assert store.get_many(kind, ANN, AWKWARD_IDS) == stored
        for id in AWKWARD_IDS:
            assert store.find(kind, ANN, id) == stored.get(id)
            assert store.get_many(kind, ANN, [id]) == ({id: stored[id]} if id in stored else {})
            assert store.get_many(kind, "", [id]) == store.get_many(kind, "$owner", [id]) == {}
            assert store.get_many(kind, ANN, [f"{id}\0x"]) == {}

    @pytest.mark.parametrize("order", ["asc", "desc"])
    def test_runs_between_two_positions(self, store: Store, thread: ThreadRecord, order: Order) -> None:
        runs = [a_turn(store, thread, str(number)) for number in range(5)]
        where = {"parent": thread.id, "order": order}

        def between(first: int, last: int | None, **options: object) -> list[str]:
            span = Span(0, runs[first].position, None if last is None else runs[last].position)
            page = store.list(Kind.RUN, ANN, spans=(span,), **{**where, **options})  # type: ignore[arg-type]
            return ids_of(page.records)

        way = 1 if order == "asc" else -1
        assert between(1, 3) == ids_of(runs[1:3])[::way]
        assert between(1, None) == ids_of(runs[1:])[::way]
        assert between(1, 4, limit=2) == ids_of(runs[1:4])[::way][:2]
        assert between(1, 4, after=runs[2].id) == ids_of(runs[3:4] if order == "asc" else runs[1:2])
        assert between(1, 4, before=runs[2].id) == ids_of(runs[1:2] if order == "asc" else runs[3:4])
        assert between(3, 3) == []
        store.start(a_start(thread, "active"))
        page = store.list(Kind.RUN, ANN, spans=(Span(0, 0, runs[1].position), Span(0, runs[4].position)), **where)  # type: ignore[arg-type]
        assert len(page.records) == 3

    # -- all of an owner ----------------------------------------------------------------------------------

    @pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (Kind.MESSAGE, Kind.RUN)])
    def test_all_records_of_an_owner(self, store: Store, other: Store, kind: Kind) -> None:
        """Whatever their parents; a page may begin behind a record that is deleted meanwhile."""
        for owner in (ANN, BOB):
            for parent in ("b", "a", ""):
                for number in range(2):
                    id = f"{owner}_{parent}_{number}"
                    body = objects.thread(id, 1) if kind is Kind.THREAD else {"id": id}
                    store.insert(Record(kind, owner, body, parent))
        expected = [f"ann_{parent}_{number}" for parent in ("", "a", "b") for number in range(2)]
        assert ids_of(other.of_owner(ANN, kind).records) == expected
        assert pages_of(other, kind, limit=4) == [expected[:4], expected[4:]]
        assert pages_of(other, kind, limit=1) == [[id] for id in expected]
        assert pages_of(store, kind, limit=2, deletes=other) == [expected[:2], expected[2:4], expected[4:]]
        assert store.of_owner(ANN, kind).records == store.of_owner("nobody", kind).records == []
        assert len(store.of_owner(BOB, kind).records) == 6

    def test_all_messages_and_runs_of_an_owner(self, store: Store, other: Store) -> None:
        """Of all threads and lines; the runs of a thread in their order, whatever their lines."""
        for owner in (ANN, BOB, ANN):
            thread = store.insert(a_thread(owner))
            run = a_turn(store, thread, "q1", answers=("a1", "a1b"))
            a_turn(store, thread, "Q1", "Q1b", answers=("A1",), fork=Fork(0, run.position - TURN))
            store.switch(owner, thread.id, 0)
            a_turn(store, thread, "q2", answers=("a2",))
        messages = other.of_owner(ANN, Kind.MESSAGE).records
        assert len(messages) == 2 * 8
        assert messages == sorted(messages, key=lambda each: (each.parent, each.line, each.position, each.id))
        runs = other.of_owner(ANN, Kind.RUN).records
        assert len(runs) == 2 * 3
        assert runs == sorted(runs, key=lambda each: (each.parent, each.position, each.id))
        for records, kind in ((messages, Kind.MESSAGE), (runs, Kind.RUN)):
            assert all(record == store.get(kind, ANN, record.id) for record in records)
            for limit in (1, 3, 5):
                pages = pages_of(store, kind, limit=limit)
                assert [id for page in pages for id in page] == ids_of(records)
                assert {len(page) for page in pages[:-1]} == {limit}
            pages = pages_of(store, kind, limit=5, deletes=other)
            assert [id for page in pages for id in page] == ids_of(records)
        assert len(store.of_owner(BOB, Kind.MESSAGE).records) == 8

    def test_a_page_of_an_owner_is_bounded_in_bytes(self, store: Store) -> None:
        for size in (PAGE_BYTES // 3, PAGE_BYTES // 3, PAGE_BYTES // 2, PAGE_BYTES + 1, 10):
            store.insert(a_message(store.insert(a_thread()), "x" * size))
        pages = pages_of(store, Kind.MESSAGE, limit=100)
        assert sorted(id for page in pages for id in page) == sorted(ids_of(first_messages(store)))
        assert 3 <= len(pages) <= 5
        for page in pages:
            messages = store.get_many(Kind.MESSAGE, ANN, page).values()
            size = sum(len(message.body["content"][0]["text"]["value"]) for message in messages)
            assert size <= PAGE_BYTES or len(page) == 1

    # -- dialects -----------------------------------------------------------------------------------------

    def test_runs_and_rows_keep_their_dialect(self, store: Store, other: Store, thread: ThreadRecord) -> None:
        """Any name: a newer version may have written it."""
        start = a_start(thread, "Hello")
        start = replace(start, run=replace(start.run, dialect="later"), row=replace(start.row, dialect="later"))
        run = store.start(start)
        assert run.dialect == "later"
        assert other.get(Kind.RUN, ANN, run.id) == run == other.due(1e12)[0]
        row = replace(a_row(run, 2), dialect="latest")
        store.commit([(row, Projection(run, changes=changed(run, "in_progress"), last_seq=2))])
        assert other.read(run.id) == [start.row, row]
        assert other.last_row(run.id) == row
        noted = other.request_cancel(ANN, run.id, due_at=1.0)
        claimed = other.claim(noted, due_at=1.0)
        assert claimed is not None
        assert claimed.dialect == noted.dialect == "later"

    def test_a_run_is_in_the_assistants_dialect(self, store: Store, run: RunRecord) -> None:
        stored = store.get(Kind.RUN, ANN, run.id)
        assert isinstance(stored, RunRecord)
        assert {stored.dialect, *(row.dialect for row in store.read(run.id))} == {"assistants"}

    # -- revisions ----------------------------------------------------------------------------------------

    def test_every_change_of_messages_and_lines_raises_the_revision(
        self, store: Store, other: Store, thread: ThreadRecord
    ) -> None:
        seen = thread.revision

        def raised() -> bool:
            nonlocal seen
            before, seen = seen, other.get_thread(ANN, thread.id).revision
            return seen > before

        message = store.insert(a_message(thread))
        assert raised(), "by a new message"
        store.update(Kind.MESSAGE, ANN, message.id, body={"metadata": {"a": "1"}})
        assert raised(), "by an update"
        store.delete(Kind.MESSAGE, ANN, message.id, parent=thread.id)
        assert raised(), "by a deletion"
        store.insert(replace(a_message(thread), position=7 * TURN + 3))
        assert raised(), "by a message in a place"
        run = store.start(a_start(thread, "Hello"))
        assert raised(), "by a start"
        answer = an_answer(run, 2)
        store.project([Projection(run, (answer,), (2,), last_seq=2)])
        assert raised(), "by an answer"
        projection = Projection(run, (an_answer(run, 3, "more", id=answer.id),), (3,), last_seq=3)
        assert store.commit([(a_row(run, 2, 3), projection)])
        assert raised(), "by a newer version of an answer"
        end(store, run)
        seen = other.get_thread(ANN, thread.id).revision
        run = store.start(a_start(thread))
        assert raised(), "by a start without messages"
        end(store, run)
        seen = other.get_thread(ANN, thread.id).revision
        run = store.start(a_start(thread, "Q", fork=Fork(0, run.position)))
        assert raised(), "by a fork"
        end(store, run)
        seen = other.get_thread(ANN, thread.id).revision
        store.switch(ANN, thread.id, 0)
        assert raised(), "by a switch"
        new = a_thread()
        store.start(a_start(new, "Hello", thread=new))
        assert store.get_thread(ANN, new.id).revision > 0

    def test_nothing_else_raises_the_revision(self, store: Store, other: Store, thread: ThreadRecord) -> None:
        run = store.start(a_start(thread, "Hello"))
        elsewhere = store.insert(a_message(store.insert(a_thread())))
        revision = store.get_thread(ANN, thread.id).revision
        message = store.list(Kind.MESSAGE, ANN, parent=thread.id).records[0]
        step = Record(Kind.RUN_STEP, ANN, {"id": new_id("step"), "metadata": {}}, run.id, run.position + 2)
        calls: list[Callable[[], object]] = [
            partial(store.get, Kind.MESSAGE, ANN, message.id),
            partial(store.get_many, Kind.MESSAGE, ANN, [message.id]),
            partial(store.of_owner, ANN, Kind.MESSAGE),
            partial(store.update, Kind.THREAD, ANN, thread.id, body={"metadata": {"a": "1"}}, extra={"title": "T"}),
            partial(store.update, Kind.RUN, ANN, run.id, body={"metadata": {"a": "1"}}),
            partial(store.update, Kind.MESSAGE, ANN, elsewhere.id, body={"metadata": {}}),
            partial(store.project, [Projection(run, (step,), (2,), changed(run, "in_progress"), last_seq=2)]),
            partial(store.append, [a_row(run, 2)]),
            partial(store.renew, [(run.id, run.epoch)], 50.0),
            partial(store.request_cancel, ANN, run.id, due_at=1.0),
            partial(store.claim, store.due(1e12)[0], due_at=1.0),
        ]
        for call in calls:
            call()
            assert other.get_thread(ANN, thread.id).revision == revision, call
        for refused in (
            partial(store.update, Kind.MESSAGE, BOB, message.id, body={"metadata": {}}),
            partial(store.delete, Kind.MESSAGE, ANN, message.id, parent="elsewhere"),
            partial(store.switch, BOB, thread.id, 0),
        ):
            with pytest.raises(NotFound):
                refused()
            assert other.get_thread(ANN, thread.id).revision == revision, refused

    def test_no_change_at_the_same_moment_is_lost(self, store: Store, other: Store, thread: ThreadRecord) -> None:
        run = a_turn(store, thread, "Hello")
        (message,) = store.list(Kind.MESSAGE, ANN, parent=thread.id).records
        before = store.get_thread(ANN, thread.id)
        calls: list[Callable[[Store], object]] = [
            *[lambda each: each.insert(a_message(thread)) for _ in range(4)],
            *[lambda each: each.update(Kind.MESSAGE, ANN, message.id, extra={"seen": 1}) for _ in range(2)],
            *[lambda each, n=n: each.project([Projection(run, (an_answer(run, n),), (n,))]) for n in range(2, 6)],
            lambda each: each.start(a_start(thread, "Again")),
        ]
        results = at_once(*[partial(call, (store, other)[n % 2]) for n, call in enumerate(calls)])
        assert not [result for result in results if isinstance(result, StoreError)]
        after = other.get_thread(ANN, thread.id)
        assert after.revision >= before.revision + len(calls)
        assert after.turns == before.turns + 4 + 2
        assert len(store.list(Kind.MESSAGE, ANN, parent=thread.id, limit=100).records) == 1 + 4 + 4 + 1

    def test_each_owners_assistant(self, store: Store) -> None:
        """An id that several owners have: each finds its own."""
        for owner in (ANN, BOB):
            store.insert(Record(Kind.ASSISTANT, owner, {**ASSISTANT, "name": owner}))
        for owner in (ANN, BOB):
            (mine,) = store.of_owner(owner, Kind.ASSISTANT).records
            assert mine.body["name"] == owner
            assert store.get_many(Kind.ASSISTANT, owner, ["asst_1"]) == {"asst_1": mine}
            assert store.find(Kind.ASSISTANT, owner, "asst_1") == mine
