"""Run steps of the SDK face: what a run has done, one after the other."""

from __future__ import annotations

from ...protocol.objects import Object, page
from ...stores.base import Kind
from ..base import ApiRequest, Resource
from ..paging import list_page
from . import schemas
from .lookup import find, find_run

resource = Resource("SDK: run steps", "v1")


@resource.route(
    "GET", "/threads/<thread_id>/runs/<run_id>/steps", query=schemas.StepsQuery(), answer=schemas.RunStepPage()
)
def list_run_steps(request: ApiRequest, thread_id: str, run_id: str) -> Object:
    """List the steps of a run."""
    find_run(request, thread_id, run_id)
    found = list_page(request, Kind.RUN_STEP, run_id)
    return page([_body(request, record.body) for record in found.records], has_more=found.has_more)


@resource.route(
    "GET",
    "/threads/<thread_id>/runs/<run_id>/steps/<step_id>",
    query=schemas.Include(),
    answer=schemas.RunStep(),
)
def get_run_step(request: ApiRequest, thread_id: str, run_id: str, step_id: str) -> Object:
    """Return a step."""
    find_run(request, thread_id, run_id)
    return _body(request, find(request, Kind.RUN_STEP, step_id, parent=run_id).body)


def _body(request: ApiRequest, step: Object) -> Object:
    """Return a step, with what its searches have found only where that is asked for."""
    details = step["step_details"]
    if details["type"] != "tool_calls" or request.query["include"]:
        return step
    return {**step, "step_details": {**details, "tool_calls": [_without_text(one) for one in details["tool_calls"]]}}


def _without_text(call: Object) -> Object:
    search = call.get("file_search")
    if not search:
        return call
    results = [{key: value for key, value in one.items() if key != "content"} for one in search.get("results") or ()]
    return {**call, "file_search": {**search, "results": results}}
