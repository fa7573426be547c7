"""The connection to the MongoDB database, and its collections with their indexes.

Driver errors become `StoreError`, without the address of the server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pymongo
from bson.errors import BSONError
from pymongo import ASCENDING, MongoClient, ReadPreference, WriteConcern
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from ...errors import ConfigError, StoreError
from ...per_process import PerProcess
from ..base import Kind
from .documents import Document

Db = Database[Document]

DATABASE = "assistant_stream"
"""The database if the URI names none."""
PING_SECONDS = 2.0
FRESH_SECONDS = 1.0
"""How long the server counts as reachable after an answer."""
OPTIONS: dict[str, Any] = {
    "appname": "flask-assistant-stream",
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 10_000,
    "waitQueueTimeoutMS": 5_000,
}
"""Options that the URI may override: a server that hangs becomes an error soon, not a worker that hangs."""
DURABLE = WriteConcern(w="majority", j=True, wtimeout=10_000)
"""Acknowledged writes survive the loss of a server (`spec/run-protocol.md#what-a-store-guarantees`)."""

COLLECTIONS = {
    Kind.ASSISTANT: "assistant_assistants",
    Kind.THREAD: "assistant_threads",
    Kind.MESSAGE: "assistant_messages",
    Kind.RUN: "assistant_runs",
    Kind.RUN_STEP: "assistant_run_steps",
    Kind.FILE: "assistant_files",
    Kind.VECTOR_STORE: "assistant_vector_stores",
    Kind.VECTOR_STORE_FILE: "assistant_vector_store_files",
    Kind.FILE_BATCH: "assistant_file_batches",
    Kind.OWNER: "assistant_owners",
    Kind.EXTRACTION: "assistant_extractions",
}
LOG = "assistant_run_log"
META = "assistant_meta"
DELETED = "assistant_deleted"
BLOBS, PIECES = "assistant_blobs", "assistant_blob_pieces"
PASSAGES = "assistant_passages"
RUNS, THREADS = COLLECTIONS[Kind.RUN], COLLECTIONS[Kind.THREAD]


def _listed(db: Db, *kinds: Kind) -> None:
    for kind in kinds:
        listed = [(key, ASCENDING) for key in ("owner", "parent", "position", "_id")]
        db[COLLECTIONS[kind]].create_index(listed, name="listed")


def _first_version(db: Db) -> None:
    _listed(db, Kind.ASSISTANT, Kind.THREAD, Kind.MESSAGE, Kind.RUN, Kind.RUN_STEP)
    db[COLLECTIONS[Kind.MESSAGE]].create_index("body.run_id", name="of_run")
    active = {"active": True}
    db[RUNS].create_index("parent", name="one_active", unique=True, partialFilterExpression=active)
    db[RUNS].create_index("due_at", name="due", partialFilterExpression=active)
    db[RUNS].create_index("cancel_requested", name="to_end", partialFilterExpression=active)
    db[LOG].create_index([("run_id", ASCENDING), ("last", ASCENDING)], name="read")
    db[LOG].create_index("expires_at", name="expiry", expireAfterSeconds=0)


def _with_files(db: Db) -> None:
    _listed(db, Kind.FILE, Kind.VECTOR_STORE, Kind.VECTOR_STORE_FILE, Kind.FILE_BATCH)
    db[PIECES].create_index("expires_at", name="expiry", expireAfterSeconds=0)
    in_file = [(key, ASCENDING) for key in ("owner", "file_id", "number")]
    db[PASSAGES].create_index(in_file, name="in_file", unique=True)
    db[PASSAGES].create_index([("owner", ASCENDING), ("words", ASCENDING)], name="words")


def _with_places_of_deleted(db: Db) -> None:
    db[DELETED].create_index("expires_at", name="expiry", expireAfterSeconds=0)


def _with_extractions(db: Db) -> None:
    _listed(db, Kind.EXTRACTION)


Migration = Callable[[Db], None]

MIGRATIONS: tuple[Migration, ...] = (_first_version, _with_files, _with_places_of_deleted, _with_extractions)
"""From each version to the next; each may run twice, even in two processes at once. A released one never changes."""


def migrate(db: Db, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Migrate the database to the newest version; ConfigError if a newer version of this library wrote it."""
    newest = len(migrations)
    schema = db[META].find_one({"_id": "schema"})
    version = schema["version"] if schema else 0
    if version > newest:
        raise ConfigError(
            f"The MongoDB database has schema version {version}, this flask-assistant-stream supports {newest}: "
            "upgrade the package or set ASSISTANT_STORE to another database."
        )
    for migration in migrations[version:]:
        migration(db)
    if version < newest:
        db[META].update_one({"_id": "schema"}, {"$max": {"version": newest}}, upsert=True)


class _ProcessClient:
    """The client of one process, and whether it has migrated the database."""

    def __init__(self, url: str) -> None:
        self.client = make_client(url)
        self.migrated = False
        self.migrating = threading.Lock()


class MongoDBConnection:
    """One database, with a client per process: none survives a fork. ConfigError if the driver rejects the URI."""

    def __init__(self, url: str) -> None:
        _check(url)
        self._processes = PerProcess(lambda: _ProcessClient(url))
        self._answered_at = float("-inf")

    def __repr__(self) -> str:
        return "<Connection to MongoDB>"

    @contextmanager
    def database(self) -> Iterator[Db]:
        """Give the migrated database; driver errors become `StoreError`."""
        with _translated():
            process = self._processes.get()
            db = default_database(process.client)
            if not process.migrated:
                with process.migrating:  # other threads wait for it instead of migrating as well
                    if not process.migrated:
                        migrate(db)
                        process.migrated = True
            yield db
            self._answered_at = time.monotonic()

    def expect_answers(self) -> None:
        """Raise `StoreError` soon unless the server has answered lately or answers now.

        For several writes in a row: a server that hangs would still do them when it continues.
        """
        if time.monotonic() - self._answered_at > FRESH_SECONDS:
            with self.admin() as admin:
                admin.command("ping")

    @contextmanager
    def admin(self) -> Iterator[Db]:
        """Give the server's `admin` database; a call on it fails after `PING_SECONDS`."""
        with _translated(), pymongo.timeout(PING_SECONDS):
            yield self._processes.get().client.admin

    def close(self) -> None:
        """Close this process's client."""
        process = self._processes.pop()
        if process is not None:
            process.client.close()


def _check(url: str) -> None:
    """Reject a URI that the driver rejects, without its message, which may quote a part of the password."""
    try:
        if not url.startswith("mongodb+srv://"):  # parsing one would query DNS
            parse_uri(url, warn=True)
        elif not urlsplit(url).hostname:
            raise ValueError
    except (PyMongoError, ValueError):
        raise ConfigError(
            "ASSISTANT_STORE: the MongoDB URI is not valid. Write mongodb://user:password@host:27017/database "
            "or mongodb+srv://…, with '@', ':', '/' and '%' in user and password percent-encoded."
        ) from None


def make_client(url: str) -> MongoClient[Document]:
    """Return a client for a URI; it connects at its first call."""
    in_url = {name.lower() for name, _ in parse_qsl(urlsplit(url).query)}
    options = {name: value for name, value in OPTIONS.items() if name.lower() not in in_url}
    return MongoClient(url, connect=False, tz_aware=True, **options)


def default_database(client: MongoClient[Document]) -> Db:
    """Return the database that the URI names, or `DATABASE`, with durable writes."""
    return client.get_default_database(DATABASE, read_preference=ReadPreference.PRIMARY, write_concern=DURABLE)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except PyMongoError as error:
        raise StoreError(f"The MongoDB store failed: {_reason(error)}") from None
    except (BSONError, UnicodeError, OverflowError) as error:
        raise StoreError(f"MongoDB cannot store a value: {type(error).__name__}") from None


def _reason(error: PyMongoError) -> str:
    """Return the server's name for an error, or a network error's first words without the topology."""
    if isinstance(error, OperationFailure):
        return str((error.details or {}).get("codeName") or f"error {error.code}")
    text = str(error).partition(" (configured timeouts")[0].partition(", Timeout:")[0]
    return f"{type(error).__name__}: {text[:200]}"
