"""`GET /health`: the process answers. `GET /health/ready`: it can serve requests."""

from __future__ import annotations

from flask import Response

from ..errors import StoreError
from ..protocol.objects import Object
from . import schemas
from .base import Call, Registration, Resource
from .failures import json_response

resource = Resource("health")


@resource.route("GET", "/health", answer=schemas.Health(), public=True)
def health(_call: Call) -> Object:
    """Say that the process answers; touches neither store nor engine."""
    return {"status": "ok"}


@resource.route("GET", "/health/ready", answer=schemas.Readiness(), public=True)
def ready(call: Call) -> Response:
    """Say whether requests can be served: 200, or 503 and what is missing; 503 from the begin of a shutdown on."""
    parts = {"store": _store(call.site), "engine": call.site.engine.ping() or "ok"}
    fine = all(state == "ok" for state in parts.values())
    status = "shutting_down" if call.site.runner.drain.begun else "ok" if fine else "unavailable"
    upstream = {"model": call.site.model, **call.site.engine.about()}
    told = {"status": status, **parts, "upstream": upstream, "warnings": call.site.engine.warnings()}
    return json_response(told, 200 if status == "ok" else 503)


def _store(site: Registration) -> str:
    """Return the store's state; the reason is in the log only, it may name hosts."""
    try:
        site.store.ping()
    except StoreError:
        return "unreachable"
    return "ok"
