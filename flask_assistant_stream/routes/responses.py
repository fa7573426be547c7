"""JSON responses."""

from __future__ import annotations

import json

from flask import Response

from ..protocol.objects import Object

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def json_response(value: object, status: int = 200) -> Response:
    """Return an object as JSON that no cache keeps, since it belongs to an owner.

    In UTF-8, unlike a stream: an escaped emoji has twelve bytes instead of four. Halves of surrogate pairs, which
    UTF-8 cannot encode, are escaped as in a stream.
    """
    data = _encode(value).encode("utf-8", "backslashreplace")
    return Response(data, status, {"Cache-Control": "no-store"}, content_type="application/json")


def deleted(id: str, kind: str) -> Object:
    """Return the object that reports a deletion."""
    return {"id": id, "object": kind, "deleted": True}
