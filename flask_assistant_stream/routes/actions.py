"""`POST /threads/{id}/actions`: the page has run the functions, the run goes on."""

from __future__ import annotations

from flask import Response

from ..errors import RequestError
from . import schemas
from .base import ApiRequest, Resource
from .body import outputs_by_call
from .request_keys import once
from .stream import stream

resource = Resource("actions")


@resource.route("POST", "/threads/<thread_id>/actions", body=schemas.Actions(), stream=True)
def submit_actions(request: ApiRequest, thread_id: str) -> Response:
    """Answer all pending function calls of a run and stream what follows."""
    run_id = request.body["run_id"]
    outputs = outputs_by_call(request.body["outputs"], request.registration.max_content_chars, "toolCallOutputs")
    submit = request.registration.runner.submit
    try:
        position = once(
            request,
            lambda: submit(request.owner, thread_id, run_id, outputs, key=request.key, request_id=request.request_id),
        )
    except RequestError as error:
        if error.param == "tool_outputs":
            error.param = "toolCallOutputs"  # this face's word for it
        raise
    return stream(request, position)
