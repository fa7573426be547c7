"""Run steps of the SDK face."""

from __future__ import annotations

from ...protocol.objects import Object
from ...stores.base import Kind, Record
from ..base import ApiRequest, Resource
from ..paging import list_page
from . import schemas
from .lookup import find, find_run

resource = Resource("SDK: run steps", "v1")

STEPS = "/threads/<thread_id>/runs/<run_id>/steps"


@resource.route("GET", STEPS, query=schemas.StepsQuery(), answer=schemas.RunStepPage())
def list_run_steps(request: ApiRequest, thread_id: str, run_id: str) -> Object:
    """List the steps of a run."""
    find_run(request, thread_id, run_id)
    return list_page(request, Kind.RUN_STEP, run_id, shown=lambda record: _body(request, record))


@resource.route("GET", f"{STEPS}/<step_id>", query=schemas.Include(), answer=schemas.RunStep())
def get_run_step(request: ApiRequest, thread_id: str, run_id: str, step_id: str) -> Object:
    """Return a step."""
    find_run(request, thread_id, run_id)
    return _body(request, find(request, Kind.RUN_STEP, step_id, parent=run_id))


def _body(request: ApiRequest, record: Record) -> Object:
    """Return a step, with the text of search results only if the request includes it."""
    step, details = record.body, record.body["step_details"]
    if details["type"] != "tool_calls" or request.query["include"]:
        return step
    return {**step, "step_details": {**details, "tool_calls": [_without_text(call) for call in details["tool_calls"]]}}


def _without_text(call: Object) -> Object:
    search = call.get("file_search")
    if not search:
        return call
    results = [
        {key: value for key, value in result.items() if key != "content"} for result in search.get("results") or ()
    ]
    return {**call, "file_search": {**search, "results": results}}
