"""The collections, their indexes, and the migrations from each version of the database to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pymongo
from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import OperationFailure

from ...errors import ConfigError, StoreError
from ..base import Kind
from .documents import Document
from .migration_lock import migrating

Db = Database[Document]

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
RUNS, THREADS, MESSAGES = COLLECTIONS[Kind.RUN], COLLECTIONS[Kind.THREAD], COLLECTIONS[Kind.MESSAGE]

INDEX_NOT_FOUND = 27
STEP_SECONDS = 3_600.0
"""How long a migration may take: an index of a large collection takes minutes, longer than other calls may."""


def _index(db: Db, collection: str, name: str, *keys: str, unique: bool = False) -> None:
    db[collection].create_index([(key, ASCENDING) for key in keys], name=name, unique=unique)


def _listed(db: Db, *kinds: Kind) -> None:
    for kind in kinds:
        _index(db, COLLECTIONS[kind], "listed", "owner", "parent", "position", "_id")


def _first_version(db: Db) -> None:
    _listed(db, Kind.ASSISTANT, Kind.THREAD, Kind.MESSAGE, Kind.RUN, Kind.RUN_STEP)
    _index(db, MESSAGES, "of_run", "body.run_id")
    active = {"active": True}
    db[RUNS].create_index("parent", name="one_active", unique=True, partialFilterExpression=active)
    db[RUNS].create_index("due_at", name="due", partialFilterExpression=active)
    db[RUNS].create_index("cancel_requested", name="to_end", partialFilterExpression=active)
    _index(db, LOG, "read", "run_id", "last")
    db[LOG].create_index("expires_at", name="expiry", expireAfterSeconds=0)


def _with_files(db: Db) -> None:
    _listed(db, Kind.FILE, Kind.VECTOR_STORE, Kind.VECTOR_STORE_FILE, Kind.FILE_BATCH)
    db[PIECES].create_index("expires_at", name="expiry", expireAfterSeconds=0)
    _index(db, PASSAGES, "in_file", "owner", "file_id", "number", unique=True)
    _index(db, PASSAGES, "words", "owner", "words")


def _with_places_of_deleted(db: Db) -> None:
    db[DELETED].create_index("expires_at", name="expiry", expireAfterSeconds=0)


def _with_extractions(db: Db) -> None:
    _listed(db, Kind.EXTRACTION)


def _with_lines(db: Db) -> None:
    """Replace the indexes of messages, now listed by their lines; the messages of a run are a span of its line."""
    _index(db, MESSAGES, "on_line", "owner", "parent", "line", "position", "_id")
    for replaced in ("listed", "of_run"):
        try:
            db[MESSAGES].drop_index(replaced)
        except OperationFailure as error:
            if error.code != INDEX_NOT_FOUND:
                raise


Migration = Callable[[Db], None]

MIGRATIONS: tuple[Migration, ...] = (
    _first_version,
    _with_files,
    _with_places_of_deleted,
    _with_extractions,
    _with_lines,
)
"""From each version to the next; each may run twice, also after a part of it. A released one never changes."""


def migrate(db: Db, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Migrate the database to the newest version, one process at a time, and from where a killed one stopped.

    Raises:
        ConfigError: a newer version of this library wrote it.
        StoreError: another process has been migrating it for longer than a call may wait.
    """
    newest = len(migrations)
    if _version_to_migrate(db, newest) == newest:
        return
    with migrating(db[META]):
        for version in range(_version_to_migrate(db, newest), newest):
            with pymongo.timeout(STEP_SECONDS):
                migrations[version](db)
            db[META].update_one({"_id": "schema"}, {"$max": {"version": version + 1}}, upsert=True)


def check_version(db: Db, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Raise StoreError if another process has migrated the database since this process did."""
    version = _version(db)
    if version != len(migrations):
        raise StoreError(
            f"The MongoDB database has schema version {version} now, this process supports {len(migrations)}: "
            "restart it with the version of the package that has migrated the database."
        )


def _version_to_migrate(db: Db, newest: int) -> int:
    version = _version(db)
    if version > newest:
        raise ConfigError(
            f"The MongoDB database has schema version {version}, this flask-assistant-stream supports {newest}: "
            "upgrade the package or set ASSISTANT_STORE to another database."
        )
    return version


def _version(db: Db) -> int:
    schema = db[META].find_one({"_id": "schema"})
    return int(schema["version"]) if schema else 0
