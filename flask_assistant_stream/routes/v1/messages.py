"""Messages of the SDK face: added without a run, listed, read, annotated, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...protocol import ids
from ...protocol.objects import Object, page
from ...runs.requests import NewMessage
from ...stores.base import Kind, Record
from .. import schemas as app_schemas
from ..base import Call, Resource
from ..body import check_length
from ..named_files import attaching, check_messages
from ..paging import list_page
from . import schemas
from .lookup import check_idle, check_written, find

resource = Resource("SDK: messages", "v1")


@resource.route("POST", "/threads/<thread_id>/messages", body=schemas.NewMessage(), answer=app_schemas.Message())
def create_message(call: Call, thread_id: str) -> Object:
    """Add a message to a thread that has no active run."""
    store, now = call.site.store, int(call.site.store.now())
    (message,) = new_messages(call, [call.body])
    find(call, Kind.THREAD, thread_id)
    check_idle(call, thread_id)
    with attaching(call, [message], thread_id):
        pass
    body = message.body(ids.new_id, now, thread_id)
    store.insert(Record(Kind.MESSAGE, call.owner, body, thread_id))
    store.update(Kind.THREAD, call.owner, thread_id, extra={"updated_at": now})
    return body


@resource.route("GET", "/threads/<thread_id>/messages", query=schemas.MessagesQuery(), answer=app_schemas.MessagePage())
def list_messages(call: Call, thread_id: str) -> Object:
    """List the messages of a thread, or of one of its runs."""
    find(call, Kind.THREAD, thread_id)
    found = list_page(call, Kind.MESSAGE, thread_id, run_id=call.query.get("run_id"))
    return page([record.body for record in found.records], has_more=found.has_more)


@resource.route("GET", "/threads/<thread_id>/messages/<message_id>", answer=app_schemas.Message())
def get_message(call: Call, thread_id: str, message_id: str) -> Object:
    """Return a message."""
    return _find(call, thread_id, message_id).body


@resource.route(
    "POST",
    "/threads/<thread_id>/messages/<message_id>",
    body=schemas.MetadataPatch(),
    answer=app_schemas.Message(),
)
def update_message(call: Call, thread_id: str, message_id: str) -> Object:
    """Change the metadata of a message."""
    record = _find(call, thread_id, message_id)
    if "metadata" in call.body:
        record = call.site.store.update(
            Kind.MESSAGE, call.owner, message_id, parent=thread_id, body={"metadata": call.body["metadata"] or {}}
        )
    return record.body


@resource.route("DELETE", "/threads/<thread_id>/messages/<message_id>", answer=app_schemas.Deleted())
def delete_message(call: Call, thread_id: str, message_id: str) -> Object:
    """Delete a message that no active run has made."""
    check_written(call, _find(call, thread_id, message_id))
    call.site.store.delete(Kind.MESSAGE, call.owner, message_id, parent=thread_id)
    return {"id": message_id, "object": "thread.message.deleted", "deleted": True}


def new_messages(call: Call, given: Sequence[Mapping[str, Any]], param: str = "") -> list[NewMessage]:
    """Return the messages of a body.

    Args:
        given: as `schemas.NewMessage` loads them.
        param: the key they are under, for errors.

    Raises:
        RequestError: one is too long, or names a file that is not the owner's.
    """
    for index, one in enumerate(given):
        text = "".join(part["text"]["value"] for part in one["content"] if part["type"] == "text")
        check_length(text, call.site.max_content_chars, f"{param}[{index}].content" if param else "content")
    found = [NewMessage(one["content"], one["role"], one.get("attachments"), one.get("metadata")) for one in given]
    check_messages(call, found, param)
    return found


def _find(call: Call, thread_id: str, message_id: str) -> Record:
    find(call, Kind.THREAD, thread_id)
    return find(call, Kind.MESSAGE, message_id, parent=thread_id)
