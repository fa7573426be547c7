"""Records and log rows as MongoDB documents, in native BSON so that hosts can query their data.

Pure: knows no connection. In field names `$`, `.`, `%` and NUL become `%24`, `%2E`, `%25` and `%00`, because MongoDB
and its drivers give names like `$ref` or `a.b` a meaning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from ...protocol.dialects import ASSISTANTS
from ..base import PER_OWNER, Kind, Record, Row, RunRecord, ThreadRecord
from ..lines import Line, Lines

Document = dict[str, Any]

UNREAD: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
"""Options of a read that leaves its documents undecoded, for those that only some are needed of."""

_SPECIAL = re.compile(r"[%$.\0]")
_ESCAPED = re.compile(r"%(25|24|2E|00)")
_INT64 = 1 << 63
_LARGE = "%int"
"""The only field of a whole number beyond 64 bits, in digits: BSON has none. No JSON key becomes this name."""
_LEASE = ("epoch", "due_at", "cancel_requested", "active", "last_seq")
_ROW = ("run_id", "first", "last", "epoch", "token", "packed")
"""The attributes of `RunRecord` and `Row` that are stored unchanged, in their order."""


def encode(value: Any) -> Any:
    """Return a JSON value in the form that BSON can store."""
    if isinstance(value, str):
        return value if value.isascii() else _text(value)
    if isinstance(value, Mapping):
        return {field_name(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return {_LARGE: str(value)}
    return value


def decode(value: Any) -> Any:
    """Reverse `encode`."""
    if isinstance(value, dict):
        if _LARGE in value:
            return int(value[_LARGE])
        return {_ESCAPED.sub(_plain, key) if "%" in key else key: decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decode(item) for item in value]
    return value


def field_name(key: str) -> str:
    """Return a JSON key as a field name."""
    name = key if key.isascii() else _text(key)
    return _SPECIAL.sub(lambda match: f"%{ord(match[0]):02X}", name)


def _plain(match: re.Match[str]) -> str:
    return chr(int(match[1], 16))


def _text(value: str) -> str:
    """Join surrogate pairs and replace lone surrogates: models emit them, and UTF-8 cannot encode them."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def record_id(kind: Kind, owner: str, id: str) -> str:
    """Return a record's `_id`: its id, prefixed by the owner for kinds of `PER_OWNER`."""
    return f"{owner}/{id}" if kind in PER_OWNER else id


def owned_id(owner: str, id: str) -> str:
    """Return an `_id` for an owner and an id; unique for every pair, whatever characters they contain."""
    return f"{len(owner)}/{owner}/{id}"


def to_document(record: Record) -> Document:
    """Return a new record as a document; only a record on a line that a fork began has a `line`."""
    document: Document = {
        "_id": record_id(record.kind, record.owner, record.id),
        "owner": record.owner,
        "parent": record.parent,
        "position": record.position,
        "body": encode(record.body),
        "extra": encode(record.extra),
    }
    if record.line:
        document["line"] = record.line
    if isinstance(record, RunRecord):
        document |= {**{key: getattr(record, key) for key in _LEASE}, "state": encode(record.state)}
        document["dialect"] = record.dialect
    elif isinstance(record, ThreadRecord):
        document |= {"turns": record.turns, "revision": record.revision}
        if record.lines:
            document["lines"] = encode(record.lines)
    else:
        document["seq"] = 0
    return document


def size_of(document: RawBSONDocument) -> int:
    """Return the bytes of a document that is read with `UNREAD`."""
    return len(document.raw)


def decode_document(document: RawBSONDocument) -> Document:
    """Return the values of a document that is read with `UNREAD`."""
    return bson.decode(document.raw)


def to_record(kind: Kind, document: Document) -> Record:
    """Return the record of a document."""
    if kind is Kind.RUN:
        return to_run(document)
    return to_thread(document) if kind is Kind.THREAD else Record(**_record_values(kind, document))


def to_run(document: Document) -> RunRecord:
    """Return the run of a document."""
    lease = {key: document[key] for key in _LEASE}
    state, dialect = decode(document["state"]), document.get("dialect", ASSISTANTS.name)
    return RunRecord(**_record_values(Kind.RUN, document), **lease, state=state, dialect=dialect)


def to_thread(document: Document) -> ThreadRecord:
    """Return the thread of a document."""
    turns, revision = document["turns"], document.get("revision", 0)
    values = _record_values(Kind.THREAD, document)
    return ThreadRecord(**values, turns=turns, revision=revision, lines=to_lines(document))


def to_lines(document: Document) -> Lines:
    """Return the lines of a thread's document."""
    return tuple(Line(*line) for line in document.get("lines", ()))


def _record_values(kind: Kind, document: Document) -> dict[str, Any]:
    return {
        "kind": kind,
        "owner": document["owner"],
        "body": decode(document["body"]),
        "parent": document["parent"],
        "position": document["position"],
        "extra": decode(document["extra"]),
        "line": document.get("line", 0),
    }


def row_id(run_id: str, first: int) -> str:
    """Return the `_id` of a log row, which makes (run, first) unique."""
    return f"{run_id}/{first}"


def row_to_document(row: Row, expires_at: datetime) -> Document:
    """Return a log row as a document."""
    return {
        "_id": row_id(row.run_id, row.first),
        **{key: getattr(row, key) for key in _ROW},
        "state": encode(row.state),
        "dialect": row.dialect,
        "expires_at": expires_at,
    }


def to_row(document: Document) -> Row:
    """Return the log row of a document."""
    values = {key: document[key] for key in _ROW}
    return Row(**values, state=decode(document["state"]), dialect=document.get("dialect", ASSISTANTS.name))


def assignments(prefix: str, changes: Mapping[str, Any]) -> Document:
    """Return the `$set` argument that sets keys of `body` or `extra`."""
    return {f"{prefix}.{field_name(key)}": encode(value) for key, value in changes.items()}


def change_if(condition: Any, changes: Mapping[str, Any]) -> list[Document]:
    """Return the update that sets top-level fields of a document to expressions if a condition on it holds."""
    changed = {"$mergeObjects": ["$$ROOT", changes]}
    return [{"$replaceWith": {"$cond": [condition, changed, "$$ROOT"]}}]


def literal(value: Any) -> Document:
    """Return an expression for a value, so that a text like `$owner` does not name a field."""
    return {"$literal": encode(value)}


def merged(field: str, changes: Mapping[str, Any]) -> Document:
    """Return an expression for an object field with some of its keys set."""
    return {"$mergeObjects": [field, literal(changes)]}
