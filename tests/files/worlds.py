"""A store, a storage and `files/` on them, with a clock that only the test moves."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

from flask_assistant_stream.files.files import Files, content_type
from flask_assistant_stream.files.tool_resources import ToolResources
from flask_assistant_stream.files.vector_store_files import VectorStoreFiles
from flask_assistant_stream.files.vector_stores import VectorStores
from flask_assistant_stream.storages.base import Storage, Upload
from flask_assistant_stream.storages.local.storage import LocalStorage
from flask_assistant_stream.storages.openai.storage import UpstreamStorage
from flask_assistant_stream.stores.base import Kind, Record, Store
from flask_assistant_stream.stores.listing import all_records
from flask_assistant_stream.stores.mongodb.schema import BLOBS, PASSAGES
from flask_assistant_stream.stores.sqlite import SQLiteStore
from flask_assistant_stream.upstream import Upstream
from tests.fake_files import FakeFiles
from tests.fake_upstream import FakeUpstream

ANN, BOB = "ann", "bob"
KEY = "sk-test-key-of-the-server"
SHARED = "vs_shared"
MAX_BYTES = 100_000
START = 1_700_000_000.0


class Clock:
    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> float:
        return self.time

    def move(self, seconds: float) -> None:
        self.time += seconds


class _FilesIn:
    def __init__(self, files: VectorStoreFiles, vector_store: Record) -> None:
        self._files, self._vector_store = files, vector_store

    def __getattr__(self, name: str) -> Any:
        return partial(getattr(self._files, name), self._vector_store)


class World:
    """A store, a storage and the classes of `files/` on them."""

    def __init__(self, store: Store, make: Callable[[Store, Clock], Storage], fake: FakeFiles | None = None) -> None:
        self.clock = Clock()
        self.store: Any = store
        self.storage: Any = make(store, self.clock)
        self.fake = fake
        self.files = Files(store, self.storage, max_bytes=MAX_BYTES, now=self.clock)
        clocks = {"now": self.clock, "clock": self.clock}
        self.vector_stores = VectorStores(store, self.storage, self.files, shared=[SHARED], **clocks)
        self.resources = ToolResources(store, self.files, self.vector_stores)

    @property
    def upstream(self) -> FakeFiles:
        assert self.fake is not None
        return self.fake

    def upload(self, name: str = "facts.txt", text: str = "The sky is blue.", owner: str = ANN) -> str:
        return str(self.files.create(owner, an_upload(name, text)).id)

    def own(self, name: str = "facts.txt", text: str = "The sky is blue.", owner: str = ANN) -> str:
        return str(self.resources.upload_own(owner, an_upload(name, text))["id"])

    def vector_store(self, *file_ids: str, owner: str = ANN, **fields: Any) -> str:
        return str(self.vector_stores.create(owner, {"file_ids": list(file_ids), **fields}).id)

    def files_in(self, vector_store_id: str, owner: str = ANN) -> Any:
        """Return the methods of `VectorStoreFiles`, with the vector store's record as their first argument."""
        return _FilesIn(self.vector_stores.files, self.vector_stores.record(owner, vector_store_id))

    def statuses(self, owner: str = ANN) -> list[str]:
        return [file["status"] for file in self.resources.own_files(owner)]

    def blobs(self) -> list[str]:
        """Return the ids of the stored blobs; all must be complete."""
        if isinstance(self.store, SQLiteStore):
            keys = self._rows("SELECT DISTINCT key FROM blob_pieces")
            assert keys == self._rows("SELECT key FROM blobs WHERE complete AND size")
            return self._rows("SELECT id FROM blobs")
        with self.store._connection.database() as db:
            return sorted(row["id"] for row in db[BLOBS].find())

    def passages(self) -> list[str]:
        """Return the ids of the files with passages, of all owners."""
        if isinstance(self.store, SQLiteStore):
            return self._rows("SELECT DISTINCT file_id FROM passages")
        with self.store._connection.database() as db:
            return sorted({row["file_id"] for row in db[PASSAGES].find()})

    def _rows(self, sql: str) -> list[str]:
        return sorted(row for (row,) in self.store._connections.read(lambda opened: opened.execute(sql).fetchall()))

    def left(self, owner: str = ANN) -> dict[str, Any]:
        """Return all stored data; a call that fails must leave it as it was."""
        stored: dict[str, Any] = {}
        for kind in (Kind.FILE, Kind.VECTOR_STORE):
            stored[kind.value] = sorted(record.id for record in all_records(self.store, kind, owner))
        for id in stored["vector_store"]:
            for kind in (Kind.VECTOR_STORE_FILE, Kind.FILE_BATCH):
                stored[f"{kind.value} {id}"] = sorted(r.id for r in all_records(self.store, kind, owner, id))
        stored["blobs"] = self.blobs()
        stored["passages"] = self.passages()
        if self.fake is not None:
            stored["upstream files"] = sorted(self.fake.files)
            stored["upstream stores"] = {id: sorted(members) for id, members in self.fake.members.items()}
        return stored


def an_upload(name: str = "facts.txt", text: str | bytes = "The sky is blue.", purpose: str = "assistants") -> Upload:
    data = text.encode() if isinstance(text, str) else text
    return Upload(name, content_type(name), purpose, io.BytesIO(data), len(data))


def local(store: Store, clock: Clock) -> Storage:
    return LocalStorage(store, now=clock)


def at(fake: FakeUpstream, **more: Any) -> Callable[[Store, Clock], Storage]:
    def make(store: Store, clock: Clock) -> Storage:
        return UpstreamStorage(Upstream(KEY, fake.base_url), now=clock, **more)

    return make
