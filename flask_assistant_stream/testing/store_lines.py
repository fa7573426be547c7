"""The contract for lists of the lines of a thread, as a test class."""

# ruff: noqa: D102 (the name of a test is its description)

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ..errors import NotFound
from ..stores.base import PAGE_BYTES, Kind, Order, Record, Store, ThreadRecord
from ..stores.lines import MAX_FORKS, TURN, Fork, Line, Span, spans_of
from .store_material import (
    ANN,
    BOB,
    StoreFixtures,
    a_message,
    a_start,
    a_thread,
    a_turn,
    end,
    ids_of,
    text_of,
    texts_of,
)

DEPTH = 50


@dataclass
class Tree:
    """A thread with three lines; each message has a text of its own.

    Attributes:
        first: `q1 a1 q2 a2 q3 a3`.
        edited: another message in place of `q2`: `q1 a1 Q2 A2 q4 a4`.
        again: another answer in place of `A2`: `q1 a1 Q2 A2b`; the active one.
        messages: by text.
    """

    thread: ThreadRecord
    first: int
    edited: int
    again: int
    messages: dict[str, Record]

    @property
    def texts(self) -> dict[int, list[str]]:
        """The history of each line."""
        return {
            self.first: ["q1", "a1", "q2", "a2", "q3", "a3"],
            self.edited: ["q1", "a1", "Q2", "A2", "q4", "a4"],
            self.again: ["q1", "a1", "Q2", "A2b"],
        }

    def spans(self, line: int) -> tuple[Span, ...]:
        """Return the spans of a line."""
        return spans_of(self.thread.lines, line)


class LineSuite(StoreFixtures):
    """Lines: lists of the active line and of others, their pages and cursors."""

    @pytest.fixture
    def tree(self, store: Store, thread: ThreadRecord) -> Tree:
        """Return a thread with three lines."""
        a_turn(store, thread, "q1", answers=("a1",))
        second = a_turn(store, thread, "q2", answers=("a2",))
        a_turn(store, thread, "q3", answers=("a3",))
        edited = a_turn(store, thread, "Q2", answers=("A2",), fork=Fork(0, second.position - TURN))
        a_turn(store, thread, "q4", answers=("a4",))
        again = a_turn(store, thread, answers=("A2b",), fork=Fork(edited.line, edited.position))
        messages: dict[str, Record] = {}
        for line in (0, edited.line, again.line):
            page = store.list(Kind.MESSAGE, ANN, parent=thread.id, spans=(Span(line),), limit=100)
            messages |= {text_of(message): message for message in page.records}
        return Tree(store.get_thread(ANN, thread.id), 0, edited.line, again.line, messages)

    def test_the_active_line_is_listed(self, store: Store, other: Store, tree: Tree) -> None:
        assert texts_of(other, tree.thread) == tree.texts[tree.again]
        assert texts_of(other, tree.thread, order="desc") == tree.texts[tree.again][::-1]
        for line, texts in tree.texts.items():
            store.switch(ANN, tree.thread.id, line)
            assert texts_of(other, tree.thread) == texts
            assert texts_of(other, tree.thread, order="desc", limit=2) == texts[:-3:-1]

    def test_other_lines_are_listed_by_their_spans(self, other: Store, tree: Tree) -> None:
        for line, texts in tree.texts.items():
            assert texts_of(other, tree.thread, spans=tree.spans(line)) == texts
            assert texts_of(other, tree.thread, spans=tree.spans(line), order="desc") == texts[::-1]

    def test_a_message_of_any_line_is_found(self, other: Store, tree: Tree) -> None:
        assert {text: message.line for text, message in tree.messages.items()} == {
            **dict.fromkeys(["q1", "a1", "q2", "a2", "q3", "a3"], tree.first),
            **dict.fromkeys(["Q2", "A2", "q4", "a4"], tree.edited),
            "A2b": tree.again,
        }
        for message in tree.messages.values():
            assert other.find(Kind.MESSAGE, ANN, message.id) == message
            assert other.get(Kind.MESSAGE, ANN, message.id, parent=tree.thread.id) == message

    @pytest.mark.parametrize("order", ["asc", "desc"])
    @pytest.mark.parametrize("limit", [1, 2, 3, 5])
    def test_pages_cross_spans(self, store: Store, tree: Tree, order: Order, limit: int) -> None:
        for line, texts in tree.texts.items():
            expected = texts if order == "asc" else texts[::-1]
            seen: list[str] = []
            more, after = True, None
            while more:
                page = store.list(
                    Kind.MESSAGE,
                    ANN,
                    parent=tree.thread.id,
                    order=order,
                    limit=limit,
                    after=after,
                    spans=tree.spans(line),
                )
                seen += map(text_of, page.records)
                more, after = page.has_more, page.records[-1].id
                assert len(page.records) == limit or not more
            assert seen == expected

    @pytest.mark.parametrize("order", ["asc", "desc"])
    @pytest.mark.parametrize("deleted", [False, True], ids=["there", "deleted"])
    def test_a_cursor_of_any_line_continues_by_position(
        self, store: Store, other: Store, tree: Tree, order: Order, deleted: bool
    ) -> None:
        for cursor in list(tree.messages.values()):
            if deleted:
                other.delete(Kind.MESSAGE, ANN, cursor.id)
                del tree.messages[text_of(cursor)]
            for line, texts in tree.texts.items():
                listed = [tree.messages[text] for text in texts if text in tree.messages]
                earlier = [text_of(message) for message in listed if message.position < cursor.position]
                later = [text_of(message) for message in listed if message.position > cursor.position]
                follow, precede = (later, earlier) if order == "asc" else (earlier[::-1], later[::-1])
                where = {"order": order, "spans": tree.spans(line)}
                assert texts_of(store, tree.thread, after=cursor.id, **where) == follow
                assert texts_of(store, tree.thread, before=cursor.id, **where) == precede
                assert texts_of(store, tree.thread, after=cursor.id, limit=2, **where) == follow[:2]
                assert texts_of(store, tree.thread, before=cursor.id, limit=2, **where) == precede[-2:]

    def test_two_cursors_of_two_lines(self, store: Store, tree: Tree) -> None:
        """Between the second message of one line and the last of another one."""
        cursors = {"after": tree.messages["q2"].id, "before": tree.messages["q4"].id}
        assert texts_of(store, tree.thread, **cursors) == ["Q2"]
        assert texts_of(store, tree.thread, **cursors, spans=tree.spans(tree.edited)) == ["Q2", "A2"]
        assert texts_of(store, tree.thread, **cursors, spans=tree.spans(tree.first)) == ["a2", "q3", "a3"]
        swapped = {"after": cursors["before"], "before": cursors["after"]}
        assert texts_of(store, tree.thread, **swapped) == []
        assert texts_of(store, tree.thread, **swapped, order="desc", spans=tree.spans(tree.edited)) == ["A2", "Q2"]

    def test_cursors_and_spans_stay_in_their_thread(self, store: Store, tree: Tree) -> None:
        elsewhere = store.insert(a_thread())
        stranger = store.insert(a_message(elsewhere))
        for spans in (None, tree.spans(tree.first), ()):
            for cursor in (stranger.id, "unknown"):
                with pytest.raises(NotFound):
                    store.list(Kind.MESSAGE, ANN, parent=tree.thread.id, spans=spans, after=cursor)
                with pytest.raises(NotFound):
                    store.list(Kind.MESSAGE, ANN, parent=tree.thread.id, spans=spans, before=cursor)
        for line in tree.texts:
            assert texts_of(store, replace(tree.thread, owner=BOB), spans=tree.spans(line)) == []
        assert texts_of(store, elsewhere, spans=tree.spans(tree.again)) == ["Hello"]
        assert texts_of(store, a_thread()) == texts_of(store, replace(tree.thread, owner=BOB)) == []

    def test_spans_without_messages(self, store: Store, tree: Tree) -> None:
        """Also between others, and where the cursor is."""
        everything = tree.spans(tree.again)
        assert texts_of(store, tree.thread, spans=()) == []
        for nothing in (Span(0, 1, 1), Span(99), Span(0, 99 * TURN), Span(tree.again, 0, 1)):
            assert texts_of(store, tree.thread, spans=(nothing,)) == []
            assert texts_of(store, tree.thread, spans=(nothing,), after=tree.messages["q1"].id) == []
        around = (Span(1), everything[0], Span(2), Span(3), *everything[1:], Span(tree.again + 1))
        for order in ("asc", "desc"):
            texts = tree.texts[tree.again][:: 1 if order == "asc" else -1]
            for limit in range(1, 5):
                assert texts_of(store, tree.thread, spans=around, order=order, limit=limit) == texts[:limit]
        page = store.list(Kind.MESSAGE, ANN, parent=tree.thread.id, spans=around, limit=4)
        assert not page.has_more

    def test_many_spans(self, store: Store, tree: Tree) -> None:
        """As of a thread with the most forks."""
        own, last = tree.spans(tree.again), tree.messages["A2b"]
        spans = (*own, *(Span(tree.again + number) for number in range(1, MAX_FORKS)))
        assert texts_of(store, tree.thread, spans=spans) == tree.texts[tree.again]
        assert texts_of(store, tree.thread, spans=spans, order="desc", limit=1) == ["A2b"]
        assert texts_of(store, tree.thread, spans=spans, after=last.id) == []

    def test_messages_in_one_place_are_ordered_by_id(self, store: Store, thread: ThreadRecord) -> None:
        """Across lines, too: a cursor is a place and an id."""
        for id, line in (("msg_d", 0), ("msg_b", 0), ("msg_e", 9), ("msg_c", 9), ("msg_a", 9)):
            message = a_message(thread, id)
            store.insert(replace(message, body={**message.body, "id": id}, position=9 * TURN, line=line))
        for spans, ids in (((Span(0),), ["msg_b", "msg_d"]), ((Span(9),), ["msg_a", "msg_c", "msg_e"])):
            assert texts_of(store, thread, spans=spans) == ids
            assert texts_of(store, thread, spans=spans, order="desc") == ids[::-1]
            for cursor in ("msg_a", "msg_b", "msg_c", "msg_d", "msg_e"):
                below, above = [id for id in ids if id < cursor], [id for id in ids if id > cursor]
                assert texts_of(store, thread, spans=spans, after=cursor) == above
                assert texts_of(store, thread, spans=spans, before=cursor) == below
                assert texts_of(store, thread, spans=spans, after=cursor, order="desc") == below[::-1]

    def test_a_part_of_a_line(self, store: Store, tree: Tree) -> None:
        first, end = tree.messages["a1"].position, tree.messages["q3"].position
        assert texts_of(store, tree.thread, spans=(Span(0, first, end),)) == ["a1", "q2", "a2"]
        assert texts_of(store, tree.thread, spans=(Span(0, first + 1, end + 1),)) == ["q2", "a2", "q3"]

    @pytest.mark.parametrize("order", ["asc", "desc"])
    def test_a_page_of_several_spans_is_bounded_in_bytes(
        self, store: Store, thread: ThreadRecord, order: Order
    ) -> None:
        fork: Fork | None = None
        sizes = (PAGE_BYTES // 3, PAGE_BYTES // 3, PAGE_BYTES // 2, PAGE_BYTES + 1, 10, 20)
        for size in sizes:
            run = a_turn(store, thread, "x" * size, fork=fork)
            fork = Fork(run.line, run.position)
        expected = [*sizes] if order == "asc" else [*sizes[::-1]]
        pages: list[list[int]] = []
        more, after = True, None
        while more:
            page = store.list(Kind.MESSAGE, ANN, parent=thread.id, order=order, limit=100, after=after)
            pages.append([len(text_of(message)) for message in page.records])
            more, after = page.has_more, page.records[-1].id
            assert sum(pages[-1]) <= PAGE_BYTES or len(pages[-1]) == 1
        assert [size for page in pages for size in page] == expected
        assert [len(page) for page in pages] == ([2, 1, 1, 2] if order == "asc" else [2, 1, 2, 1])

    def test_pages_of_nested_forks(self, store: Store, other: Store, thread: ThreadRecord) -> None:
        """Fifty lines, each of which shares all of the one before or all but a message; a second for fifty starts."""
        chosen = random.Random(DEPTH)
        expected: list[str] = []
        fork: Fork | None = None
        for _ in range(DEPTH + 1):
            start = a_start(thread, "one", "two", fork=fork)
            run = store.start(start)
            end(store, run)
            last = [*expected, *ids_of(start.messages)]
            unshared = chosen.choice([0, 1])
            fork = Fork(run.line, run.position - TURN + 2 - unshared)
            expected = last[: len(last) - unshared]
        for order, ids in (("asc", last), ("desc", last[::-1])):
            for limit, first in ((1, 0), (7, 0), (7, 30), (20, len(last) // 2), (100, 1), (100, len(last) - 1)):
                after = ids[first - 1] if first else None
                where: dict[str, Any] = {"parent": thread.id, "order": order, "limit": limit, "after": after}
                page = other.list(Kind.MESSAGE, ANN, **where)
                assert ids_of(page.records) == ids[first:][:limit]
                assert page.has_more is (len(ids) - first > limit)

    def test_a_new_message_goes_to_the_active_line(self, store: Store, other: Store, tree: Tree) -> None:
        for line, texts in tree.texts.items():
            store.switch(ANN, tree.thread.id, line)
            message = other.insert(a_message(tree.thread, "new"))
            assert message.line == line
            assert message == store.get(Kind.MESSAGE, ANN, message.id)
            assert texts_of(store, tree.thread) == [*texts, "new"]

    def test_a_message_with_a_position_goes_to_its_own_line(self, store: Store, tree: Tree) -> None:
        position = tree.messages["a4"].position + 1
        message = store.insert(replace(a_message(tree.thread, "new"), position=position, line=tree.edited))
        assert (message.position, message.line) == (position, tree.edited)
        assert texts_of(store, tree.thread) == tree.texts[tree.again]
        assert texts_of(store, tree.thread, spans=tree.spans(tree.edited)) == [*tree.texts[tree.edited], "new"]

    def test_a_thread_from_elsewhere_keeps_its_lines(self, store: Store, other: Store) -> None:
        lines = (Line(3, 0, 7), Line(0))
        copied = ThreadRecord(Kind.THREAD, ANN, a_thread().body, turns=9, revision=4, lines=lines)
        stored = store.insert(copied)
        assert stored == replace(copied, position=stored.position) == other.get_thread(ANN, copied.id)
        assert store.start(a_start(copied)).position == 11 * TURN

    def test_a_shared_message_is_changed_and_deleted_on_every_line(self, store: Store, tree: Tree) -> None:
        store.update(Kind.MESSAGE, ANN, tree.messages["q1"].id, body={"metadata": {"a": "1"}})
        store.delete(Kind.MESSAGE, ANN, tree.messages["a1"].id)
        store.delete(Kind.MESSAGE, ANN, tree.messages["Q2"].id)
        for line, texts in tree.texts.items():
            page = store.list(Kind.MESSAGE, ANN, parent=tree.thread.id, order="asc", spans=tree.spans(line))
            assert page.records[0].body["metadata"] == {"a": "1"}
            assert [*map(text_of, page.records)] == [text for text in texts if text not in ("a1", "Q2")]
