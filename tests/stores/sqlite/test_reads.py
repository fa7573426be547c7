"""Which statements and indexes the reads of the SQLite store use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_assistant_stream.stores.base import Kind, Order
from flask_assistant_stream.stores.lines import TURN, Fork
from flask_assistant_stream.stores.sqlite import SQLiteStore
from flask_assistant_stream.testing.store_material import (
    ANN,
    a_message,
    a_row,
    a_start,
    a_thread,
    a_turn,
    spans_of_run,
    text_of,
)
from tests.stores.conftest import Spy

DEPTH = 20


def plans(spy: Spy, call: Callable[[], object]) -> list[str]:
    """Return the query plans of the reads of a call."""
    selects = [sql for sql in spy.statements(call) if sql.lstrip().startswith("SELECT")]
    assert selects
    return [step for sql in selects for step in spy.plan(sql)]


def test_reads_use_indexes(spy: Spy, store: SQLiteStore) -> None:
    thread = store.insert(a_thread())
    run = store.start(a_start(thread, "Hello"))
    middle = store.insert(a_message(thread))
    store.append([a_row(run, seq) for seq in range(2, 9)])
    pages: list[dict[str, Any]] = [{}, {"after": middle.id}, {"before": middle.id}, {"order": "asc"}]
    listed: list[dict[str, Any]] = [{"kind": Kind.MESSAGE, "parent": thread.id, **page} for page in pages]
    listed.append({"kind": Kind.MESSAGE, "parent": thread.id, "spans": spans_of_run(run)})
    listed += [{"kind": Kind.THREAD}, {"kind": Kind.RUN, "parent": thread.id}]
    for wanted in listed:
        steps = plans(spy, lambda: store.list(owner=ANN, **wanted))  # noqa: B023
        assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step], steps
        assert any("records_listed" in step for step in steps)
    by_id = [
        lambda: store.get_many(Kind.MESSAGE, ANN, [middle.id, "x"]),
        lambda: store.find(Kind.MESSAGE, ANN, middle.id),
    ]
    for call in by_id:
        steps = [step for step in plans(spy, call) if "json_each" not in step]
        assert not [step for step in steps if step.startswith("SCAN")], steps
        assert any("PRIMARY KEY" in step or "sqlite_autoindex_records" in step for step in steps), steps
    for kind in (Kind.MESSAGE, Kind.RUN, Kind.FILE):
        for after in (None, middle):
            steps = plans(spy, lambda: store.of_owner(ANN, kind, after=after))  # noqa: B023
            assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step], steps
            assert any("records_listed" in step for step in steps)
    for read in (lambda: store.read(run.id, after=4), lambda: store.last_row(run.id)):
        assert not [step for step in plans(spy, read) if step.startswith("SCAN r") or "TEMP" in step]
    store.due(0)  # the first call deletes expired logs
    steps = plans(spy, lambda: store.due(1e12))
    assert any("runs_due" in step for step in steps)
    assert not [step for step in steps if step.startswith("SCAN") and "USING INDEX" not in step]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_page_reads_the_lines_it_shows(spy: Spy, store: SQLiteStore, order: Order) -> None:
    """However many more lines the thread has: one statement finds them, and each line shown is one more."""
    thread = store.insert(a_thread())
    fork: Fork | None = None
    for number in range(DEPTH):  # each line shares one message of the line before
        run = a_turn(store, thread, str(number), "not shared", fork=fork)
        fork = Fork(run.line, run.position - TURN + 1)
    texts = [str(number) for number in range(DEPTH)]
    texts.append("not shared")
    expected = texts if order == "asc" else texts[::-1]
    for limit in (1, 5):
        statements = spy.statements(lambda: store.list(Kind.MESSAGE, ANN, parent=thread.id, order=order, limit=limit))  # noqa: B023
        assert len([sql for sql in statements if sql.lstrip().startswith("SELECT")]) <= 1 + limit + 1
        page = store.list(Kind.MESSAGE, ANN, parent=thread.id, order=order, limit=limit)
        assert [text_of(message) for message in page.records] == expected[:limit]


def test_the_deletion_of_a_thread_uses_indexes(spy: Spy, store: SQLiteStore) -> None:
    thread = store.insert(a_thread())
    store.start(a_start(thread, "Hello"))
    deletions = [sql for sql in spy.statements(lambda: store.delete(Kind.THREAD, ANN, thread.id)) if "DELETE" in sql]
    assert len(deletions) >= 6
    steps = [step for sql in deletions for step in spy.plan(sql)]
    assert steps
    assert not [step for step in steps if "SCAN" in step]
