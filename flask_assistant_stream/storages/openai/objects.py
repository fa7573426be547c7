"""Read an upstream's objects about files, with the types of `spec/assistants.md#strict-clients`.

An object without an id is an error; any other missing or invalid value gets a default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import UpstreamError
from ...protocol import objects
from ...protocol.objects import Object
from ...protocol.text import mend
from ...translation.coerce import json_or_text, object_of, objects_of, text_of
from ...translation.failures import Failure
from ..base import Upload
from .errors import INVALID_RESPONSE

STORE_STATUSES = ("expired", "in_progress", "completed")
FILE_STATUSES = ("in_progress", "completed", "cancelled", "failed")
ERROR_CODES = ("server_error", "unsupported_file", "invalid_file")


def read_file(value: Any, upload: Upload, now: int) -> Object:
    """Read the object of a file that has just been uploaded."""
    source = _object(value)
    status = _one_of(source.get("status"), ("uploaded", "processed", "error"), "processed")
    created, expires = _int(source.get("created_at"), now), _int_or_none(source.get("expires_at"))
    return objects.file(
        _id(source), created, upload.filename, upload.size, upload.purpose, status=status, expires_at=expires
    )


def read_vector_store(value: Any, now: int) -> Object:
    """Read a vector store."""
    source = _object(value)
    created = _int(source.get("created_at"), now)
    body = objects.vector_store(
        _id(source),
        created,
        text_of(source.get("name")),
        usage_bytes=_int(source.get("usage_bytes"), 0),
        counts=_counts(source),
        expires_after=object_of(source.get("expires_after")),
        expires_at=_int_or_none(source.get("expires_at")),
        last_active_at=_int(source.get("last_active_at"), created),
        description=text_of(source.get("description")) or None,
        metadata={str(key): mend(json_or_text(text)) for key, text in object_of(source.get("metadata")).items()},
    )
    return {**body, "status": _one_of(source.get("status"), STORE_STATUSES, body["status"])}


def read_attached(value: Any, vector_store_id: str, now: int) -> Object:
    """Read a file in a vector store."""
    source = _object(value)
    strategy = object_of(source.get("chunking_strategy"))
    return objects.vector_store_file(
        _id(source),
        _int(source.get("created_at"), now),
        vector_store_id,
        status=_one_of(source.get("status"), FILE_STATUSES, "in_progress"),
        usage_bytes=_int(source.get("usage_bytes"), 0),
        last_error=_last_error(source.get("last_error")),
        chunking_strategy=strategy if isinstance(strategy.get("static"), dict) else None,
        attributes=read_attributes(source.get("attributes")),
    )


def read_batch(value: Any, vector_store_id: str, now: int) -> Object:
    """Read a batch of files."""
    source = _object(value)
    counts, created = _counts(source), _int(source.get("created_at"), now)
    status = _one_of(source.get("status"), FILE_STATUSES, "in_progress")
    return objects.files_batch(_id(source), created, vector_store_id, counts, status=status)


def read_result(value: Any) -> Object:
    """Read one result of a search."""
    source = _object(value)
    score = source.get("score")
    return {
        "file_id": _id(source, "file_id"),
        "filename": text_of(source.get("filename")),
        "score": min(max(float(score), 0.0), 1.0) if isinstance(score, (int, float)) else 0.0,
        "attributes": read_attributes(source.get("attributes")),
        "content": read_parts(source.get("content")),
    }


def read_parts(value: Any) -> list[Object]:
    """Read parts of text."""
    return [{"type": "text", "text": mend(json_or_text(part.get("text")))} for part in objects_of(value)]


def read_attributes(value: Any) -> Object:
    """Read attributes: texts, numbers and truth values."""
    return {str(key): item for key, item in object_of(value).items() if isinstance(item, (str, int, float, bool))}


def read_list(value: Any, read: Callable[[Any], Object]) -> list[Object]:
    """Read the entries of a list object."""
    data = _object(value).get("data")
    if not isinstance(data, list):
        raise UpstreamError(INVALID_RESPONSE)
    return [read(entry) for entry in data]


def _object(value: Any) -> Object:
    if not isinstance(value, dict):
        raise UpstreamError(INVALID_RESPONSE)
    return value


def _id(source: Object, key: str = "id") -> str:
    id = source.get(key)
    if not isinstance(id, str) or not id or not id.isascii():
        raise UpstreamError(INVALID_RESPONSE)
    return id


def _int(value: Any, default: int) -> int:
    source = _int_or_none(value)
    return default if source is None else source


def _int_or_none(value: Any) -> int | None:
    return (
        int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1 << 53 else None
    )


def _one_of(value: Any, known: tuple[str, ...], default: str) -> str:
    return value if isinstance(value, str) and value in known else default


def _counts(source: Object) -> dict[str, int]:
    counts = object_of(source.get("file_counts"))
    return {status: max(0, _int(counts.get(status), 0)) for status in FILE_STATUSES}


def _last_error(value: Any) -> Object | None:
    if not isinstance(value, dict):
        return None
    message = Failure(message=text_of(value.get("message"))).last_error()["message"]
    return {"code": _one_of(value.get("code"), ERROR_CODES, "server_error"), "message": message}
