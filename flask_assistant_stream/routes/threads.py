"""Threads: create, list, read, rename, delete."""

from __future__ import annotations

from ..protocol import ids, objects
from ..protocol.objects import Object
from ..stores.base import Kind, Record, ThreadRecord
from ..stores.lines import active_line
from ..titles import BY_HAND, named, shown_title
from . import schemas
from .base import ApiRequest, Resource
from .paging import list_page
from .responses import deleted

resource = Resource("threads")


@resource.route("POST", "/threads", body=schemas.NewThread(), answer=schemas.ThreadId())
def create_thread(request: ApiRequest) -> Object:
    """Create an empty thread; the body is optional."""
    now = int(request.registration.store.now())
    thread = objects.thread(ids.new_id(ids.THREAD), now, metadata=request.body.get("metadata"))
    extra = {BY_HAND: _title(request.body.get("title")), "updated_at": now}
    request.registration.store.insert(Record(Kind.THREAD, request.owner, thread, extra=extra))
    return {"threadId": thread["id"]}


@resource.route("GET", "/threads", query=schemas.ListQuery(), answer=schemas.ThreadPage())
def list_threads(request: ApiRequest) -> Object:
    """List your threads, newest first by default."""
    return list_page(request, Kind.THREAD, shown=shown_thread)


@resource.route("GET", "/threads/<thread_id>", answer=schemas.Thread())
def get_thread(request: ApiRequest, thread_id: str) -> Object:
    """Return a thread."""
    return shown_thread(request.registration.store.get(Kind.THREAD, request.owner, thread_id))


@resource.route("PATCH", "/threads/<thread_id>", body=schemas.ThreadPatch(), answer=schemas.Thread())
def update_thread(request: ApiRequest, thread_id: str) -> Object:
    """Change the title or metadata of a thread; absent keys keep their values."""
    body = {"metadata": request.body["metadata"] or {}} if "metadata" in request.body else {}
    extra: Object = {}
    if "title" in request.body:
        extra = named(_title(request.body["title"]))
    return shown_thread(
        request.registration.store.update(Kind.THREAD, request.owner, thread_id, body=body, extra=extra)
    )


@resource.route("POST", "/threads/<thread_id>/title", answer=schemas.Title())
def create_title(request: ApiRequest, thread_id: str) -> Object:
    """Generate a title from the first message of a thread; a title set by hand stays."""
    return {"title": request.registration.titles.make(request.owner, thread_id)}


@resource.route("DELETE", "/threads/<thread_id>", answer=schemas.Deleted())
def delete_thread(request: ApiRequest, thread_id: str) -> Object:
    """Delete a thread with its messages, after ending its active run."""
    return remove(request, thread_id)


def remove(request: ApiRequest, thread_id: str) -> Object:
    """Delete a thread after ending its active run, and report it."""
    registration = request.registration
    thread = registration.store.get(Kind.THREAD, request.owner, thread_id)
    registration.runner.delete_thread(request.owner, thread_id)
    registration.attachments.thread_deleted(thread)
    return deleted(thread_id, "thread.deleted")


def shown_thread(record: Record) -> Object:
    """Return a thread as this face shows it."""
    assert isinstance(record, ThreadRecord)
    return {
        **record.body,
        "title": shown_title(record),
        "updated_at": record.extra.get("updated_at", record.body["created_at"]),
        "line_id": ids.line_id(active_line(record.lines)),
        "revision": record.revision,
    }


def _title(text: str | None) -> str | None:
    """Return a title without surrounding space; None for a blank one."""
    return (text or "").strip() or None
