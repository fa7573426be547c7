"""JSON responses."""

from __future__ import annotations

from flask import Response

from ..protocol.events import dump
from ..protocol.objects import Object

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def json_response(value: object, status: int = 200) -> Response:
    """Return an object as JSON that no cache keeps, since it belongs to an owner."""
    return Response(dump(value), status, HEADERS, content_type="application/json")


def deleted(id: str, kind: str) -> Object:
    """Return the object that reports a deletion."""
    return {"id": id, "object": kind, "deleted": True}
