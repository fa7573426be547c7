"""`POST /threads/{id}/actions`: the page has run the functions, the run goes on."""

from __future__ import annotations

from flask import Response

from ..errors import RequestError
from . import schemas
from .base import Call, Resource
from .body import outputs_by_call
from .repeats import once
from .stream import stream

resource = Resource("actions")


@resource.route("POST", "/threads/<thread_id>/actions", body=schemas.Actions(), stream=True)
def submit_actions(call: Call, thread_id: str) -> Response:
    """Answer all pending function calls of a run and stream what follows."""
    run_id = call.body["run_id"]
    outputs = outputs_by_call(call.body["outputs"], call.site.max_content_chars, "toolCallOutputs")
    submit = call.site.runner.submit
    try:
        attached = once(
            call,
            lambda: submit(call.owner, thread_id, run_id, outputs, key=call.key, request_id=call.request_id),
        )
    except RequestError as error:
        if error.param == "tool_outputs":
            error.param = "toolCallOutputs"  # this face's word for it
        raise
    return stream(call, attached)
