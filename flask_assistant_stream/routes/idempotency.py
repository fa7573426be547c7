"""Requests that start or go on with a run and may be sent again: their key read, their work done once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Request

from ..runs.idempotency import HEADER, Repeated, RequestKey
from ..runs.requests import Attached
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


def once(request: ApiRequest, begin: Callable[[], Attached]) -> Attached:
    """Begin a run, unless a request with the same key has: then say where to follow that one."""
    if request.key is None:
        return begin()
    repeats = request.registration.runner.repeats
    with repeats.alone(request.key):
        attached = repeats.started(request.key)
        if attached is not None:
            return attached
        try:
            return begin()
        except Repeated as repeated:
            return repeated.attached
