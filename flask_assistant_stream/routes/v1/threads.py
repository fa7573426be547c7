"""Threads of the SDK face: those of the app face, without its own fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...protocol import ids, objects
from ...protocol.objects import Object
from ...stores.base import Kind, Record
from .. import schemas as app_schemas
from ..base import ApiRequest, Resource
from ..threads import remove
from . import schemas
from .lookup import find
from .messages import new_messages

resource = Resource("SDK: threads", "v1")


@resource.route("POST", "/threads", body=schemas.NewAssistantsThread(), answer=schemas.AssistantsThread())
def create_thread(request: ApiRequest) -> Object:
    """Create a thread, with or without messages."""
    store, now = request.registration.store, int(request.registration.store.now())
    messages = new_messages(request, request.body.get("messages") or (), "messages")
    with request.registration.attachments.attaching(
        request.owner, messages, None, thread_fields(request.body)
    ) as fields:
        thread = objects.thread(ids.new_id(ids.THREAD), now, **fields)
        store.insert(Record(Kind.THREAD, request.owner, thread, extra={"updated_at": now}))
    for message in messages:
        store.insert(Record(Kind.MESSAGE, request.owner, message.body(ids.new_id, now, thread["id"]), thread["id"]))
    return thread


@resource.route("GET", "/threads/<thread_id>", answer=schemas.AssistantsThread())
def get_thread(request: ApiRequest, thread_id: str) -> Object:
    """Return a thread."""
    return find(request, Kind.THREAD, thread_id).body


@resource.route("POST", "/threads/<thread_id>", body=schemas.AssistantsThreadPatch(), answer=schemas.AssistantsThread())
def update_thread(request: ApiRequest, thread_id: str) -> Object:
    """Change the tool resources or metadata of a thread; absent keys keep their values."""
    find(request, Kind.THREAD, thread_id)
    request.registration.attachments.check_resources(request.owner, request.body.get("tool_resources"))
    return request.registration.store.update(
        Kind.THREAD, request.owner, thread_id, body=thread_fields(request.body)
    ).body


@resource.route("DELETE", "/threads/<thread_id>", answer=app_schemas.Deleted())
def delete_thread(request: ApiRequest, thread_id: str) -> Object:
    """Delete a thread with its messages, after ending its active run."""
    return remove(request, thread_id)


def thread_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a thread that a body has; null empties a field."""
    return {key: body[key] or {} for key in ("metadata", "tool_resources") if key in body}
