"""Lines of a thread: edit a message or generate an answer again, list the alternatives, switch to another line."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Response

from ..errors import NotFound, RequestError, ThreadBusy
from ..protocol import ids
from ..protocol.objects import Object
from ..runs import fork_places
from ..runs.start_request import MessageDraft, RunPosition
from ..runs.starting import BUSY
from ..stores.base import Kind
from . import fork_schemas, schemas
from .base import ApiRequest, Resource
from .messages import answer
from .paging import page_from, window
from .request_keys import once
from .stream import stream
from .threads import shown_thread

resource = Resource("forks")

MESSAGE = "/threads/<thread_id>/messages/<message_id>"


@resource.route("POST", f"{MESSAGE}/fork", body=fork_schemas.NewFork(), stream=True)
def fork_message(request: ApiRequest, thread_id: str, message_id: str) -> Response:
    """Edit a message, or generate its answer again, on a new line of the thread; stream the answer."""
    begin = _edit if "content" in request.body else _regenerate
    return stream(request, once(request, partial(begin, request, thread_id, message_id)))


@resource.route(
    "GET", f"{MESSAGE}/alternatives", query=fork_schemas.AlternativesQuery(), answer=fork_schemas.ThreadLinePage()
)
def list_alternatives(request: ApiRequest, thread_id: str, message_id: str) -> Object:
    """List the ways in which a thread continues from the place of a message."""
    return page_from(request, partial(_alternatives, request, thread_id, message_id))


@resource.route("PUT", "/threads/<thread_id>/line", body=fork_schemas.LineChoice(), answer=schemas.Thread())
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
    old, _ = fork_places.edit(store, owner, thread_id, message_id)
    attachments: list[Object] | None = body.get("attachments")
    if attachments is None:
        attachments = _kept(request, old.body["attachments"])
    message = MessageDraft(body["content"], attachments=attachments, metadata=old.body["metadata"])
    return answer(request, thread_id, [message], lambda: fork_places.edit(store, owner, thread_id, message_id)[1])


def _regenerate(request: ApiRequest, thread_id: str, message_id: str) -> RunPosition:
    if request.body.get("attachments"):
        raise RequestError(
            "Invalid 'attachments': only an edited message has them; send 'content' too.", param="attachments"
        )
    find = partial(fork_places.regenerate, request.registration.store, request.owner, thread_id, message_id)
    return answer(request, thread_id, [], find)


def _kept(request: ApiRequest, attachments: list[Object]) -> list[Object]:
    """Return the attachments of a message whose files still exist."""
    gone = request.registration.resources.gone(request.owner, [each["file_id"] for each in attachments])
    return [each for each in attachments if each["file_id"] not in gone]


def _alternatives(
    request: ApiRequest, thread_id: str, message_id: str, *, order: str, **bounds: Any
) -> tuple[list[Object], bool]:
    """Return the alternatives on a page, whose `bounds` are those of `window`, and whether more follow."""
    store = request.registration.store
    all_of_them = fork_places.alternatives(*fork_places.message_of(store, request.owner, thread_id, message_id))
    if order == "desc":
        all_of_them.reverse()
    places, has_more = window([ids.line_id(each.number) for each in all_of_them], **bounds)
    return [_shown(request, thread_id, all_of_them[place]) for place in places], has_more


def _shown(request: ApiRequest, thread_id: str, alternative: fork_places.Alternative) -> Object:
    listed: dict[str, Any] = {"parent": thread_id, "spans": (alternative.own,), "order": "asc", "limit": 1}
    messages = request.registration.store.list(Kind.MESSAGE, request.owner, **listed).records
    return {
        "id": ids.line_id(alternative.number),
        "object": "thread.line",
        "line_id": ids.line_id(alternative.line),
        "active": alternative.active,
        "message": messages[0].body if messages else None,
    }
