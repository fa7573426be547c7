"""Lines of a thread: edit a message or generate an answer again, list the alternatives, switch to another line."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response

from ..errors import NotFound, RequestError, ThreadBusy
from ..protocol import ids
from ..protocol.objects import Object
from ..runs import forks
from ..runs.start_request import MessageDraft, RunPosition
from ..runs.starting import BUSY
from ..stores.base import Kind
from . import schemas
from .base import ApiRequest, Resource
from .messages import answer
from .paging import page_from
from .request_keys import once
from .stream import stream
from .threads import shown_thread

resource = Resource("lines")

MESSAGE = "/threads/<thread_id>/messages/<message_id>"


@resource.route("POST", f"{MESSAGE}/fork", body=schemas.NewFork(), stream=True)
def fork_message(request: ApiRequest, thread_id: str, message_id: str) -> Response:
    """Edit a message, or generate its answer again, on a new line of the thread; stream the answer."""
    begin = _edit if "content" in request.body else _regenerate
    return stream(request, once(request, partial(begin, request, thread_id, message_id)))


@resource.route("GET", f"{MESSAGE}/alternatives", query=schemas.AlternativesQuery(), answer=schemas.ThreadLinePage())
def list_alternatives(request: ApiRequest, thread_id: str, message_id: str) -> Object:
    """List the ways in which a thread continues from the place of a message."""
    return page_from(request, partial(_alternatives, request, thread_id, message_id))


@resource.route("PUT", "/threads/<thread_id>/line", body=schemas.LineChoice(), answer=schemas.Thread())
def switch_line(request: ApiRequest, thread_id: str) -> Object:
    """Continue a thread on another one of its lines."""
    store, number = request.registration.store, request.body["line_id"]
    known = {0, *(line.number for line in store.get_thread(request.owner, thread_id).lines)}
    if number not in known:
        raise NotFound(f"No line found with id '{ids.line_id(number)}' in thread '{thread_id}'.", param="line_id")
    try:
        return shown_thread(store.switch(request.owner, thread_id, number))
    except ThreadBusy as error:
        raise RequestError(f"{error.message} Cancel it or wait for its end, then switch.", code=BUSY) from None


def _edit(request: ApiRequest, thread_id: str, message_id: str) -> RunPosition:
    store, owner, body = request.registration.store, request.owner, request.body
    old, _ = forks.edit(store, owner, thread_id, message_id)
    attachments: list[Object] | None = body.get("attachments")
    if attachments is None:
        attachments = _kept(request, old.body["attachments"])
    message = MessageDraft(body["content"], attachments=attachments, metadata=old.body["metadata"])
    return answer(request, thread_id, [message], lambda: forks.edit(store, owner, thread_id, message_id)[1])


def _regenerate(request: ApiRequest, thread_id: str, message_id: str) -> RunPosition:
    if request.body.get("attachments"):
        raise RequestError(
            "Invalid 'attachments': only an edited message has them; send 'content' too.", param="attachments"
        )
    find = partial(forks.regenerate, request.registration.store, request.owner, thread_id, message_id)
    return answer(request, thread_id, [], find)


def _kept(request: ApiRequest, attachments: list[Object]) -> list[Object]:
    """Return the attachments of a message whose files still exist."""
    gone = request.registration.resources.gone(request.owner, [each["file_id"] for each in attachments])
    return [each for each in attachments if each["file_id"] not in gone]


def _alternatives(
    request: ApiRequest,
    thread_id: str,
    message_id: str,
    *,
    limit: int,
    order: str,
    after: str | None,
    before: str | None,
) -> tuple[list[Object], bool]:
    store, owner = request.registration.store, request.owner
    found = forks.alternatives(*forks.message_of(store, owner, thread_id, message_id))
    if order == "desc":
        found.reverse()
    places = {ids.line_id(each.number): place for place, each in enumerate(found)}
    for param, cursor in (("after", after), ("before", before)):
        if cursor is not None and cursor not in places:
            raise NotFound(f"No line found with id '{cursor}' among the alternatives.", param=param)
    between = found[0 if after is None else places[after] + 1 : None if before is None else places[before]]
    backwards = before is not None and after is None  # the page ends next to the cursor
    part = between[-limit:] if backwards else between[:limit]

    def shown(each: forks.Alternative) -> Object:
        first = store.list(Kind.MESSAGE, owner, parent=thread_id, limit=1, order="asc", spans=(each.own,)).records
        return {
            "id": ids.line_id(each.number),
            "object": "thread.line",
            "line_id": ids.line_id(each.line),
            "active": each.active,
            "message": first[0].body if first else None,
        }

    return [shown(each) for each in part], len(between) > limit
