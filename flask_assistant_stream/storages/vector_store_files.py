"""Members: the records of files in vector stores, one for each pair of them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from ..errors import NotFound
from ..protocol.objects import Object
from ..stores.base import Kind, Record, Store
from ..stores.listing import all_records

IN_PROGRESS = "in_progress"


def member_id(vector_store_id: str, file_id: str) -> str:
    """Return the record id of a file in a vector store."""
    return f"{vector_store_id}.{file_id}"


EXPIRES_AT = "expires_at"
"""The `extra` key of a file in a vector store: when the file expires, if it does."""


def member_record(
    owner: str, body: Object, filename: str, batch_id: str | None = None, *, expires_at: int | None = None
) -> Record:
    """Build the record of a file in a vector store; `body` is its `vector_store.file`."""
    vector_store_id, file_id = body["vector_store_id"], body["id"]
    extra: Object = {"file_id": file_id, "filename": filename}
    if batch_id is not None:
        extra["batch_id"] = batch_id
    if expires_at is not None:
        extra[EXPIRES_AT] = expires_at
    body = {**body, "id": member_id(vector_store_id, file_id)}
    return Record(Kind.VECTOR_STORE_FILE, owner, body, vector_store_id, extra=extra)


def member_object(member: Record) -> Object:
    """Return the `vector_store.file` of a record; its id is the file's."""
    return {**member.body, "id": member.extra["file_id"]}


def members(store: Store, owner: str, vector_store_id: str) -> list[Record]:
    """Return all files of a vector store, oldest first."""
    return all_records(store, Kind.VECTOR_STORE_FILE, owner, vector_store_id)


def of_file(store: Store, owner: str, file_id: str) -> list[Record]:
    """Return the records of a file in all vector stores of its owner."""
    ids = [member_id(vector_store.id, file_id) for vector_store in all_records(store, Kind.VECTOR_STORE, owner)]
    return [*store.get_many(Kind.VECTOR_STORE_FILE, owner, ids).values()]


def attached(store: Store, owner: str, vector_store_id: str, file_ids: Iterable[str]) -> dict[str, Record]:
    """Return the records of those files that are in a vector store, by file id."""
    ids = [member_id(vector_store_id, file_id) for file_id in file_ids]
    records = store.get_many(Kind.VECTOR_STORE_FILE, owner, ids).values()
    return {record.extra["file_id"]: record for record in records}


def get(store: Store, owner: str, vector_store_id: str, file_id: str) -> Record:
    """Return the record of a file in a vector store.

    Raises:
        NotFound: the file is not in the vector store.
    """
    record = store.find(Kind.VECTOR_STORE_FILE, owner, member_id(vector_store_id, file_id), parent=vector_store_id)
    if record is None:
        raise NotFound(f"No file found with id '{file_id}' in vector store '{vector_store_id}'.")
    return record


def remove(store: Store, owner: str, ids: Iterable[tuple[str, str]]) -> None:
    """Delete the existing records of files in vector stores; `ids` are (vector store id, file id)."""
    for vector_store_id, file_id in ids:
        drop(store, Kind.VECTOR_STORE_FILE, owner, member_id(vector_store_id, file_id))


def drop(store: Store, kind: Kind, owner: str, id: str) -> None:
    """Delete a record if it exists."""
    with suppress(NotFound):
        store.delete(kind, owner, id)
