"""Messages of the SDK face: add without a run, list, read, annotate, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...protocol import ids
from ...protocol.objects import Object
from ...runs.start_request import MessageDraft
from ...stores.base import Kind, Record
from ...stores.lines import spans_of
from .. import schemas as app_schemas
from ..base import ApiRequest, Resource
from ..body import check_length
from ..paging import list_page, spans_of_run
from ..responses import deleted
from . import schemas
from .lookup import check_idle, check_written, find, patch_metadata

resource = Resource("SDK: messages", "v1")

MESSAGES = "/threads/<thread_id>/messages"


@resource.route("POST", MESSAGES, body=schemas.NewAssistantsMessage(), answer=app_schemas.Message())
def create_message(request: ApiRequest, thread_id: str) -> Object:
    """Add a message to a thread without an active run."""
    store, now = request.registration.store, int(request.registration.store.now())
    (message,) = new_messages(request, [request.body])
    find(request, Kind.THREAD, thread_id)
    check_idle(request, thread_id)
    with request.registration.attachments.attaching(request.owner, [message], thread_id):
        pass
    body = message.body(ids.new_id, now, thread_id)
    store.insert(Record(Kind.MESSAGE, request.owner, body, thread_id))
    store.update(Kind.THREAD, request.owner, thread_id, extra={"updated_at": now})
    return body


@resource.route("GET", MESSAGES, query=schemas.MessagesQuery(), answer=app_schemas.MessagePage())
def list_messages(request: ApiRequest, thread_id: str) -> Object:
    """List the messages of a thread's active line, or of one of its runs."""
    store, run_id = request.registration.store, request.query.get("run_id")
    spans = spans_of(store.get_thread(request.owner, thread_id).lines)
    if run_id is not None:
        run = store.find(Kind.RUN, request.owner, run_id, parent=thread_id)
        spans = () if run is None else spans_of_run(run)
    return list_page(request, Kind.MESSAGE, thread_id, spans=spans)


@resource.route("GET", f"{MESSAGES}/<message_id>", answer=app_schemas.Message())
def get_message(request: ApiRequest, thread_id: str, message_id: str) -> Object:
    """Return a message."""
    return _find(request, thread_id, message_id).body


@resource.route("POST", f"{MESSAGES}/<message_id>", body=schemas.MetadataPatch(), answer=app_schemas.Message())
def update_message(request: ApiRequest, thread_id: str, message_id: str) -> Object:
    """Change the metadata of a message."""
    return patch_metadata(request, _find(request, thread_id, message_id)).body


@resource.route("DELETE", f"{MESSAGES}/<message_id>", answer=app_schemas.Deleted())
def delete_message(request: ApiRequest, thread_id: str, message_id: str) -> Object:
    """Delete a message that does not belong to an active run."""
    check_written(request, _find(request, thread_id, message_id))
    request.registration.store.delete(Kind.MESSAGE, request.owner, message_id, parent=thread_id)
    return deleted(message_id, "thread.message.deleted")


def new_messages(request: ApiRequest, bodies: Sequence[Mapping[str, Any]], param: str = "") -> list[MessageDraft]:
    """Return the messages of a request.

    Args:
        bodies: as `schemas.NewAssistantsMessage` loads them.
        param: their key in the request's body, for errors.

    Raises:
        RequestError: a message is too long, or names a file that the owner does not have.
    """
    for index, body in enumerate(bodies):
        text = "".join(part["text"]["value"] for part in body["content"] if part["type"] == "text")
        check_length(text, request.registration.max_content_chars, f"{param}[{index}].content" if param else "content")
    drafts = [
        MessageDraft(body["content"], body["role"], body.get("attachments"), body.get("metadata")) for body in bodies
    ]
    request.registration.attachments.check_messages(request.owner, drafts, param)
    return drafts


def _find(request: ApiRequest, thread_id: str, message_id: str) -> Record:
    find(request, Kind.THREAD, thread_id)
    return find(request, Kind.MESSAGE, message_id, parent=thread_id)
