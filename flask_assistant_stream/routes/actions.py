"""`POST /threads/{id}/actions`: the page has run the functions, the run goes on."""

from __future__ import annotations

from flask import Response

from ..errors import RequestError
from . import schemas
from .base import Call, Resource
from .body import check_length
from .stream import stream

resource = Resource("actions")


@resource.route("POST", "/threads/<thread_id>/actions", body=schemas.Actions(), stream=True)
def submit_actions(call: Call, thread_id: str) -> Response:
    """Answer all pending function calls of a run and stream what follows."""
    outputs, run_id = _outputs(call), call.body["run_id"]
    try:
        attached = call.site.runner.submit(call.owner, thread_id, run_id, outputs, request_id=call.request_id)
    except RequestError as error:
        if error.param == "tool_outputs":
            error.param = "toolCallOutputs"  # this face's word for it
        raise
    return stream(call, attached)


def _outputs(call: Call) -> dict[str, str]:
    outputs: dict[str, str] = {}
    for index, given in enumerate(call.body["outputs"]):
        param, output = f"toolCallOutputs[{index}]", given["output"] or ""
        check_length(output, call.site.max_content_chars, f"{param}.output")
        if given["tool_call_id"] in outputs:
            raise RequestError(f"Invalid '{param}.tool_call_id': it is there twice.", param=f"{param}.tool_call_id")
        outputs[given["tool_call_id"]] = output
    return outputs
