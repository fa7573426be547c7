"""A start that fails at any of its writes leaves nothing, or a run that a sweep ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect

from flask_assistant_stream.errors import NotFound, StoreError
from flask_assistant_stream.stores.base import AppendResult, Kind, Projection, Record, RunRecord, Store
from flask_assistant_stream.stores.mongodb.schema import COLLECTIONS, LOG, THREADS, Db
from flask_assistant_stream.testing.store_material import ANN, a_row, a_start, a_thread, again, changed
from tests.stores.mongodb.conftest import break_after

WRITES = [(COLLECTIONS[Kind.RUN], "insert_one"), (COLLECTIONS[Kind.MESSAGE], "insert_many"), (LOG, "insert_one")]


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize(("collection", "method"), WRITES)
@pytest.mark.parametrize("new_thread", [False, True])
def test_a_lost_connection_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, collection: str, method: str, landed: bool, new_thread: bool
) -> None:
    thread = a_thread(updated_at=1)
    if not new_thread:
        thread = store.insert(thread)
    start = a_start(thread, "one", "two", touched={"updated_at": 2, "more": 3}, thread=thread if new_thread else None)
    with monkeypatch.context() as broken:
        break_after(broken, collection, method, landed=landed)
        with pytest.raises(StoreError):
            store.start(start)
    assert store.due(1e12) == []
    assert store.read(start.run.id) == []
    assert store.list(Kind.MESSAGE, ANN, parent=thread.id).records == []
    if new_thread:
        with pytest.raises(NotFound):
            store.get(Kind.THREAD, ANN, thread.id)
    else:
        left = store.get_thread(ANN, thread.id)
        assert left.turns > 0 < left.revision
        assert replace(left, turns=0, revision=0) == thread
    begun = store.start(start)
    assert len(store.list(Kind.MESSAGE, ANN, parent=thread.id).records) == 2
    assert begun.active


def test_a_server_that_stays_away_leaves_a_run_for_a_sweep(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be undone; no message is left without its run, and the run without rows can end."""
    thread = store.insert(a_thread())
    start = a_start(thread, "Hello", due_at=5.0)
    with monkeypatch.context() as broken:
        break_after(broken, LOG, "insert_one", landed=False)
        break_after(broken, COLLECTIONS[Kind.MESSAGE], "delete_many", landed=False)
        break_after(broken, LOG, "delete_one", landed=False)
        with pytest.raises(StoreError):
            store.start(start)
    (left,) = store.due(6.0)
    assert left.id == start.run.id
    assert store.last_row(left.id) is None
    claimed = store.claim(left, due_at=100.0, if_due=6.0)
    assert isinstance(claimed, RunRecord)
    end = Projection(claimed, changes=changed(claimed, "failed"), last_seq=1)
    assert store.commit([(a_row(claimed), end)]) == [AppendResult.STORED]
    assert store.start(a_start(thread, "Again")).active


@pytest.mark.parametrize("new_thread", [False, True])
@pytest.mark.parametrize("landed", [False, True])
def test_a_failed_start_undoes_nothing_of_its_repeat(
    store: Store, open_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch, new_thread: bool, landed: bool
) -> None:
    """Its insert of the run fails, and before it undoes its writes, another worker has started the run."""
    thread, elsewhere = a_thread(updated_at=1), open_store()
    if not new_thread:
        thread = store.insert(thread)
    start = a_start(thread, "one", touched={"updated_at": 2}, thread=thread if new_thread else None)
    real, begun = Collection.insert_one, list[Any]()

    def broken(self: Collection[Any], document: Any, *arguments: Any, **options: Any) -> Any:
        if self.name == COLLECTIONS[Kind.RUN] and not begun:
            begun.append(None)
            begun.append(elsewhere.start(replace(again(start), thread=None)))
            if landed:
                real(self, document, *arguments, **options)
            raise AutoReconnect("connection closed")
        return real(self, document, *arguments, **options)

    with monkeypatch.context() as breaking:
        breaking.setattr(Collection, "insert_one", broken)
        with pytest.raises(StoreError):
            store.start(start)
    run = begun[1]
    assert isinstance(run, RunRecord)
    assert store.get(Kind.RUN, ANN, run.id) == run
    assert store.get(Kind.THREAD, ANN, thread.id).extra["updated_at"] == 2
    assert len(store.list(Kind.MESSAGE, ANN, parent=thread.id).records) == len(store.read(run.id)) == 1


def test_a_start_undoes_only_its_own_changes(store: Store, db: Db) -> None:
    """A rejected start does not undo what another start has set meanwhile."""
    thread = store.insert(a_thread(updated_at=1))
    store.start(a_start(thread, touched={"updated_at": 2}))
    with pytest.raises(StoreError):
        store.start(a_start(thread, touched={"updated_at": 3}))
    assert [document["extra"] for document in db[THREADS].find({"_id": thread.id})] == [{"updated_at": 2}]


def test_the_expiry_of_a_log_is_set_when_the_run_ends(store: Store, db: Db) -> None:
    def dates(run: RunRecord) -> list[float]:
        return [row["expires_at"].timestamp() for row in db[LOG].find({"run_id": run.id})]

    ended, active = [store.start(a_start(store.insert(a_thread()))) for _ in range(2)]
    projection = Projection(ended, changes=changed(ended, "completed"), last_seq=2)
    before = store.now()
    store.commit([(a_row(ended, 2), projection), (a_row(active, 2), None)])
    assert len(dates(ended)) == len(dates(active)) == 2
    assert all(before + 86400 - 1 <= date <= store.now() + 86400 + 1 for date in dates(ended))
    assert min(dates(active)) > store.now() + 20 * 86400, "for a run that is deleted while it writes"


def test_hosts_can_query_their_data(store: Store, db: Db) -> None:
    thread = store.insert(a_thread(title="Greetings"))
    store.update(Kind.THREAD, ANN, thread.id, body={"metadata": {"topic": "hello"}})
    message: Record = a_start(thread, "Grüße").messages[0]
    store.insert(message)
    documents = db[THREADS].find({"owner": ANN, "body.metadata.topic": "hello", "extra.title": "Greetings"})
    assert [document["_id"] for document in documents] == [thread.id]
    assert db[COLLECTIONS[Kind.MESSAGE]].count_documents({"body.content.text.value": "Grüße"}) == 1
