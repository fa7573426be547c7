"""Migrations: one process at a time, from where a killed one stopped; older processes notice them."""

from __future__ import annotations

import threading
from datetime import timedelta
from textwrap import dedent
from typing import Any

import pytest

from flask_assistant_stream.errors import ConfigError, StoreError
from flask_assistant_stream.stores.base import Kind, Store
from flask_assistant_stream.stores.mongodb import connection, migration_lock
from flask_assistant_stream.stores.mongodb.schema import MESSAGES, META, MIGRATIONS, Db, migrate
from flask_assistant_stream.testing.store_material import ANN, a_message, a_start, a_thread, at_once
from tests.stores.scripts import run_script

NEWEST = len(MIGRATIONS)
STEPS = """
from datetime import timedelta
from flask_assistant_stream.stores.mongodb import migration_lock
from flask_assistant_stream.stores.mongodb.connection import default_database, make_client
from flask_assistant_stream.stores.mongodb.schema import MIGRATIONS, migrate
db = default_database(make_client(sys.argv[1]))
def ran(name):
    return lambda db: db.ran.update_one({"_id": name}, {"$inc": {"times": 1}}, upsert=True)
"""
"""The beginning of a script that migrates the database with steps of its own, which count themselves."""


def version(db: Db) -> Any:
    return db[META].find_one({"_id": "schema"}, {"_id": False})


def times_ran(db: Db) -> dict[str, int]:
    return {step["_id"]: step["times"] for step in db["ran"].find()}


def test_data_is_migrated_once(store: Store, db: Db) -> None:
    store.open()
    ran: list[int] = []
    steps = (*MIGRATIONS, lambda db: ran.append(1), lambda db: ran.append(2))
    for _ in range(2):
        migrate(db, steps)
        assert ran == [1, 2]
    assert [*db[META].find()] == [{"_id": "schema", "version": len(steps)}], "and nobody holds the lock"


def test_a_failed_migration_continues_from_its_step(db: Db) -> None:
    ran: list[int] = []

    def broken(db: Db) -> None:
        raise OSError

    with pytest.raises(OSError):
        migrate(db, (*MIGRATIONS, lambda db: ran.append(1), broken))
    assert [*db[META].find()] == [{"_id": "schema", "version": NEWEST + 1}]
    migrate(db, (*MIGRATIONS, lambda db: ran.append(1), lambda db: ran.append(2)))
    assert ran == [1, 2]


def test_a_killed_migration_is_continued_by_another_process(db: Db, mongodb_url: str) -> None:
    script = """
        migration_lock.LEASE = timedelta(seconds=0.5)
        def killed(db):
            ran("half")(db)
            os.kill(os.getpid(), signal.SIGKILL)
        migrate(db, (*MIGRATIONS, ran("whole"), killed, ran("never")))
        """
    run_script(STEPS + dedent(script), mongodb_url, expect=-9)
    assert version(db) == {"version": NEWEST + 1}
    assert db[META].find_one({"_id": migration_lock.LOCK}), "it could not release the lock"
    ran: list[str] = []
    migrate(db, (*MIGRATIONS, lambda db: ran.append("whole"), lambda db: ran.append("half")))
    assert ran == ["half"]
    assert times_ran(db) == {"whole": 1, "half": 1}
    assert [*db[META].find()] == [{"_id": "schema", "version": NEWEST + 2}]


def test_two_processes_migrate_at_once(db: Db, mongodb_url: str) -> None:
    script = """
        migrate(db, (*MIGRATIONS, ran("one"), ran("two")))
        print(db.assistant_meta.find_one({"_id": "schema"})["version"])
        """
    said = at_once(*[lambda: run_script(STEPS + dedent(script), mongodb_url)] * 3)
    assert said == [[str(NEWEST + 2)]] * 3
    assert times_ran(db) == {"one": 1, "two": 1}


def test_the_lock_outlasts_its_lease_while_a_step_takes_long(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration_lock, "LEASE", timedelta(seconds=0.4))
    waits, ends, ran = threading.Event(), threading.Event(), list[str]()

    def long(db: Db) -> None:
        ran.append("begun")
        waits.set()
        assert ends.wait(20)

    def second(db: Db) -> None:
        ran.append("again")

    first = threading.Thread(target=migrate, args=(db, (*MIGRATIONS, long)))
    first.start()
    assert waits.wait(20)
    (lock,) = db[META].find({"_id": migration_lock.LOCK})
    other = threading.Thread(target=migrate, args=(db, (*MIGRATIONS, second)))
    other.start()
    leases = {lock["until"]}
    while len(leases) < 4:  # a renewal each: longer than the first lease was
        leases.add(db[META].find_one({"_id": migration_lock.LOCK})["until"])  # type: ignore[index]
    assert max(leases) - min(leases) >= timedelta(seconds=0.25)
    ends.set()
    first.join()
    other.join()
    assert ran == ["begun"]


def test_a_call_waits_for_a_migration_only_so_long(store: Store, db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (migration_lock, connection):
        monkeypatch.setattr(module, "WAIT_SECONDS", 0.2)
    with migration_lock.migrating(db[META]):
        for refused in at_once(store.open, lambda: store.insert(a_thread())):
            assert isinstance(refused, StoreError)
            assert "migrating" in refused.message
    assert store.insert(a_thread()).id


def test_data_of_a_newer_version_is_rejected(store: Store, db: Db) -> None:
    db[META].insert_one({"_id": "schema", "version": 99})
    for call in (store.open, lambda: store.insert(a_thread())):
        with pytest.raises(ConfigError, match="99"):
            call()


def test_an_older_process_notices_a_migration(store: Store, db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CHECK_SECONDS", 0.0)
    thread = store.insert(a_thread())
    db[META].update_one({"_id": "schema"}, {"$set": {"version": NEWEST + 1}})
    calls = (
        lambda: store.get(Kind.THREAD, ANN, thread.id),
        lambda: store.list(Kind.THREAD, ANN),
        lambda: store.insert(a_message(thread)),
        lambda: store.start(a_start(thread, "Hello")),
        lambda: store.commit([]),
    )
    for call in calls:
        with pytest.raises(StoreError, match=f"schema version {NEWEST + 1}"):
            call()
    assert db[MESSAGES].count_documents({}) == 0
    db[META].update_one({"_id": "schema"}, {"$set": {"version": NEWEST}})
    assert store.get(Kind.THREAD, ANN, thread.id) == thread


def test_the_version_is_not_read_by_each_call(store: Store, db: Db) -> None:
    thread = store.insert(a_thread())
    db[META].update_one({"_id": "schema"}, {"$set": {"version": NEWEST + 1}})
    assert store.get(Kind.THREAD, ANN, thread.id) == thread


def test_messages_of_the_version_before_are_listed(store: Store, db: Db) -> None:
    """They have no line; the indexes that listed them are replaced."""
    migrate(db, MIGRATIONS[:4])
    assert {"listed", "of_run"} <= set(db[MESSAGES].index_information())
    thread = store.insert(a_thread())
    message = store.insert(a_message(thread))
    assert set(db[MESSAGES].index_information()) == {"_id_", "on_line"}
    assert "line" not in (db[MESSAGES].find_one({"_id": message.id}) or {"line": None})
    assert store.list(Kind.MESSAGE, ANN, parent=thread.id).records == [message]
