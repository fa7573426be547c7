"""Idempotency keys: a request that a client sends twice starts or continues one run."""

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
    """Return the key of a request with its unvalidated body; None without one. RequestError: it is not valid."""
    value = request.headers.get(HEADER) if operation.begins else None
    if value is None:
        return None
    # The stream format is no part of the request: a client may resume in another one.
    query = {name: request.args.getlist(name) for name in sorted(request.args) if name != "format"}
    return RequestKey.read(owner, value, {"route": operation.name, "path": path, "query": query, "body": body})


def once(request: ApiRequest, begin: Callable[[], RunPosition]) -> RunPosition:
    """Start or continue a run; if an earlier request has the same key, return where to follow its run."""
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
