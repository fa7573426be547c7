"""One file in several processes: locks, forks, and a full disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from flask_assistant_stream.errors import StoreError
from flask_assistant_stream.stores.base import Kind, Store
from flask_assistant_stream.stores.sqlite import connections
from flask_assistant_stream.testing.store_material import ANN, a_message, a_thread
from tests.stores.scripts import run_script


def test_a_lock_held_too_long_is_an_error(
    store: Store, path: Path, locked: Callable[[], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write fails after the busy time and leaves nothing; reads are not affected."""
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.1)
    thread = store.insert(a_thread())
    message = a_message(thread)
    with locked():
        with pytest.raises(StoreError, match="locked") as failed:
            store.insert(message)
        assert str(path) not in str(failed.value)
        store.ping()
        assert store.get(Kind.THREAD, ANN, thread.id).body == thread.body
    assert store.list(Kind.MESSAGE, ANN, parent=thread.id).records == []
    assert store.insert(message).id == message.id


@pytest.mark.slow
def test_a_lock_held_elsewhere_does_not_stop_the_loop(sqlite_url: str) -> None:
    said = run_script(
        """
        import gevent, sqlite3
        thread = store.insert(a_thread())
        gaps, held = [], True
        def tick():
            last = time.monotonic()
            while held:
                gevent.sleep(0.005)
                gaps.append(time.monotonic() - last)
                last = time.monotonic()
        holder = sqlite3.connect(sys.argv[1].removeprefix("sqlite:///"), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        ticker = gevent.spawn(tick)
        writers = [gevent.spawn(store.insert, a_message(thread, str(n))) for n in range(20)]
        gevent.sleep(2)
        assert not any(writer.ready() for writer in writers)
        assert gevent.spawn(store.get, Kind.THREAD, ANN, thread.id).get(timeout=1).id == thread.id
        holder.execute("COMMIT")
        gevent.joinall(writers, timeout=10, raise_error=True)
        held = False
        ticker.join()
        # Of hundreds of turns a busy machine may delay one or two; a loop that waits for the lock takes one turn.
        print(len(gaps), int(sorted(gaps)[-3] * 1000), len({writer.value.position for writer in writers}))
        """,
        sqlite_url,
        patched=True,
    )
    turns, longest, written = map(int, said)
    assert turns > 50
    assert longest < 100
    assert written == 20


def test_a_forked_child_opens_its_own_connections(store_url: str) -> None:
    said = run_script(
        """
        import warnings; warnings.simplefilter("ignore")
        thread = store.insert(a_thread())
        store.insert(a_message(thread, "parent"))
        if (pid := os.fork()) == 0:
            store.insert(a_message(thread, "child"))
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        store.insert(a_message(thread, "parent again"))
        print(len(store.list(Kind.MESSAGE, ANN, parent=thread.id).records))
        """,
        store_url,
    )
    assert said == ["3"]


def test_a_full_disk(store: Store, sqlite_url: str) -> None:
    """Acknowledged writes stay readable, and the store continues once there is room."""
    said = run_script(
        """
        import resource
        thread = store.insert(a_thread())
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
        ids = []
        try:
            for _ in range(10_000):
                ids.append(store.insert(a_message(thread, "x" * 1000)).id)
        except StoreError:
            print("full")
        assert store.get(Kind.THREAD, ANN, thread.id).body == thread.body
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        ids.append(store.insert(a_message(thread, "room again")).id)
        print(thread.id, *ids)
        """,
        sqlite_url,
    )
    assert said[0] == "full"
    thread, *ids = said[1:]
    assert 1 < len(ids) <= 100
    stored = store.list(Kind.MESSAGE, ANN, parent=thread, order="asc", limit=100).records
    assert [record.id for record in stored] == ids
