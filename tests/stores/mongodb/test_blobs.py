"""What uploads and passages leave in MongoDB, and data of the first version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect

from flask_assistant_stream.errors import NotFound, RequestError, StoreError
from flask_assistant_stream.stores.base import Kind, placed
from flask_assistant_stream.stores.capabilities import CHUNK_BYTES
from flask_assistant_stream.stores.mongodb import MongoDBStore, passages
from flask_assistant_stream.stores.mongodb.documents import to_document
from flask_assistant_stream.stores.mongodb.schema import (
    BLOBS,
    COLLECTIONS,
    META,
    MIGRATIONS,
    PASSAGES,
    PIECES,
    Db,
    migrate,
)
from flask_assistant_stream.stores.rules import as_thread
from flask_assistant_stream.testing.store_material import ANN, a_thread
from tests.stores.mongodb.conftest import break_after
from tests.stores.scripts import run_script

PIECE = b"x" * CHUNK_BYTES


@pytest.fixture
def store(mongodb_url: str) -> Iterator[MongoDBStore]:
    store = MongoDBStore(mongodb_url)
    yield store
    store.close()


def kept(db: Db) -> tuple[int, int]:
    return db[BLOBS].count_documents({}), db[PIECES].count_documents({})


def test_unused_bytes_are_deleted(store: MongoDBStore, db: Db) -> None:
    def broken() -> Iterator[bytes]:
        yield from [PIECE] * 7
        raise ValueError

    store.write_blob(ANN, "one", [PIECE] * 5)
    with pytest.raises(ValueError):
        store.write_blob(ANN, "one", broken())
    assert kept(db) == (1, 5)
    store.write_blob(ANN, "one", [PIECE] * 3)
    assert kept(db) == (1, 3)
    assert db[PIECES].count_documents({"expires_at": {"$exists": True}}) == 0, "they stay"
    store.delete_blob(ANN, "one")
    assert kept(db) == (0, 0)


WRITES = [(PIECES, "insert_one"), (PIECES, "update_many"), (BLOBS, "find_one_and_replace")]


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize(("collection", "method"), WRITES)
def test_a_lost_connection_leaves_nothing(
    store: MongoDBStore, db: Db, monkeypatch: pytest.MonkeyPatch, collection: str, method: str, landed: bool
) -> None:
    with monkeypatch.context() as broken:
        break_after(broken, collection, method, landed=landed)
        with pytest.raises(StoreError):
            store.write_blob(ANN, "one", [PIECE, b"more"])
    assert kept(db) == (0, 0)
    assert store.write_blob(ANN, "one", [PIECE, b"more"]) == CHUNK_BYTES + 4


def test_bytes_that_cannot_be_deleted_expire(store: MongoDBStore, db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
        raise AutoReconnect("connection closed")

    store.write_blob(ANN, "one", [PIECE] * 2)
    with monkeypatch.context() as broken:
        broken.setattr(Collection, "delete_many", refused)
        with pytest.raises(StoreError):
            store.delete_blob(ANN, "one")
    assert db[PIECES].count_documents({"expires_at": {"$exists": True}}) == 2
    with pytest.raises(NotFound):
        store.read_blob(ANN, "one")


def test_bytes_of_a_killed_process_expire(store: MongoDBStore, mongodb_url: str, db: Db) -> None:
    run_script(
        """
        def chunks():
            yield b"x" * (1 << 20)
            os.kill(os.getpid(), signal.SIGKILL)
        store.write_blob(ANN, "one", chunks())
        """,
        mongodb_url,
        expect=-9,
    )
    with pytest.raises(NotFound):
        store.read_blob(ANN, "one")
    dates = [piece["expires_at"].timestamp() for piece in db[PIECES].find()]
    assert len(dates) == 4
    assert all(3600 < date - store.now() <= 86400 for date in dates)
    assert db[PIECES].index_information()["expiry"]["expireAfterSeconds"] == 0


def test_an_upload_that_takes_too_long_is_abandoned(store: MongoDBStore, db: Db) -> None:
    def chunks() -> Iterator[bytes]:
        yield PIECE
        db[PIECES].delete_many({})  # as the server does after their expiry
        yield PIECE

    with pytest.raises(StoreError, match="abandoned"):
        store.write_blob(ANN, "one", chunks())
    assert kept(db) == (0, 0)


def test_passages_are_found_by_indexes(store: MongoDBStore, db: Db) -> None:
    store.write_passages(ANN, "file", ["apples"])
    indexes = db[PASSAGES].index_information()
    assert indexes["words"]["key"] == [("owner", 1), ("words", 1)]
    assert indexes["in_file"]["key"] == [("owner", 1), ("file_id", 1), ("number", 1)]
    assert {"listed"} <= set(db[COLLECTIONS[Kind.VECTOR_STORE_FILE]].index_information())


def test_failed_passages_can_be_written_again(store: MongoDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        break_after(broken, PASSAGES, "delete_many", landed=False)
        with pytest.raises(StoreError):
            store.write_passages(ANN, "file", ["apples", "pears"])
    store.write_passages(ANN, "file", ["apples"])
    assert store.read_passages(ANN, "file") == ["apples"]


def test_data_of_the_first_version_is_kept(store: MongoDBStore, db: Db) -> None:
    migrate(db, MIGRATIONS[:1])
    thread = as_thread(placed(a_thread(title="Kept"), 7))
    db[COLLECTIONS[Kind.THREAD]].insert_one(to_document(thread))
    assert store.get(Kind.THREAD, ANN, thread.id) == thread
    store.write_passages(ANN, "file", ["apples"])
    assert [hit.text for hit in store.search_passages(ANN, ["file"], "apple", 1)] == ["apples"]
    assert db[META].find_one({"_id": "schema"}) == {"_id": "schema", "version": len(MIGRATIONS)}
    store.close()
    assert [hit.text for hit in store.search_passages(ANN, ["file"], "apple", 1)] == ["apples"]


def test_a_search_that_takes_too_long(store: MongoDBStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write_passages(ANN, "file", ["apple pear plum"] * 5)
    monkeypatch.setattr(passages, "SEARCH_SECONDS", 1e-6)
    with pytest.raises(RequestError) as caught:
        store.search_passages(ANN, ["file"], "apple pear plum", 5)
    assert caught.value.code == "search_timeout"
    monkeypatch.setattr(passages, "SEARCH_SECONDS", 10.0)
    assert len(store.search_passages(ANN, ["file"], "apple pear plum", 5)) == 5
