"""Threads: make, list, read, rename, delete."""

from __future__ import annotations

from ..protocol import ids, objects
from ..protocol.objects import Object, page
from ..stores.base import Kind, Record
from ..titles import BY_HAND, GENERATED, shown_title
from . import schemas
from .base import ApiRequest, Resource
from .named_files import remove_thread
from .paging import list_page

resource = Resource("threads")


@resource.route("POST", "/threads", body=schemas.NewThread(), answer=schemas.ThreadId())
def create_thread(request: ApiRequest) -> Object:
    """Make an empty thread; the body may be left out."""
    now = int(request.registration.store.now())
    thread = objects.thread(ids.new_id(ids.THREAD), now, metadata=request.body.get("metadata"))
    extra = {BY_HAND: _title(request.body.get("title")), "updated_at": now}
    request.registration.store.insert(Record(Kind.THREAD, request.owner, thread, extra=extra))
    return {"threadId": thread["id"]}


@resource.route("GET", "/threads", query=schemas.ListQuery(), answer=schemas.ThreadPage())
def list_threads(request: ApiRequest) -> Object:
    """List your threads, the newest first unless asked otherwise."""
    found = list_page(request, Kind.THREAD)
    return page([_body(record) for record in found.records], has_more=found.has_more)


@resource.route("GET", "/threads/<thread_id>", answer=schemas.Thread())
def get_thread(request: ApiRequest, thread_id: str) -> Object:
    """Return a thread."""
    return _body(request.registration.store.get(Kind.THREAD, request.owner, thread_id))


@resource.route("PATCH", "/threads/<thread_id>", body=schemas.ThreadPatch(), answer=schemas.Thread())
def update_thread(request: ApiRequest, thread_id: str) -> Object:
    """Change title or metadata of a thread; what is left out stays."""
    body = {"metadata": request.body["metadata"] or {}} if "metadata" in request.body else {}
    extra: Object = {}
    if "title" in request.body:
        title = _title(request.body["title"])
        extra = {BY_HAND: title} if title else {BY_HAND: None, GENERATED: None}
    return _body(request.registration.store.update(Kind.THREAD, request.owner, thread_id, body=body, extra=extra))


@resource.route("POST", "/threads/<thread_id>/title", answer=schemas.Title())
def create_title(request: ApiRequest, thread_id: str) -> Object:
    """Give a thread a title after its first message; one that was set by hand stays."""
    return {"title": request.registration.titles.make(request.owner, thread_id)}


@resource.route("DELETE", "/threads/<thread_id>", answer=schemas.Deleted())
def delete_thread(request: ApiRequest, thread_id: str) -> Object:
    """Delete a thread with all its messages; its active run is ended first."""
    remove_thread(request, thread_id)
    return {"id": thread_id, "object": "thread.deleted", "deleted": True}


def _body(record: Record) -> Object:
    updated_at = record.extra.get("updated_at", record.body["created_at"])
    return {**record.body, "title": shown_title(record), "updated_at": updated_at}


def _title(given: str | None) -> str | None:
    """Return a title without blank edges; a blank one is none."""
    return (given or "").strip() or None
