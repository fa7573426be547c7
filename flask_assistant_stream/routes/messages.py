"""The messages of a thread: read the history, send a message as the quickstart does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Any

from flask import Response

from ..assistants import FoundAssistant
from ..errors import NotFound, StoreError
from ..protocol.objects import Object
from ..runs.start_request import FindFork, MessageDraft, RunPosition, StartRequest, no_fork
from ..stores.base import Kind
from ..stores.lines import spans_of
from . import schemas
from .base import ApiRequest, Resource
from .body import check_length
from .paging import list_page
from .request_keys import once
from .stream import stream

resource = Resource("messages")


@resource.route("GET", "/threads/<thread_id>/messages", query=schemas.ListQuery(), answer=schemas.MessagePage())
def list_messages(request: ApiRequest, thread_id: str) -> Object:
    """List the messages of a thread, newest first by default."""
    thread = request.registration.store.get_thread(request.owner, thread_id)
    return list_page(request, Kind.MESSAGE, thread_id, spans=spans_of(thread.lines))


@resource.route("POST", "/threads/<thread_id>/messages", body=schemas.NewMessage(), stream=True)
def create_message(request: ApiRequest, thread_id: str) -> Response:
    """Send a message on a thread and stream the answer."""
    return stream(request, send(request, thread_id))


def send(request: ApiRequest, thread_id: str | None) -> RunPosition:
    """Store the message of a request and start its run, once; an invalid request stores nothing."""
    return once(request, lambda: _send(request, thread_id))


def _send(request: ApiRequest, thread_id: str | None) -> RunPosition:
    return answer(
        request, thread_id, [MessageDraft(request.body["content"], attachments=request.body.get("attachments"))]
    )


def answer(
    request: ApiRequest, thread_id: str | None, messages: Sequence[MessageDraft], fork: FindFork = no_fork
) -> RunPosition:
    """Start a run that answers messages of a request on a thread, or on a new line of it."""
    registration = request.registration
    for message in messages:
        text = "".join(part["text"]["value"] for part in message.content)
        check_length(text, registration.max_content_chars, "content")
    registration.attachments.check_messages(request.owner, messages)
    assistant = find_assistant(request, request.body.get("assistant_id"), "assistantId")
    # Attachments change the thread before the run starts, so they wait until the thread is free.
    waits = thread_id is not None and any(message.attachments for message in messages)
    free = registration.runner.free(request.owner, thread_id or "", request.key) if waits else nullcontext()
    with free, registration.attachments.attaching(request.owner, messages, thread_id) as new_thread:
        options = {"thread_id": thread_id, "new_thread": new_thread, "fork": fork}
        return start_run(request, assistant, messages, titled=True, **options)


def start_run(
    request: ApiRequest, assistant: FoundAssistant, messages: Sequence[MessageDraft], **options: Any
) -> RunPosition:
    """Start a run and keep its assistant; `options` are more fields of the `StartRequest`."""
    key, request_id = request.key, request.request_id
    start = StartRequest(request.owner, assistant.body, messages, key=key, request_id=request_id, **options)
    position = request.registration.runner.start(start)
    with suppress(StoreError):  # the run has started; the next use of the assistant keeps it
        assistant.keep()
    return position


def find_assistant(request: ApiRequest, assistant_id: str | None, param: str) -> FoundAssistant:
    """Return the assistant that the key `param` of a body names; for None, the default one."""
    try:
        return request.registration.assistants.find(request.owner, assistant_id)
    except NotFound as error:
        raise NotFound(error.message, param=param) from None
