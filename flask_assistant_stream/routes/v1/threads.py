"""Threads of the SDK face: the same threads as those of the app face, without what only that one tells."""

from __future__ import annotations

from typing import Any

from ...protocol import ids, objects
from ...protocol.objects import Object
from ...stores.base import Kind, Record
from .. import schemas as app_schemas
from ..base import Call, Resource
from ..named_files import attaching, check_resources, remove_thread
from . import schemas
from .lookup import find
from .messages import new_messages

resource = Resource("SDK: threads", "v1")


@resource.route("POST", "/threads", body=schemas.NewThread(), answer=schemas.Thread())
def create_thread(call: Call) -> Object:
    """Make a thread, with messages if some are given."""
    store, now = call.site.store, int(call.site.store.now())
    messages = new_messages(call, call.body.get("messages") or (), "messages")
    with attaching(call, messages, None, thread_fields(call.body)) as fields:
        thread = objects.thread(ids.new_id(ids.THREAD), now, **fields)
        store.insert(Record(Kind.THREAD, call.owner, thread, extra={"updated_at": now}))
    for message in messages:
        store.insert(Record(Kind.MESSAGE, call.owner, message.body(ids.new_id, now, thread["id"]), thread["id"]))
    return thread


@resource.route("GET", "/threads/<thread_id>", answer=schemas.Thread())
def get_thread(call: Call, thread_id: str) -> Object:
    """Return a thread."""
    return find(call, Kind.THREAD, thread_id).body


@resource.route("POST", "/threads/<thread_id>", body=schemas.ThreadPatch(), answer=schemas.Thread())
def update_thread(call: Call, thread_id: str) -> Object:
    """Change tool resources or metadata of a thread; what is left out stays."""
    find(call, Kind.THREAD, thread_id)
    check_resources(call, call.body.get("tool_resources"))
    return call.site.store.update(Kind.THREAD, call.owner, thread_id, body=thread_fields(call.body)).body


@resource.route("DELETE", "/threads/<thread_id>", answer=app_schemas.Deleted())
def delete_thread(call: Call, thread_id: str) -> Object:
    """Delete a thread with all its messages; its active run is ended first."""
    remove_thread(call, thread_id)
    return {"id": thread_id, "object": "thread.deleted", "deleted": True}


def thread_fields(given: Any) -> dict[str, Any]:
    """Return those fields of a thread that are given; null empties one."""
    return {key: given[key] or {} for key in ("metadata", "tool_resources") if key in given}
