"""What uploads leave in the SQLite file, and that they delay no other call."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flask_assistant_stream.errors import NotFound, StoreError
from flask_assistant_stream.stores.capabilities import CHUNK_BYTES
from flask_assistant_stream.stores.sqlite import SQLiteStore, blobs
from flask_assistant_stream.testing.store_material import ANN, a_message, a_thread
from tests.stores.conftest import Clock
from tests.stores.scripts import run_script

PIECE = b"x" * CHUNK_BYTES


@pytest.fixture
def store(sqlite_url: str, clock: Clock) -> Iterator[SQLiteStore]:
    store = SQLiteStore(sqlite_url, clock=clock)
    yield store
    store.close()


def kept(path: Path) -> tuple[int, int]:
    """Return how many blobs and pieces the file holds."""
    with closing(sqlite3.connect(path)) as connection:
        rows = "SELECT (SELECT count(*) FROM blobs), (SELECT count(*) FROM blob_pieces)"
        return tuple(connection.execute(rows).fetchone())


def test_unused_bytes_are_deleted(store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "DROPPED_PIECES", 2)

    def broken() -> Iterator[bytes]:
        yield from [PIECE] * 7
        raise ValueError

    store.write_blob(ANN, "one", [PIECE] * 5)
    with pytest.raises(ValueError):
        store.write_blob(ANN, "one", broken())
    assert kept(path) == (1, 5)
    store.write_blob(ANN, "one", [PIECE] * 3)
    assert kept(path) == (1, 3)
    store.delete_blob(ANN, "one")
    assert kept(path) == (0, 0)


def test_an_upload_delays_no_other_write(store: SQLiteStore) -> None:
    thread = store.insert(a_thread())

    def chunks() -> Iterator[bytes]:
        for number in range(3):
            yield PIECE
            store.insert(a_message(thread, str(number)))
            store.write_blob(ANN, f"inner_{number}", [b"inner"])

    assert store.write_blob(ANN, "one", chunks()) == 3 * CHUNK_BYTES


def test_a_download_keeps_no_transaction_open(store: SQLiteStore, path: Path) -> None:
    """Between two pieces the write-ahead log can be truncated."""
    store.write_blob(ANN, "one", [PIECE] * 3)
    reading = store.read_blob(ANN, "one")
    next(reading)
    store.write_blob(ANN, "two", [PIECE])
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    assert len([*reading]) == 2


def test_bytes_of_a_killed_process_are_deleted(store: SQLiteStore, sqlite_url: str, path: Path, clock: Clock) -> None:
    run_script(
        """
        def chunks():
            yield b"x" * (1 << 20)
            os.kill(os.getpid(), signal.SIGKILL)
        from flask_assistant_stream.stores.sqlite import SQLiteStore
        store = SQLiteStore(sys.argv[1], clock=lambda: 1_000_000.0)
        store.write_blob(ANN, "one", chunks())
        """,
        sqlite_url,
        expect=-9,
    )
    assert kept(path) == (1, 4)
    with pytest.raises(NotFound):
        store.read_blob(ANN, "one")
    clock.time += blobs.ABANDONED_SECONDS - 1
    store.write_blob(ANN, "two", [PIECE])
    assert kept(path) == (2, 5)
    clock.time += 2
    store.write_blob(ANN, "three", [PIECE])
    assert kept(path) == (2, 2)


def test_an_upload_that_pauses_too_long_is_abandoned(store: SQLiteStore, path: Path, clock: Clock) -> None:
    def chunks() -> Iterator[bytes]:
        yield PIECE
        clock.time += blobs.ABANDONED_SECONDS + 1
        store.write_blob(ANN, "other", [b"other"])
        yield PIECE

    with pytest.raises(StoreError, match="abandoned"):
        store.write_blob(ANN, "one", chunks())
    assert kept(path) == (1, 1)


def test_a_slow_upload_is_not_abandoned(store: SQLiteStore, clock: Clock) -> None:
    def chunks() -> Iterator[bytes]:
        for number in range(4):
            yield PIECE
            clock.time += blobs.ABANDONED_SECONDS * 0.9
            store.write_blob(ANN, f"other_{number}", [b"other"])

    assert store.write_blob(ANN, "one", chunks()) == 4 * CHUNK_BYTES


def test_greenlets_write_read_and_search(sqlite_url: str) -> None:
    said = run_script(
        """
        import gevent
        def converse(n):
            data = bytes([n]) * 600_000
            store.write_blob(ANN, f"blob_{n}", [data[:7], data[7:]])
            store.write_passages(ANN, f"file_{n}", [f"apple number {n}"] * 3)
            assert b"".join(store.read_blob(ANN, f"blob_{n}")) == data
            return len(store.search_passages(ANN, [f"file_{n}"], "apples", 10))
        conversations = [gevent.spawn(converse, n) for n in range(20)]
        gevent.joinall(conversations, timeout=60, raise_error=True)
        print(sum(each.value for each in conversations))
        store.close()
        """,
        sqlite_url,
        patched=True,
    )
    assert said == ["60"]
