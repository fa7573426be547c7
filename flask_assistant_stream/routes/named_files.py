"""Files and vector stores that a body names: the owner's or refused, put where the tools of a thread find them.

For both faces. Somebody else's id is as unknown as one that nobody has.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ..errors import AssistantStreamError
from ..protocol.objects import Object
from ..runs.start_request import MessageDraft
from ..stores.base import Kind
from .base import ApiRequest

logger = logging.getLogger(__name__)


def check_messages(request: ApiRequest, messages: Iterable[MessageDraft], param: str = "") -> None:
    """Refuse messages with images or attachments that are not the owner's, or cannot be searched as they are to be.

    Args:
        param: the key that the messages are under, "" where the body is the only one.

    Raises:
        NotFound: `param` is the place of the id.
        RequestError: a file of such a type cannot be searched.
    """
    files = request.registration.files
    for index, message in enumerate(messages):
        place = f"{param}[{index}]." if param else ""
        for number, part in enumerate(message.content):
            if part["type"] == "image_file":
                files.check(
                    request.owner, [part["image_file"]["file_id"]], f"{place}content[{number}].image_file.file_id"
                )
        for number, one in enumerate(message.attachments or ()):
            searched = any(tool["type"] == "file_search" for tool in one.get("tools") or ())
            check = files.check_searchable if searched else files.check
            check(request.owner, [one["file_id"]], f"{place}attachments[{number}].file_id")


def check_resources(
    request: ApiRequest, tool_resources: Mapping[str, Any] | None, param: str = "tool_resources"
) -> None:
    """Refuse tool resources with files or vector stores that are not the owner's, nor shared with everybody.

    Raises:
        NotFound: its `param` begins with that of the tool resources.
    """
    if tool_resources:
        request.registration.resources.check(request.owner, tool_resources, param)


@contextmanager
def prepared(
    request: ApiRequest,
    tool_resources: Mapping[str, Any] | None,
    param: str = "tool_resources",
    *,
    for_thread: bool = False,
) -> Iterator[dict[str, Any]]:
    """Give tool resources as they are stored, vector stores made that they describe; where the block fails, removed.

    Args:
        for_thread: what is made goes with its thread.

    Raises:
        NotFound: as `check_resources`.
    """
    if not tool_resources:
        yield {}
        return
    stored = request.registration.resources.prepare(request.owner, tool_resources, param=param, for_thread=for_thread)
    with _removing(request, tool_resources, stored):
        yield stored


@contextmanager
def attaching(
    request: ApiRequest,
    messages: Sequence[MessageDraft],
    thread_id: str | None,
    new_thread: Mapping[str, Any] | None = None,
    param: str = "tool_resources",
) -> Iterator[dict[str, Any]]:
    """Give the fields of a new thread with the attachments of its messages in its tool resources.

    Those of a thread that is there already are changed before this gives nothing. Where the block fails, vector
    stores that were made for a new thread are removed.

    Args:
        messages: checked.
        thread_id: None for a new thread.
        new_thread: its fields.
        param: of its tool resources.

    Raises:
        NotFound: no such thread, or as `check_resources`.
    """
    if thread_id is not None:
        with _unless_lost(request, thread_id, _attach(request, messages, thread_id)):
            yield {}
        return
    fields = new_thread or {}
    with prepared(request, fields.get("tool_resources"), param, for_thread=True) as given:
        stored = _attached(request, messages, given) or given
        with _removing(request, given, stored):
            yield {**fields, "tool_resources": stored}


def remove_thread(request: ApiRequest, thread_id: str) -> None:
    """Delete a thread with all that is below it, and the vector store that was made for it.

    Raises:
        NotFound: no such thread for this owner.
    """
    thread = request.registration.store.get(Kind.THREAD, request.owner, thread_id)
    request.registration.runner.delete_thread(request.owner, thread_id)
    resources = thread.body.get("tool_resources")
    if not resources:
        return
    try:
        request.registration.resources.thread_deleted(request.owner, resources)
    except AssistantStreamError as error:  # the thread is gone, so the client cannot ask again; the store expires
        logger.warning("the vector store of %s was not removed: %s", thread_id, error.message)


def _attach(request: ApiRequest, messages: Sequence[MessageDraft], thread_id: str) -> set[str]:
    """Put attachments into a thread's tool resources and return the vector stores that were made for it."""
    if not any(message.attachments for message in messages):
        return set()
    store = request.registration.store
    before = store.get(Kind.THREAD, request.owner, thread_id).body.get("tool_resources") or {}
    changed = _attached(request, messages, before)
    if changed is None:
        return set()
    with _removing(request, before, changed):
        store.update(Kind.THREAD, request.owner, thread_id, body={"tool_resources": changed})
    return _stores(changed) - _stores(before)


def _attached(request: ApiRequest, messages: Sequence[MessageDraft], tool_resources: Object) -> dict[str, Any] | None:
    attachments = [one for message in messages for one in message.attachments or ()]
    return (
        request.registration.resources.attach_messages(request.owner, tool_resources, attachments)
        if attachments
        else None
    )


@contextmanager
def _removing(request: ApiRequest, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[None]:
    """Remove the vector stores that `after` has and `before` has not, where the block fails."""
    try:
        yield
    except BaseException:
        _remove(request, _stores(after) - _stores(before))
        raise


@contextmanager
def _unless_lost(request: ApiRequest, thread_id: str, made: set[str]) -> Iterator[None]:
    """Remove what was made for a thread that names another by now, where the block fails: of two requests at once."""
    try:
        yield
    except BaseException:
        if made:
            with suppress(AssistantStreamError):
                thread = request.registration.store.get(Kind.THREAD, request.owner, thread_id)
                _remove(request, made - _stores(thread.body.get("tool_resources") or {}))
        raise


def _remove(request: ApiRequest, vector_store_ids: set[str]) -> None:
    for made in vector_store_ids:
        try:
            request.registration.vector_stores.delete(request.owner, made)
        except AssistantStreamError as error:
            logger.warning("vector store %s was not removed: %s", made, error.message)


def _stores(tool_resources: Mapping[str, Any]) -> set[str]:
    return {*((tool_resources.get("file_search") or {}).get("vector_store_ids") or ())}
