"""Messages of the SDK face: added without a run, listed, read, annotated, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...protocol import ids
from ...protocol.objects import Object, page
from ...runs.start_request import MessageDraft
from ...stores.base import Kind, Record
from .. import schemas as app_schemas
from ..base import ApiRequest, Resource
from ..body import check_length
from ..named_files import attaching, check_messages
from ..paging import list_page
from . import schemas
from .lookup import check_idle, check_written, find

resource = Resource("SDK: messages", "v1")


@resource.route(
    "POST", "/threads/<thread_id>/messages", body=schemas.NewAssistantsMessage(), answer=app_schemas.Message()
)
def create_message(request: ApiRequest, thread_id: str) -> Object:
    """Add a message to a thread that has no active run."""
    store, now = request.registration.store, int(request.registration.store.now())
    (message,) = new_messages(request, [request.body])
    find(request, Kind.THREAD, thread_id)
    check_idle(request, thread_id)
    with attaching(request, [message], thread_id):
        pass
    body = message.body(ids.new_id, now, thread_id)
    store.insert(Record(Kind.MESSAGE, request.owner, body, thread_id))
    store.update(Kind.THREAD, request.owner, thread_id, extra={"updated_at": now})
    return body


@resource.route("GET", "/threads/<thread_id>/messages", query=schemas.MessagesQuery(), answer=app_schemas.MessagePage())
def list_messages(request: ApiRequest, thread_id: str) -> Object:
    """List the messages of a thread, or of one of its runs."""
    find(request, Kind.THREAD, thread_id)
    found = list_page(request, Kind.MESSAGE, thread_id, run_id=request.query.get("run_id"))
    return page([record.body for record in found.records], has_more=found.has_more)


@resource.route("GET", "/threads/<thread_id>/messages/<message_id>", answer=app_schemas.Message())
def get_message(request: ApiRequest, thread_id: str, message_id: str) -> Object:
    """Return a message."""
    return _find(request, thread_id, message_id).body


@resource.route(
    "POST",
    "/threads/<thread_id>/messages/<message_id>",
    body=schemas.MetadataPatch(),
    answer=app_schemas.Message(),
)
def update_message(request: ApiRequest, thread_id: str, message_id: str) -> Object:
    """Change the metadata of a message."""
    record = _find(request, thread_id, message_id)
    if "metadata" in request.body:
        record = request.registration.store.update(
            Kind.MESSAGE, request.owner, message_id, parent=thread_id, body={"metadata": request.body["metadata"] or {}}
        )
    return record.body


@resource.route("DELETE", "/threads/<thread_id>/messages/<message_id>", answer=app_schemas.Deleted())
def delete_message(request: ApiRequest, thread_id: str, message_id: str) -> Object:
    """Delete a message that no active run has made."""
    check_written(request, _find(request, thread_id, message_id))
    request.registration.store.delete(Kind.MESSAGE, request.owner, message_id, parent=thread_id)
    return {"id": message_id, "object": "thread.message.deleted", "deleted": True}


def new_messages(request: ApiRequest, given: Sequence[Mapping[str, Any]], param: str = "") -> list[MessageDraft]:
    """Return the messages of a body.

    Args:
        given: as `schemas.NewAssistantsMessage` loads them.
        param: the key they are under, for errors.

    Raises:
        RequestError: one is too long, or names a file that is not the owner's.
    """
    for index, one in enumerate(given):
        text = "".join(part["text"]["value"] for part in one["content"] if part["type"] == "text")
        check_length(text, request.registration.max_content_chars, f"{param}[{index}].content" if param else "content")
    found = [MessageDraft(one["content"], one["role"], one.get("attachments"), one.get("metadata")) for one in given]
    check_messages(request, found, param)
    return found


def _find(request: ApiRequest, thread_id: str, message_id: str) -> Record:
    find(request, Kind.THREAD, thread_id)
    return find(request, Kind.MESSAGE, message_id, parent=thread_id)
