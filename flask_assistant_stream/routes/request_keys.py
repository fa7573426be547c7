"""Requests that start or go on with a run and may be sent again: their key read, their work done once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Request

from ..runs.idempotency import Repeated
from ..runs.request_key import HEADER, RequestKey
from ..runs.start_request import RunPosition
from .base import ApiRequest, Operation


def read_key(
    request: Request, operation: Operation, owner: str, path: Mapping[str, str], body: Mapping[str, Any]
) -> RequestKey | None:
    """Return what a request is named by, or None where it has no name or its route knows none.

    Args:
        body: as it was sent.

    Raises:
        RequestError: the header is no key.
    """
    value = request.headers.get(HEADER) if operation.begins else None
    if value is None:
        return None
    # Of the query only what the run depends on: its format may be another one next time.
    query = {name: request.args.getlist(name) for name in sorted(request.args) if name != "format"}
    return RequestKey.read(owner, value, {"route": operation.name, "path": path, "query": query, "body": body})


def once(request: ApiRequest, begin: Callable[[], RunPosition]) -> RunPosition:
    """Begin a run, unless a request with the same key has: then say where to follow that one."""
    if request.key is None:
        return begin()
    idempotency = request.registration.runner.idempotency
    with idempotency.alone(request.key):
        position = idempotency.started(request.key)
        if position is not None:
            return position
        try:
            return begin()
        except Repeated as repeated:
            return repeated.position
