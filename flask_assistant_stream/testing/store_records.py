"""The contract for records, as a test class."""

# ruff: noqa: D102 (the name of a test is its description)

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from ..errors import Duplicate, NotFound
from ..protocol import objects
from ..protocol.ids import new_id
from ..stores.base import PAGE_BYTES, AppendResult, Kind, Order, Projection, Record, RunRecord, Store
from ..stores.lines import TURN
from .store_material import (
    ANN,
    ASSISTANT,
    AWKWARD,
    BOB,
    StoreFixtures,
    a_message,
    a_row,
    a_start,
    a_thread,
    an_answer,
    changed,
    ids_of,
    spans_of_run,
)


class RecordSuite(StoreFixtures):
    """Records: insert, get, update, delete, list."""

    def test_records_come_back_as_they_were(self, store: Store, other: Store) -> None:
        thread = store.insert(a_thread(title="Grüße", updated_at=1.5, star=None))
        assert store.get(Kind.THREAD, ANN, thread.id) == thread == other.get(Kind.THREAD, ANN, thread.id)
        assert thread.position > 0
        message = store.insert(a_message(thread, "世界", metadata={"a.b": "$c"}))
        assert other.get(Kind.MESSAGE, ANN, message.id, parent=thread.id) == message

    def test_awkward_json(self, store: Store, other: Store) -> None:
        body = {**objects.assistant(new_id("asst"), 1, "model", tools=[AWKWARD]), "metadata": AWKWARD}
        stored = store.insert(Record(Kind.ASSISTANT, ANN, body, extra=AWKWARD))
        assert other.get(Kind.ASSISTANT, ANN, stored.id).body == body
        assert other.get(Kind.ASSISTANT, ANN, stored.id).extra == AWKWARD
        updated = store.update(Kind.ASSISTANT, ANN, stored.id, body={"metadata": {"$set": AWKWARD}}, extra={"a.b": 1})
        assert updated == other.get(Kind.ASSISTANT, ANN, stored.id)
        assert updated.body == {**body, "metadata": {"$set": AWKWARD}}
        assert updated.extra == {**AWKWARD, "a.b": 1}

    def test_lone_surrogates_are_stored(self, store: Store, thread: Record) -> None:
        stored = store.insert(a_message(thread, "cut \ud83d"))
        text = store.get(Kind.MESSAGE, ANN, stored.id).body["content"][0]["text"]["value"]
        assert text in ("cut \ud83d", "cut \ufffd")

    def test_an_id_is_unique(self, store: Store, thread: Record) -> None:
        message = store.insert(a_message(thread))
        for record in (thread, message):
            with pytest.raises(Duplicate):
                store.insert(replace(record, extra={"second": 1}))
        assert store.get(Kind.THREAD, ANN, thread.id).extra == {}
        assert ids_of(store.list(Kind.MESSAGE, ANN, parent=thread.id).records) == [message.id]

    def test_each_owner_may_have_the_same_assistant(self, store: Store) -> None:
        for owner in (ANN, BOB):
            store.insert(Record(Kind.ASSISTANT, owner, {**ASSISTANT, "name": owner}))
        assert [store.get(Kind.ASSISTANT, owner, "asst_1").body["name"] for owner in (ANN, BOB)] == [ANN, BOB]
        with pytest.raises(Duplicate):
            store.insert(Record(Kind.ASSISTANT, BOB, ASSISTANT))
        store.delete(Kind.ASSISTANT, ANN, "asst_1")
        assert store.update(Kind.ASSISTANT, BOB, "asst_1", body={"name": "b"}).body["name"] == "b"

    def test_each_owner_has_one_owner_record(self, store: Store, other: Store) -> None:
        for owner in (ANN, BOB):
            store.insert(Record(Kind.OWNER, owner, {"id": "owner", "vector_store_id": f"vs_{owner}"}))
            with pytest.raises(Duplicate):
                other.insert(Record(Kind.OWNER, owner, {"id": "owner", "vector_store_id": "vs_2"}))
        store.update(Kind.OWNER, ANN, "owner", body={"vector_store_id": "vs_3"})
        kept = [other.get(Kind.OWNER, owner, "owner").body["vector_store_id"] for owner in (ANN, BOB)]
        assert kept == ["vs_3", f"vs_{BOB}"]
        store.delete(Kind.OWNER, ANN, "owner")
        with pytest.raises(NotFound):
            other.get(Kind.OWNER, ANN, "owner")
        assert other.get(Kind.OWNER, BOB, "owner").owner == BOB

    @pytest.mark.parametrize("kind", [Kind.THREAD, Kind.FILE, Kind.VECTOR_STORE, Kind.VECTOR_STORE_FILE])
    def test_any_other_id_is_unique_for_all_owners(self, store: Store, kind: Kind) -> None:
        stored = store.insert(Record(kind, ANN, {"id": "one"}, extra={"whose": ANN}))
        with pytest.raises(Duplicate):
            store.insert(Record(kind, BOB, {"id": "one"}))
        with pytest.raises(NotFound):
            store.get(kind, BOB, "one")
        assert store.get(kind, ANN, "one") == stored

    def test_one_of_many_claims_to_a_file_is_stored(self, store: Store, other: Store) -> None:
        for id, place in (("file-b", 2), ("file-a", 1), ("file-c", 2)):
            store.insert(Record(Kind.EXTRACTION, "", {"id": id}, position=place))
        claims = [Record(Kind.EXTRACTION, "", {"id": "file-a.1"}, "file-a", extra={"until": n}) for n in range(8)]
        stored: list[Record] = []

        def claim(number: int) -> None:
            with suppress(Duplicate):
                stored.append((store, other)[number % 2].insert(claims[number]))

        threads = [threading.Thread(target=claim, args=(number,)) for number in range(len(claims))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (first,) = stored
        assert other.get(Kind.EXTRACTION, "", "file-a.1", parent="file-a") == first
        assert ids_of(store.list(Kind.EXTRACTION, "", order="asc").records) == ["file-a", "file-b", "file-c"]
        store.delete(Kind.EXTRACTION, "", "file-a.1")
        other.insert(claims[0])
        other.delete(Kind.EXTRACTION, "", "file-a.1")

    def test_a_message_needs_its_thread(self, store: Store, thread: Record) -> None:
        for stranger in (a_thread(), replace(thread, owner=BOB)):
            for position in (0, 5):
                message = replace(a_message(stranger), position=position)
                with pytest.raises(NotFound):
                    store.insert(message)
                with pytest.raises(NotFound):
                    store.get(Kind.MESSAGE, stranger.owner, message.id)

    def test_update_sets_keys_and_keeps_the_others(self, store: Store, thread: Record) -> None:
        updated = store.update(Kind.THREAD, ANN, thread.id, body={"metadata": {"a": "1"}}, extra={"title": "T"})
        assert updated.body == {**thread.body, "metadata": {"a": "1"}}
        updated = store.update(Kind.THREAD, ANN, thread.id, extra={"updated_at": 2})
        assert updated.extra == {"title": "T", "updated_at": 2}
        assert updated == store.get(Kind.THREAD, ANN, thread.id) == store.update(Kind.THREAD, ANN, thread.id)
        assert updated.position == thread.position

    def test_a_wrong_parent_is_unknown(self, store: Store, thread: Record) -> None:
        message = store.insert(a_message(thread))
        elsewhere = store.insert(a_thread())
        for call in (store.get, store.update, store.delete):
            with pytest.raises(NotFound):
                call(Kind.MESSAGE, ANN, message.id, parent=elsewhere.id)
        assert store.get(Kind.MESSAGE, ANN, message.id, parent=thread.id) == message

    def test_owners_are_isolated(self, store: Store, thread: Record, run: RunRecord) -> None:
        """Another owner's id behaves exactly like an unknown one in every call."""
        message = store.list(Kind.MESSAGE, ANN, parent=thread.id).records[0]
        records = {Kind.THREAD: thread, Kind.MESSAGE: message, Kind.RUN: run}
        before = [store.get(kind, ANN, record.id) for kind, record in records.items()]
        for kind, record in records.items():
            for id in (record.id, "unknown"):
                for call in (
                    lambda kind=kind, id=id: store.get(kind, BOB, id),
                    lambda kind=kind, id=id: store.update(kind, BOB, id, extra={"a": 1}),
                    lambda kind=kind, id=id: store.delete(kind, BOB, id),
                    lambda kind=kind, id=id, parent=record.parent: store.list(kind, BOB, after=id, parent=parent),
                ):
                    with pytest.raises(NotFound):
                        call()
        with pytest.raises(NotFound):
            store.request_cancel(BOB, run.id, due_at=1.0)
        with pytest.raises(NotFound):
            store.start(a_start(replace(thread, owner=BOB), "Mine?"))
        assert store.list(Kind.MESSAGE, BOB, parent=thread.id).records == []
        assert [store.get(kind, ANN, record.id) for kind, record in records.items()] == before

    @pytest.mark.parametrize("stranger", ["$owner", "$$ROOT.owner", "", "%", "ann/", "' OR '1'='1"])
    def test_owner_names_are_never_syntax(self, store: Store, run: RunRecord, stranger: str) -> None:
        """Names come from hosts and may look like queries."""
        before = store.get(Kind.THREAD, ANN, run.parent)
        foreign = replace(a_thread(stranger), body=before.body)
        with pytest.raises(NotFound):
            store.get(Kind.THREAD, stranger, run.parent)
        with pytest.raises(NotFound):
            store.start(a_start(foreign, "Mine?", touched={"title": "mine"}))
        with pytest.raises(NotFound):
            store.insert(a_message(foreign))
        with pytest.raises(NotFound):
            store.request_cancel(stranger, run.id, due_at=1.0)
        assert store.get(Kind.THREAD, ANN, run.parent) == before
        answer = an_answer(run, 2)
        store.project([Projection(run, (answer,), (2,), last_seq=2)])
        projected = store.get(Kind.THREAD, ANN, run.parent)
        theirs = replace(an_answer(run, 3, "Mine!", id=answer.id), owner=stranger)
        store.project([Projection(replace(run, owner=stranger), (theirs,), (3,), last_seq=3)])
        assert store.get(Kind.MESSAGE, ANN, answer.id) == answer
        assert store.get(Kind.THREAD, ANN, run.parent) == projected
        own = store.insert(a_thread(stranger))
        assert store.get(Kind.THREAD, stranger, own.id) == own
        assert store.start(a_start(own, "Hello")).owner == stranger

    def test_delete(self, store: Store, other: Store, thread: Record) -> None:
        message = store.insert(a_message(thread))
        store.delete(Kind.MESSAGE, ANN, message.id)
        for call in (other.get, other.update, other.delete):
            with pytest.raises(NotFound):
                call(Kind.MESSAGE, ANN, message.id)

    def test_a_thread_is_deleted_with_everything_below_it(self, store: Store, thread: Record, run: RunRecord) -> None:
        step = Record(Kind.RUN_STEP, ANN, {"id": new_id("step"), "metadata": {}}, run.id, run.position + 2)
        answer = an_answer(run, 3)
        writing = (a_row(run, 2, 3), Projection(run, (step, answer), (2, 3), last_seq=3))
        assert store.commit([writing]) == [AppendResult.STORED]
        kept = store.start(a_start(store.insert(a_thread()), "Stays"))
        store.delete(Kind.THREAD, ANN, thread.id)
        for record in (thread, run, step, answer):
            with pytest.raises(NotFound):
                store.get(record.kind, ANN, record.id)
        assert store.list(Kind.MESSAGE, ANN, parent=thread.id).records == []
        assert store.read(run.id) == []
        assert store.last_row(run.id) is None
        assert [due.id for due in store.due(1e12)] == [kept.id]
        assert len(store.read(kept.id)) == len(store.list(Kind.MESSAGE, ANN, parent=kept.parent).records) == 1

    def test_a_vector_store_is_deleted_with_its_files_and_batches(self, store: Store, other: Store) -> None:
        kinds = (Kind.VECTOR_STORE_FILE, Kind.FILE_BATCH)
        for id in ("vs_1", "vs_2"):
            store.insert(Record(Kind.VECTOR_STORE, ANN, {"id": id}))
            for kind in kinds:
                store.insert(Record(kind, ANN, {"id": f"{id}.{kind.value}"}, id))
        file = store.insert(Record(Kind.FILE, ANN, {"id": "file_1"}))
        theirs = store.insert(Record(Kind.VECTOR_STORE_FILE, BOB, {"id": "vs_1.other"}, "vs_1"))
        store.delete(Kind.VECTOR_STORE, ANN, "vs_1")
        for kind in kinds:
            assert other.list(kind, ANN, parent="vs_1").records == []
            with pytest.raises(NotFound):
                other.get(kind, ANN, f"vs_1.{kind.value}")
            assert len(other.list(kind, ANN, parent="vs_2").records) == 1
        assert other.get(Kind.FILE, ANN, "file_1") == file
        assert other.get(Kind.VECTOR_STORE_FILE, BOB, theirs.id) == theirs

    def test_writes_of_a_deleted_run_are_refused(self, store: Store, thread: Record, run: RunRecord) -> None:
        store.delete(Kind.THREAD, ANN, thread.id)
        projection = Projection(run, (an_answer(run, 2),), (2,), changed(run, "completed"), last_seq=2)
        assert store.commit([(a_row(run, 2), projection)]) == [AppendResult.REFUSED]
        store.project([projection])
        assert store.read(run.id) == []
        assert store.list(Kind.MESSAGE, ANN, parent=thread.id).records == []
        store.renew([(run.id, run.epoch)], 1.0)
        assert store.claim(run, due_at=1.0) is None

    @pytest.mark.parametrize("order", ["asc", "desc"])
    def test_paging_shows_everything_once(self, store: Store, thread: Record, order: Order) -> None:
        stored = [store.insert(a_message(thread, str(number))) for number in range(23)]
        store.insert(a_message(store.insert(a_thread())))
        expected = ids_of(stored if order == "asc" else stored[::-1])
        for limit in (1, 5, 23, 100):
            seen: list[str] = []
            more = True
            while more:
                after = seen[-1] if seen else None
                page = store.list(Kind.MESSAGE, ANN, parent=thread.id, limit=limit, order=order, after=after)
                seen += ids_of(page.records)
                more = page.has_more
                assert len(page.records) == limit or not more
            assert seen == expected

    @pytest.mark.parametrize("order", ["asc", "desc"])
    def test_a_page_is_bounded_in_bytes(self, store: Store, thread: Record, order: Order) -> None:
        """A record that alone exceeds the limit is a page of its own; none is left out."""
        sizes = (PAGE_BYTES // 3, PAGE_BYTES // 3, PAGE_BYTES // 2, 10, PAGE_BYTES + 1, PAGE_BYTES // 2, 10)
        stored = [store.insert(a_message(thread, "x" * size)) for size in sizes]
        expected = ids_of(stored if order == "asc" else stored[::-1])
        seen: list[str] = []
        more, pages = True, 0
        while more:
            after = seen[-1] if seen else None
            page = store.list(Kind.MESSAGE, ANN, parent=thread.id, limit=100, order=order, after=after)
            size = sum(len(record.body["content"][0]["text"]["value"]) for record in page.records)
            assert size <= PAGE_BYTES or len(page.records) == 1
            assert page.records
            seen += ids_of(page.records)
            more, pages = page.has_more, pages + 1
        assert (seen, pages) == (expected, 4)
        page = store.list(Kind.MESSAGE, ANN, parent=thread.id, limit=100, order=order, before=expected[5])
        assert (ids_of(page.records), page.has_more) == (expected[4:5] if order == "asc" else expected[3:5], True)

    @pytest.mark.parametrize("order", ["asc", "desc"])
    def test_paging_backwards(self, store: Store, thread: Record, order: Order) -> None:
        """`before` returns the records next to the cursor, in the requested order."""
        stored = [store.insert(a_message(thread, str(number))) for number in range(7)]
        expected = ids_of(stored if order == "asc" else stored[::-1])
        page = store.list(Kind.MESSAGE, ANN, parent=thread.id, limit=3, order=order, before=expected[5])
        assert (ids_of(page.records), page.has_more) == (expected[2:5], True)
        page = store.list(Kind.MESSAGE, ANN, parent=thread.id, limit=3, order=order, before=expected[2])
        assert (ids_of(page.records), page.has_more) == (expected[:2], False)
        page = store.list(
            Kind.MESSAGE, ANN, parent=thread.id, limit=3, order=order, after=expected[0], before=expected[3]
        )
        assert (ids_of(page.records), page.has_more) == (expected[1:3], False)

    def test_a_cursor_must_be_in_the_list(self, store: Store, thread: Record) -> None:
        stranger = store.insert(a_message(store.insert(a_thread())))
        for cursor in (stranger.id, "unknown"):
            with pytest.raises(NotFound):
                store.list(Kind.MESSAGE, ANN, parent=thread.id, after=cursor)
            with pytest.raises(NotFound):
                store.list(Kind.MESSAGE, ANN, parent=thread.id, before=cursor)

    @pytest.mark.parametrize("order", ["asc", "desc"])
    def test_a_deleted_record_keeps_its_place(self, store: Store, other: Store, thread: Record, order: Order) -> None:
        stored = [store.insert(a_message(thread, str(number))) for number in range(7)]
        expected = ids_of(stored if order == "asc" else stored[::-1])
        for gone in expected[2:4]:
            store.delete(Kind.MESSAGE, ANN, gone, parent=thread.id)
        where: dict[str, Any] = {"parent": thread.id, "order": order, "limit": 2}
        for cursor in expected[2:4]:
            page = other.list(Kind.MESSAGE, ANN, after=cursor, **where)
            assert (ids_of(page.records), page.has_more) == (expected[4:6], True)
            page = other.list(Kind.MESSAGE, ANN, before=cursor, **where)
            assert (ids_of(page.records), page.has_more) == (expected[:2], False)
        page = other.list(Kind.MESSAGE, ANN, after=expected[1], before=expected[3], **where)
        assert (page.records, page.has_more) == ([], False)

    @pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (Kind.MESSAGE, Kind.RUN, Kind.OWNER)])
    def test_a_list_is_deleted_page_by_page(self, store: Store, kind: Kind) -> None:
        for number in range(7):
            store.insert(Record(kind, ANN, {"id": f"one_{number}"}, "parent"))
        after: str | None = None
        seen: list[str] = []
        for _ in range(4):
            page = store.list(kind, ANN, parent="parent", limit=2, after=after)
            seen += ids_of(page.records)
            after = seen[-1]
            for record in page.records:
                store.delete(kind, ANN, record.id)
        assert seen == [f"one_{number}" for number in reversed(range(7))]
        assert (page.has_more, store.list(kind, ANN, parent="parent").records) == (False, [])

    def test_a_deleted_run_keeps_its_place(self, store: Store, thread: Record, run: RunRecord) -> None:
        store.project([Projection(run, changes=changed(run, "completed"), last_seq=2)])
        second = store.start(a_start(thread, "Again"))
        store.delete(Kind.RUN, ANN, second.id)
        assert ids_of(store.list(Kind.RUN, ANN, parent=thread.id, after=second.id).records) == [run.id]

    def test_a_deleted_place_is_known_in_its_list_alone(self, store: Store, thread: Record) -> None:
        message = store.insert(a_message(thread))
        elsewhere = store.insert(a_thread())
        store.delete(Kind.MESSAGE, ANN, message.id)
        for owner, parent in ((BOB, thread.id), (ANN, elsewhere.id)):
            with pytest.raises(NotFound):
                store.list(Kind.MESSAGE, owner, parent=parent, after=message.id)

    def test_a_record_may_return_after_its_deletion(self, store: Store) -> None:
        """As a file does that is attached again: its new place counts."""
        first, second = (Record(Kind.VECTOR_STORE_FILE, ANN, {"id": id}, "vs_1") for id in ("vs_1.a", "vs_1.b"))
        for _ in range(2):
            store.insert(first)
            store.delete(Kind.VECTOR_STORE_FILE, ANN, first.id)
        store.insert(second)
        assert store.list(Kind.VECTOR_STORE_FILE, ANN, parent="vs_1", order="desc", after=first.id).records == []
        store.insert(first)
        page = store.list(Kind.VECTOR_STORE_FILE, ANN, parent="vs_1", order="desc", after=first.id)
        assert ids_of(page.records) == [second.id]

    def test_threads_and_assistants_are_listed_newest_first(self, store: Store) -> None:
        threads = [store.insert(a_thread()) for _ in range(4)]
        assert ids_of(store.list(Kind.THREAD, ANN).records) == ids_of(threads[::-1])
        assert store.list(Kind.THREAD, BOB).records == store.list(Kind.ASSISTANT, ANN).records == []

    def test_messages_are_in_the_order_of_the_conversation(self, store: Store, thread: Record) -> None:
        """A message sent during a run comes after all messages of the run."""
        store.insert(a_message(thread, "zero"))
        run = store.start(a_start(thread, "one", "two"))
        during = store.insert(a_message(thread, "five"))
        store.project([Projection(run, (an_answer(run, 9, "four"), an_answer(run, 2, "three")), (9, 2), last_seq=9)])
        page = store.list(Kind.MESSAGE, ANN, parent=thread.id, order="asc")
        texts = [record.body["content"][0]["text"]["value"] for record in page.records]
        assert texts == ["zero", "one", "two", "three", "four", "five"]
        assert page.records[-1] == during
        assert run.position % TURN == 0

    def test_messages_of_one_run(self, store: Store, thread: Record, run: RunRecord) -> None:
        answers = (an_answer(run, 2), an_answer(run, 3))
        store.project([Projection(run, answers, (2, 3), last_seq=3)])
        where: dict[str, Any] = {"parent": thread.id, "order": "asc", "spans": spans_of_run(run)}
        assert ids_of(store.list(Kind.MESSAGE, ANN, **where).records) == ids_of([*answers])
        page = store.list(Kind.MESSAGE, ANN, after=answers[0].id, **where)
        assert ids_of(page.records) == [answers[1].id]
        assert store.list(Kind.MESSAGE, ANN, after=answers[1].id, **where).records == []
