"""`POST /threads/{id}/actions`: the page sends the tool outputs and the run continues."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response

from ..errors import RequestError
from ..runs.start_request import RunPosition
from . import schemas
from .base import ApiRequest, Resource
from .body import outputs_by_call
from .request_keys import once
from .stream import stream

resource = Resource("actions")


@resource.route("POST", "/threads/<thread_id>/actions", body=schemas.Actions(), stream=True)
def submit_actions(request: ApiRequest, thread_id: str) -> Response:
    """Answer all pending function calls of a run and stream what follows."""
    outputs = outputs_by_call(request.body["outputs"], request.registration.max_content_chars, "toolCallOutputs")
    try:
        position = submit(request, thread_id, request.body["run_id"], outputs)
    except RequestError as error:
        if error.param == "tool_outputs":
            error.param = "toolCallOutputs"  # the key in this face's body
        raise
    return stream(request, position)


def submit(request: ApiRequest, thread_id: str, run_id: str, outputs: Mapping[str, str]) -> RunPosition:
    """Continue a run with tool outputs, once."""
    key, request_id = request.key, request.request_id
    runner = request.registration.runner
    return once(
        request, lambda: runner.submit(request.owner, thread_id, run_id, outputs, key=key, request_id=request_id)
    )
