"""`GET /health`: the process answers. `GET /health/ready`: it can serve requests."""

from __future__ import annotations

from flask import Response

from ..errors import StoreError
from ..protocol.objects import Object
from . import schemas
from .base import ApiRequest, Registration, Resource
from .responses import json_response

resource = Resource("health")


@resource.route("GET", "/health", answer=schemas.Health(), public=True)
def health(_request: ApiRequest) -> Object:
    """Report that the process answers, without touching store or engine."""
    return {"status": "ok"}


@resource.route("GET", "/health/ready", answer=schemas.Readiness(), public=True)
def ready(request: ApiRequest) -> Response:
    """Report if requests can be served: 200, or 503 with the reason; 503 as soon as a shutdown begins."""
    registration = request.registration
    parts = {"store": _store(registration), "engine": registration.engine.ping() or "ok"}
    fine = all(state == "ok" for state in parts.values())
    status = "shutting_down" if registration.runner.drain.begun else "ok" if fine else "unavailable"
    upstream = {"model": registration.model, **registration.engine.about()}
    report = {"status": status, **parts, "upstream": upstream, "warnings": registration.engine.warnings()}
    return json_response(report, 200 if status == "ok" else 503)


def _store(registration: Registration) -> str:
    """Return the store's state. Only the log has the reason: it may name hosts."""
    try:
        registration.store.ping()
    except StoreError:
        return "unreachable"
    return "ok"
