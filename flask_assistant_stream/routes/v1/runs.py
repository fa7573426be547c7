"""Runs of the SDK face: start with or without a stream, poll, submit tool outputs, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Response

from ...encoders.base import Encoder, StreamStart
from ...encoders.sse import SSEEncoder
from ...encoders.vendor import WithoutVendorEvents
from ...protocol.objects import Object
from ...protocol.run_states import RUN_ACTIVE, RunStatus
from ...runs.start_request import MessageDraft, RunPosition
from ...runs.upstream_request import SEARCH_RESULTS
from ...stores.base import Kind
from .. import schemas as app_schemas
from ..actions import submit
from ..base import ApiRequest, Resource
from ..body import outputs_by_call
from ..messages import find_assistant, start_run
from ..paging import list_page
from ..request_keys import once
from ..responses import json_response
from ..stream import stream
from . import schemas
from .lookup import check_free, find, find_run, patch_metadata, run_body
from .messages import new_messages
from .threads import thread_fields

resource = Resource("SDK: runs", "v1")

RUNS = "/threads/<thread_id>/runs"

OVERRIDES = (
    "model",
    "tools",
    "tool_resources",
    "metadata",
    "temperature",
    "top_p",
    "max_prompt_tokens",
    "max_completion_tokens",
    "truncation_strategy",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "reasoning_effort",
)
"""Fields of a request that are stored on the run unchanged."""

POLL_MS = 300
"""Milliseconds between two polls of an SDK."""
_MOVING = {status.value for status in RUN_ACTIVE} - {RunStatus.REQUIRES_ACTION.value}


@resource.route(
    "POST", RUNS, body=schemas.NewRun(), query=schemas.Include(), answer=schemas.AssistantsRun(), stream=True
)
def create_run(request: ApiRequest, thread_id: str) -> Response | Object:
    """Run an assistant on a thread without an active run."""

    def begin() -> RunPosition:
        messages = new_messages(request, request.body.get("additional_messages") or (), "additional_messages")
        find(request, Kind.THREAD, thread_id)
        if any(message.attachments for message in messages):
            check_free(request, thread_id)
        return _begin(request, messages, thread_id)

    return _answer(request, once(request, begin))


@resource.route("POST", "/threads/runs", body=schemas.NewThreadRun(), answer=schemas.AssistantsRun(), stream=True)
def create_thread_and_run(request: ApiRequest) -> Response | Object:
    """Create a thread and run an assistant on it."""

    def begin() -> RunPosition:
        thread: Mapping[str, Any] = request.body.get("thread") or {}
        messages = new_messages(request, thread.get("messages") or (), "thread.messages")
        return _begin(request, messages, None, thread_fields(thread))

    return _answer(request, once(request, begin))


@resource.route("GET", RUNS, query=app_schemas.ListQuery(), answer=schemas.RunPage())
def list_runs(request: ApiRequest, thread_id: str) -> Object:
    """List the runs of a thread."""
    find(request, Kind.THREAD, thread_id)
    return list_page(request, Kind.RUN, thread_id, shown=run_body)


@resource.route("GET", f"{RUNS}/<run_id>", answer=schemas.AssistantsRun())
def get_run(request: ApiRequest, thread_id: str, run_id: str) -> Response:
    """Return a run; until it stops, the header `openai-poll-after-ms` has the time to the next poll."""
    body = run_body(find_run(request, thread_id, run_id))
    response = json_response(body)
    if body["status"] in _MOVING:
        response.headers["openai-poll-after-ms"] = str(POLL_MS)
    return response


@resource.route("POST", f"{RUNS}/<run_id>", body=schemas.MetadataPatch(), answer=schemas.AssistantsRun())
def update_run(request: ApiRequest, thread_id: str, run_id: str) -> Object:
    """Change the metadata of a run."""
    return run_body(patch_metadata(request, find_run(request, thread_id, run_id)))


@resource.route("POST", f"{RUNS}/<run_id>/cancel", answer=schemas.AssistantsRun())
def cancel_run(request: ApiRequest, thread_id: str, run_id: str) -> Object:
    """Cancel a run; its messages are kept."""
    find_run(request, thread_id, run_id)
    return request.registration.runner.cancel(request.owner, thread_id, run_id)


@resource.route(
    "POST",
    f"{RUNS}/<run_id>/submit_tool_outputs",
    body=schemas.ToolOutputs(),
    answer=schemas.AssistantsRun(),
    stream=True,
)
def submit_tool_outputs(request: ApiRequest, thread_id: str, run_id: str) -> Response | Object:
    """Answer all pending function calls of a run and continue it."""
    outputs = outputs_by_call(request.body["tool_outputs"], request.registration.max_content_chars, "tool_outputs")
    find_run(request, thread_id, run_id)
    return _answer(request, submit(request, thread_id, run_id, outputs))


def _begin(
    request: ApiRequest,
    messages: list[MessageDraft],
    thread_id: str | None,
    new_thread: Mapping[str, Any] | None = None,
) -> RunPosition:
    body = request.body
    assistant = find_assistant(request, body["assistant_id"], "assistant_id")
    overrides = {**{key: body.get(key) for key in OVERRIDES}, "instructions": _instructions(assistant.body, body)}
    extra = {SEARCH_RESULTS: True} if request.query.get("include") else {}
    attachments = request.registration.attachments
    attachments.check_resources(request.owner, body.get("tool_resources"))
    with attachments.attaching(request.owner, messages, thread_id, new_thread, "thread.tool_resources") as thread:
        options = {"thread_id": thread_id, "new_thread": thread, "overrides": overrides, "extra": extra}
        return start_run(request, assistant, messages, busy="reject", **options)


def _instructions(assistant: Object, body: Mapping[str, Any]) -> str:
    """Return the run's own instructions or the assistant's, followed by the additional ones."""
    own = body.get("instructions")
    base = assistant["instructions"] if own is None else own
    return "\n".join(text for text in (base, body.get("additional_instructions")) if text)


def _answer(request: ApiRequest, position: RunPosition) -> Response | Object:
    """Return the stream or the run, as `stream` in the body says (`spec/assistants.md#requests`)."""
    if request.body.get("stream"):
        return stream(replace(request, format=_sse), position)
    return run_body(request.registration.store.get(Kind.RUN, request.owner, position.run_id))


def _sse(start: StreamStart) -> Encoder:
    return WithoutVendorEvents(SSEEncoder(start))
