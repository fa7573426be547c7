"""Records of files in vector stores: how they are named, found and shown."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from ..errors import NotFound
from ..protocol.objects import Object
from ..stores.base import Kind, Record, Store
from ..stores.listing import all_records

IN_PROGRESS = "in_progress"


def membership_id(vector_store_id: str, file_id: str) -> str:
    """Return the record id of a file in a vector store."""
    return f"{vector_store_id}.{file_id}"


def membership(owner: str, body: Object, filename: str, batch_id: str | None = None) -> Record:
    """Make the record of a file in a vector store; `body` is its `vector_store.file` as the wire has it."""
    vector_store_id, file_id = body["vector_store_id"], body["id"]
    extra = {"file_id": file_id, "filename": filename}
    if batch_id is not None:
        extra["batch_id"] = batch_id
    body = {**body, "id": membership_id(vector_store_id, file_id)}
    return Record(Kind.VECTOR_STORE_FILE, owner, body, vector_store_id, extra=extra)


def shown(record: Record) -> Object:
    """Return the `vector_store.file` as the wire has it: its id is the file's."""
    return {**record.body, "id": record.extra["file_id"]}


def members(store: Store, owner: str, vector_store_id: str) -> list[Record]:
    """Return all files of a vector store, the oldest first."""
    return all_records(store, Kind.VECTOR_STORE_FILE, owner, vector_store_id)


def of_file(store: Store, owner: str, file_id: str) -> list[Record]:
    """Return the records of a file in every vector store of its owner."""
    found = []
    for vector_store in all_records(store, Kind.VECTOR_STORE, owner):
        with suppress(NotFound):
            found.append(get(store, owner, vector_store.id, file_id))
    return found


def get(store: Store, owner: str, vector_store_id: str, file_id: str) -> Record:
    """Return the record of a file in a vector store.

    Raises:
        NotFound: it is not there.
    """
    try:
        return store.get(Kind.VECTOR_STORE_FILE, owner, membership_id(vector_store_id, file_id), parent=vector_store_id)
    except NotFound:
        raise NotFound(f"No file found with id '{file_id}' in vector store '{vector_store_id}'.") from None


def contains(store: Store, owner: str, vector_store_id: str, file_id: str) -> bool:
    """Say whether a file is in a vector store."""
    try:
        get(store, owner, vector_store_id, file_id)
    except NotFound:
        return False
    return True


def remove(store: Store, owner: str, ids: Iterable[tuple[str, str]]) -> None:
    """Remove the records of files in vector stores, given as (vector store id, file id), where they still are."""
    for vector_store_id, file_id in ids:
        drop(store, Kind.VECTOR_STORE_FILE, owner, membership_id(vector_store_id, file_id))


def drop(store: Store, kind: Kind, owner: str, id: str) -> None:
    """Remove a record that may be gone already."""
    with suppress(NotFound):
        store.delete(kind, owner, id)
