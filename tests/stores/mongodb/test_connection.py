"""Addresses, servers that do not answer, schema versions, processes, the clock."""

from __future__ import annotations

import socket
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_assistant_stream.errors import ConfigError, StoreError
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Kind, Store
from flask_assistant_stream.stores.mongodb import store as mongodb_store
from flask_assistant_stream.stores.mongodb.connection import MongoDBConnection, default_database, make_client
from flask_assistant_stream.stores.mongodb.schema import LOG, MESSAGES, RUNS, Db
from flask_assistant_stream.testing.store_material import ANN, a_thread
from tests.stores.scripts import run_script

PASSWORD = "hunter2"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port without a server."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://",
        "mongodb+srv://",
        f"mongodb://ann:{PASSWORD}@",
        f"mongodb://ann:p@{PASSWORD}@host/app",
        f"mongodb://ann:{PASSWORD}/x@host/app",
        f"mongodb://host:{PASSWORD}/app",
        "mongodb://host/a b",
    ],
)
def test_an_invalid_address(url: str) -> None:
    with pytest.raises(ConfigError, match="percent-encoded") as refused:
        make_store(url)
    assert PASSWORD not in "".join(traceback.format_exception(refused.value))


@pytest.mark.slow
def test_an_unreachable_server(closed_port: int) -> None:
    url = f"mongodb://ann:{PASSWORD}@127.0.0.1:{closed_port}/app?serverSelectionTimeoutMS=300"
    store = make_store(url)
    calls: list[Callable[[], object]] = [
        store.open,
        store.ping,
        store.now,
        lambda: store.get(Kind.THREAD, ANN, "thread_1"),
        lambda: store.append([]),
        lambda: store.due(0.0),
    ]
    for call in calls:
        begun = time.monotonic()
        with pytest.raises(StoreError, match="MongoDB") as failed:
            call()
        assert time.monotonic() - begun < 2.5
        assert PASSWORD not in "".join(traceback.format_exception(failed.value)) + repr(store) + repr(vars(store))
    store.close()


@pytest.mark.slow
def test_a_server_that_accepts_and_never_answers() -> None:
    """A ping ends within its two seconds; the default of other calls is five."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = make_store(f"mongodb://127.0.0.1:{silent.getsockname()[1]}/app")
        begun = time.monotonic()
        with pytest.raises(StoreError):
            store.ping()
        assert 1 < time.monotonic() - begun < 4
        store.close()


def test_wrong_credentials_do_not_appear_in_errors(mongodb_uri: str) -> None:
    url = mongodb_uri.replace("mongodb://", f"mongodb://ann:{PASSWORD}@")
    store = make_store(f"{url.partition('?')[0]}/app?authSource=admin")
    with pytest.raises(StoreError) as failed:
        store.open()
    assert PASSWORD not in "".join(traceback.format_exception(failed.value))
    store.close()


def test_the_database_of_the_uri_or_the_default(mongodb_uri: str) -> None:
    for url, name in ((mongodb_uri, "assistant_stream"), (f"{mongodb_uri.rstrip('/')}/app", "app")):
        with make_client(url) as client:
            assert default_database(client).name == name


def test_the_uri_overrides_options_but_not_durability(mongodb_url: str) -> None:
    options = "w=1&journal=false&serverSelectionTimeoutMS=1234&appName=mine"
    connection = MongoDBConnection(f"{mongodb_url}{'&' if '?' in mongodb_url else '?'}{options}")
    with connection.database() as db:
        assert db.write_concern.document == {"w": "majority", "j": True, "wtimeout": 10_000}
        assert db.client.options.server_selection_timeout == 1.234
        assert db.client.options.pool_options.appname == "mine"
    connection.close()


def test_a_store_connects_at_the_first_call(store: Store, closed_port: int) -> None:
    unconnected = make_store(f"mongodb://127.0.0.1:{closed_port}/app")
    unconnected.close()
    unconnected.close()
    thread = store.insert(a_thread())
    store.close()
    assert store.get(Kind.THREAD, ANN, thread.id) == thread


def test_indexes_exist(store: Store, db: Db) -> None:
    store.open()
    indexes = db[RUNS].index_information()
    one_active = indexes["one_active"]
    assert (one_active["unique"], one_active["partialFilterExpression"]) == (True, {"active": True})
    assert {"listed", "due"} <= set(indexes)
    assert set(db[MESSAGES].index_information()) == {"_id_", "on_line"}
    assert db[LOG].index_information()["expiry"]["expireAfterSeconds"] == 0


def test_greenlets_share_a_worker(mongodb_url: str) -> None:
    """Under gevent conversations interleave, and the loop continues meanwhile."""
    said = run_script(
        """
        import gevent
        store.open()
        gaps, busy = [], True
        def tick():
            last = time.monotonic()
            while busy:
                gevent.sleep(0.005)
                gaps.append(time.monotonic() - last)
                last = time.monotonic()
        def converse():
            run = store.start(a_start(store.insert(a_thread()), "Hello"))
            for seq in range(2, 6):
                assert store.commit([(a_row(run, seq), None)]) == [AppendResult.STORED]
            return len(store.read(run.id))
        ticker = gevent.spawn(tick)
        conversations = [gevent.spawn(converse) for _ in range(30)]
        gevent.joinall(conversations, timeout=30, raise_error=True)
        busy = False
        ticker.join()
        print(sum(each.value for each in conversations), int(sorted(gaps)[-3] * 1000))
        store.close()
        """,
        mongodb_url,
        patched=True,
    )
    assert said[0] == "150"
    assert int(said[1]) < 100


def test_a_killed_process_loses_no_acknowledged_write(store: Store, mongodb_url: str) -> None:
    run_id, thread_id = run_script(
        """
        thread = store.insert(a_thread())
        run = store.start(a_start(thread, "Hello"))
        store.commit([(a_row(run, 2), None)])
        print(run.id, thread.id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        mongodb_url,
        expect=-9,
    )
    assert [row.first for row in store.read(run_id)] == [1, 2]
    assert len(store.list(Kind.MESSAGE, ANN, parent=thread_id).records) == 1


def test_the_clock_is_that_of_the_server(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = store.now()
    assert abs(first - time.time()) < 5, "the server of the tests runs here"
    monkeypatch.setattr(time, "time", lambda: 1.0)
    assert 0 <= store.now() - first < 5


def test_the_clock_continues_while_the_server_is_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongodb_store, "CLOCK_SECONDS", 0.0)
    first = store.now()
    calls: list[object] = []

    def gone(connection: MongoDBConnection) -> Any:
        calls.append(connection)
        raise StoreError("gone")

    monkeypatch.setattr(MongoDBConnection, "admin", gone)
    assert 0 <= store.now() - first < 5
    assert calls
