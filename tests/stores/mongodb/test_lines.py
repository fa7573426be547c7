"""Forks and switches in several writes: a start and a switch at once, and a process that dies in between."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect
from pymongo.monitoring import CommandListener, CommandStartedEvent

from flask_assistant_stream.errors import NotFound, StoreError, ThreadBusy
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Kind, Projection, Record, RunRecord, Store, ThreadRecord
from flask_assistant_stream.stores.lines import TURN, Fork, active_line
from flask_assistant_stream.stores.mongodb import connection, runs, starting, threads
from flask_assistant_stream.stores.mongodb.schema import LOG, MESSAGES, THREADS, Db
from flask_assistant_stream.testing.store_material import ANN, a_start, a_thread, at_once, changed
from tests.stores.mongodb.conftest import break_after
from tests.stores.scripts import run_script


@pytest.fixture
def forked(store: Store) -> ThreadRecord:
    """A thread with three lines; the last one is active, the first one was used before the second."""
    thread = store.insert(a_thread())
    end(store, store.start(a_start(thread, "first")))
    for text in ("other", "second"):
        end(store, store.start(a_start(thread, text, fork=Fork(0, 1))))
    return store.get_thread(ANN, thread.id)


def end(store: Store, run: RunRecord) -> None:
    store.project([Projection(run, changes=changed(run, "completed"), last_seq=2)])


def texts(store: Store, thread: Record) -> list[str]:
    records = store.list(Kind.MESSAGE, ANN, parent=thread.id, order="asc", limit=100).records
    return [record.body["content"][0]["text"]["value"] for record in records]


@pytest.mark.parametrize("landed", [False, True])
def test_a_lost_connection_while_a_line_is_set_leaves_nothing(
    store: Store, forked: ThreadRecord, monkeypatch: pytest.MonkeyPatch, landed: bool
) -> None:
    real, failed = threads.set_lines, list[None]()

    def broken(*arguments: Any, **options: Any) -> bool:
        if failed:
            return real(*arguments, **options)
        failed.append(None)
        if landed:
            real(*arguments, **options)
        raise AutoReconnect("connection closed")

    start = a_start(forked, "third", fork=Fork(0, 1))
    with monkeypatch.context() as breaking:
        breaking.setattr(starting, "set_lines", broken)
        with pytest.raises(StoreError):
            store.start(start)
    assert failed
    assert store.get_thread(ANN, forked.id).lines == forked.lines
    assert texts(store, forked) == ["second"]
    assert store.due(1e12) == []
    assert store.find(Kind.MESSAGE, ANN, start.messages[0].id) is None
    assert store.start(start).line not in {line.number for line in forked.lines}
    assert texts(store, forked) == ["third"]


@pytest.mark.parametrize(("collection", "method"), [(MESSAGES, "insert_many"), (THREADS, "update_one")])
def test_a_killed_fork_leaves_the_old_line_active(
    store: Store, forked: ThreadRecord, mongodb_url: str, collection: str, method: str
) -> None:
    """And a run without events, which a sweep ends."""
    run_script(
        f"""
        from pymongo.collection import Collection
        from flask_assistant_stream.stores.lines import Fork
        real = Collection.{method}
        def killed(self, *arguments, **options):
            if self.name == "{collection}":
                os.kill(os.getpid(), signal.SIGKILL)
            return real(self, *arguments, **options)
        Collection.{method} = killed
        thread = store.get_thread(ANN, "{forked.id}")
        store.start(a_start(thread, "third", fork=Fork(0, 1)))
        """,
        mongodb_url,
        expect=-9,
    )
    left = store.get_thread(ANN, forked.id)
    assert left.lines == forked.lines
    assert left.revision > forked.revision
    assert texts(store, forked) == ["second"]
    (run,) = store.due(1e12)
    assert store.last_row(run.id) is None
    end(store, run)
    store.start(a_start(forked, "fourth"))
    assert texts(store, forked) == ["second", "fourth"]
    store.delete(Kind.THREAD, ANN, forked.id)
    assert store.of_owner(ANN, Kind.MESSAGE).records == [], "not even those of the line that was never set"


def test_a_start_notices_a_switch(
    store: Store, open_store: Callable[[], Store], forked: ThreadRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The switch is between its first write and its run."""
    elsewhere, real, switched = open_store(), runs.insert_run, list[None]()

    def after_a_switch(*arguments: Any, **options: Any) -> None:
        if not switched:
            switched.append(None)
            elsewhere.switch(ANN, forked.id, 0)
        real(*arguments, **options)

    monkeypatch.setattr(starting, "insert_run", after_a_switch)
    run = store.start(a_start(forked, "third"))
    assert (run.line, active_line(store.get_thread(ANN, forked.id).lines)) == (0, 0)
    assert texts(store, forked) == ["first", "third"]
    assert [due.id for due in store.due(1e12)] == [run.id]
    assert store.get(Kind.RUN, ANN, run.id) == run


def test_a_fork_notices_a_switch(
    store: Store, open_store: Callable[[], Store], forked: ThreadRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order in which the lines were used stays that of both."""
    elsewhere, real, switched = open_store(), runs.insert_run, list[None]()

    def after_a_switch(*arguments: Any, **options: Any) -> None:
        if not switched:
            switched.append(None)
            elsewhere.switch(ANN, forked.id, 0)
        real(*arguments, **options)

    monkeypatch.setattr(starting, "insert_run", after_a_switch)
    run = store.start(a_start(forked, "third", fork=Fork(0, 1)))
    numbers = [line.number for line in store.get_thread(ANN, forked.id).lines]
    assert numbers == [*(line.number for line in forked.lines[1:]), 0, run.line]
    assert texts(store, forked) == ["third"]


def test_a_switch_notices_a_start(
    store: Store, open_store: Callable[[], Store], forked: ThreadRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start is between its look for an active run and its write."""
    elsewhere, real, started = open_store(), threads.set_lines, list[RunRecord]()

    def after_a_start(*arguments: Any, **options: Any) -> bool:
        if not started:
            started.append(elsewhere.start(a_start(forked, "third")))
        return real(*arguments, **options)

    with monkeypatch.context() as racing:
        racing.setattr(threads, "set_lines", after_a_start)
        with pytest.raises(ThreadBusy) as busy:
            store.switch(ANN, forked.id, 0)
    assert busy.value.run_id == started[0].id
    assert store.get_thread(ANN, forked.id).lines == forked.lines, "in the order of their last use"
    assert texts(store, forked) == ["second", "third"]


def test_starts_forks_and_switches_at_once(store: Store, open_store: Callable[[], Store], forked: ThreadRecord) -> None:
    """The active run is always on the active line, and its messages are in the list."""
    stores, seed = [store, open_store()], random.randrange(1 << 32)
    chosen = random.Random(seed)
    for number in range(8):
        lines = [line.number for line in store.get_thread(ANN, forked.id).lines]
        calls: list[Callable[[], object]] = [
            partial(stores[0].start, a_start(forked, f"{number} one")),
            partial(stores[1].start, a_start(forked, f"{number} two", fork=Fork(chosen.choice(lines), 1))),
            partial(stores[0].switch, ANN, forked.id, chosen.choice(lines)),
            partial(stores[1].switch, ANN, forked.id, chosen.choice(lines)),
        ]
        chosen.shuffle(calls)
        results = at_once(*calls)
        assert not [each for each in results if isinstance(each, Exception) and not isinstance(each, StoreError)]
        (run,) = (each for each in results if isinstance(each, RunRecord))
        assert run.line == active_line(store.get_thread(ANN, forked.id).lines), f"seed {seed}"
        assert texts(store, forked)[-1].startswith(str(number)), f"seed {seed}"
        assert [due.id for due in store.due(1e12)] == [run.id]
        end(store, run)


def test_a_start_on_lines_that_keep_changing_gives_up(
    store: Store, open_store: Callable[[], Store], forked: ThreadRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere, real = open_store(), runs.insert_run

    def after_a_switch(*arguments: Any, **options: Any) -> None:
        lines = elsewhere.get_thread(ANN, forked.id).lines
        elsewhere.switch(ANN, forked.id, lines[0].number)
        real(*arguments, **options)

    with monkeypatch.context() as racing:
        racing.setattr(starting, "insert_run", after_a_switch)
        for start in (a_start(forked, "third"), a_start(forked, "third", fork=Fork(0, 1))):
            with pytest.raises(StoreError, match="Try again"):
                store.start(start)
    assert store.due(1e12) == []
    assert len(store.get_thread(ANN, forked.id).lines) == 3
    assert store.start(a_start(forked, "fourth")).active


def test_messages_of_the_first_line_have_no_line(store: Store, db: Db, forked: ThreadRecord) -> None:
    """So the messages of earlier versions are on it."""
    lines = {message["body"]["content"][0]["text"]["value"]: message.get("line") for message in db[MESSAGES].find()}
    assert lines == {"first": None, "other": forked.lines[1].number, "second": forked.lines[2].number}


LINES = 12


class Finds(CommandListener):
    """Keeps the reads of messages."""

    def __init__(self) -> None:
        self.commands: list[Mapping[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "find" and event.command["find"] == MESSAGES:
            self.commands.append(event.command)

    def succeeded(self, event: object) -> None: ...

    def failed(self, event: object) -> None: ...


def test_a_page_is_an_indexed_read_of_each_line_that_it_has(
    mongodb_url: str, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    finds = Finds()
    monkeypatch.setattr(connection, "MongoClient", partial(MongoClient, event_listeners=[finds]))
    store = make_store(mongodb_url)
    thread = store.insert(a_thread())
    begun = [store.start(a_start(thread, "0"))]
    end(store, begun[0])
    while len(begun) < LINES:  # each line keeps the message of the line before
        fork = Fork(begun[-1].line, begun[-1].position - TURN + 1)
        begun.append(store.start(a_start(thread, str(len(begun)), fork=fork)))
        end(store, begun[-1])
    expected = [str(number) for number in range(len(begun))]
    for order, wanted in (("asc", expected), ("desc", expected[::-1])):
        for limit, reads in ((1, 2), (5, 6), (100, LINES)):  # one record more says whether more follow
            finds.commands.clear()
            page = store.list(Kind.MESSAGE, ANN, parent=thread.id, order=order, limit=limit)  # type: ignore[arg-type]
            assert [each.body["content"][0]["text"]["value"] for each in page.records] == wanted[:limit]
            assert len(finds.commands) == reads
    store.of_owner(ANN, Kind.MESSAGE, after=store.of_owner(ANN, Kind.MESSAGE, limit=3).records[-1])
    store.close()
    assert len(finds.commands) == LINES + 1 + 4
    for command in finds.commands:
        plan = str(db[MESSAGES].find(command["filter"]).sort([*command["sort"].items()]).explain())
        assert "'on_line'" in plan
        assert "COLLSCAN" not in plan


def test_a_fork_that_fails_late_takes_back_its_line_whatever_its_place(
    store: Store, db: Db, forked: ThreadRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody changes the order of the lines before its last write fails."""
    real = Collection.insert_one

    def broken(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
        if self.name == LOG:
            lines = db[THREADS].find_one({"_id": forked.id}, {"lines": True}) or {}
            db[THREADS].update_one({"_id": forked.id}, {"$set": {"lines": lines["lines"][::-1]}})
            raise AutoReconnect("connection closed")
        return real(self, *arguments, **options)

    with monkeypatch.context() as breaking:
        breaking.setattr(Collection, "insert_one", broken)
        with pytest.raises(StoreError):
            store.start(a_start(forked, "third", fork=Fork(0, 1)))
    assert store.get_thread(ANN, forked.id).lines == forked.lines[::-1]
    assert store.due(1e12) == []


def test_a_first_fork_that_fails_leaves_a_thread_without_lines(
    store: Store, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = store.insert(a_thread())
    with monkeypatch.context() as breaking:
        break_after(breaking, LOG, "insert_one", landed=False)
        with pytest.raises(StoreError):
            store.start(a_start(thread, "one", fork=Fork(0, 1)))
    assert store.get_thread(ANN, thread.id).lines == ()
    assert "lines" not in (db[THREADS].find_one({"_id": thread.id}) or {"lines": None})


def test_a_change_whose_answer_is_lost_raises_the_revision_after_it_too(
    store: Store, forked: ThreadRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may have read the old history between the first raise and the change."""
    (message,) = store.list(Kind.MESSAGE, ANN, parent=forked.id, limit=1).records
    before = store.get_thread(ANN, forked.id).revision
    with monkeypatch.context() as breaking:
        break_after(breaking, MESSAGES, "find_one_and_update", landed=True)
        with pytest.raises(StoreError):
            store.update(Kind.MESSAGE, ANN, message.id, body={"metadata": {"a": "b"}})
    assert store.get(Kind.MESSAGE, ANN, message.id).body["metadata"] == {"a": "b"}
    assert store.get_thread(ANN, forked.id).revision == before + 2


def test_a_fork_on_a_thread_that_is_deleted_meanwhile_is_not_found(
    store: Store, db: Db, forked: ThreadRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Collection.insert_many

    def deleting(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
        if self.name == MESSAGES:
            store.delete(Kind.THREAD, ANN, forked.id)
        return real(self, *arguments, **options)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Collection, "insert_many", deleting)
        with pytest.raises(NotFound):
            store.start(a_start(forked, "third", fork=Fork(0, 1)))
    assert list(db[MESSAGES].find()) == []
