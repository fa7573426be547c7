"""`GET /health`: the process answers. `GET /health/ready`: it can serve requests."""

from __future__ import annotations

from flask import Response

from ..errors import StoreError
from ..protocol.objects import Object
from . import schemas
from .base import ApiRequest, Registration, Resource
from .error_responses import json_response

resource = Resource("health")


@resource.route("GET", "/health", answer=schemas.Health(), public=True)
def health(_request: ApiRequest) -> Object:
    """Say that the process answers; touches neither store nor engine."""
    return {"status": "ok"}


@resource.route("GET", "/health/ready", answer=schemas.Readiness(), public=True)
def ready(request: ApiRequest) -> Response:
    """Say whether requests can be served: 200, or 503 and what is missing; 503 from the begin of a shutdown on."""
    parts = {"store": _store(request.registration), "engine": request.registration.engine.ping() or "ok"}
    fine = all(state == "ok" for state in parts.values())
    status = "shutting_down" if request.registration.runner.drain.begun else "ok" if fine else "unavailable"
    upstream = {"model": request.registration.model, **request.registration.engine.about()}
    told = {"status": status, **parts, "upstream": upstream, "warnings": request.registration.engine.warnings()}
    return json_response(told, 200 if status == "ok" else 503)


def _store(registration: Registration) -> str:
    """Return the store's state; the reason is in the log only, it may name hosts."""
    try:
        registration.store.ping()
    except StoreError:
        return "unreachable"
    return "ok"
