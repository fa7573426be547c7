"""Files and vector stores that a body names, on both faces: checked for their owner, stored for a thread's tools.

The id of another owner is as unknown as one that does not exist.
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
    """Reject messages with files of other owners, or with files to search that cannot be searched.

    Args:
        param: the key of the messages in the body; "" if the body is the message.

    Raises:
        NotFound: an id is unknown; `param` is its place.
        RequestError: files of that type cannot be searched.
    """
    files = request.registration.files
    for index, message in enumerate(messages):
        place = f"{param}[{index}]." if param else ""
        for number, part in enumerate(message.content):
            if part["type"] == "image_file":
                files.check(
                    request.owner, [part["image_file"]["file_id"]], f"{place}content[{number}].image_file.file_id"
                )
        for number, attachment in enumerate(message.attachments or ()):
            searched = any(tool["type"] == "file_search" for tool in attachment.get("tools") or ())
            check = files.check_searchable if searched else files.check
            check(request.owner, [attachment["file_id"]], f"{place}attachments[{number}].file_id")


def check_resources(
    request: ApiRequest, tool_resources: Mapping[str, Any] | None, param: str = "tool_resources"
) -> None:
    """Reject tool resources with files or vector stores that are neither the owner's nor shared with all owners.

    Raises:
        NotFound: an id is unknown; `param` is its place.
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
    """Yield tool resources in stored form, with new vector stores created; delete these if the block fails.

    Args:
        for_thread: delete the new vector stores with their thread.

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
    """Yield the fields of a new thread, with the attachments of its messages in its tool resources.

    An existing thread is changed at once, and the fields are empty. If the block fails, the new thread's vector stores
    are deleted.

    Args:
        messages: already checked.
        thread_id: None for a new thread.
        new_thread: its fields.
        param: the key of its tool resources.

    Raises:
        NotFound: the thread is unknown, or as `check_resources`.
    """
    if thread_id is not None:
        with _unless_lost(request, thread_id, _attach(request, messages, thread_id)):
            yield {}
        return
    fields = new_thread or {}
    with prepared(request, fields.get("tool_resources"), param, for_thread=True) as resources:
        stored = _attached(request, messages, resources) or resources
        with _removing(request, resources, stored):
            yield {**fields, "tool_resources": stored}


def remove_thread(request: ApiRequest, thread_id: str) -> None:
    """Delete a thread with its messages and runs, and its own vector store.

    Raises:
        NotFound: the owner has no such thread.
    """
    thread = request.registration.store.get(Kind.THREAD, request.owner, thread_id)
    request.registration.runner.delete_thread(request.owner, thread_id)
    resources = thread.body.get("tool_resources")
    if not resources:
        return
    try:
        request.registration.resources.thread_deleted(request.owner, resources)
    except AssistantStreamError as error:  # the client cannot retry without the thread; the vector store expires
        logger.warning("vector store of %s not deleted: %s", thread_id, error.message)


def _attach(request: ApiRequest, messages: Sequence[MessageDraft], thread_id: str) -> set[str]:
    """Add attachments to a thread's tool resources and return the vector stores created for it."""
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
    attachments = [attachment for message in messages for attachment in message.attachments or ()]
    return (
        request.registration.resources.attach_messages(request.owner, tool_resources, attachments)
        if attachments
        else None
    )


@contextmanager
def _removing(request: ApiRequest, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[None]:
    """If the block fails, delete the vector stores that are in `after` and not in `before`."""
    try:
        yield
    except BaseException:
        _remove(request, _stores(after) - _stores(before))
        raise


@contextmanager
def _unless_lost(request: ApiRequest, thread_id: str, created: set[str]) -> Iterator[None]:
    """If the block fails, delete the created vector stores that another request has replaced meanwhile."""
    try:
        yield
    except BaseException:
        if created:
            with suppress(AssistantStreamError):
                thread = request.registration.store.get(Kind.THREAD, request.owner, thread_id)
                _remove(request, created - _stores(thread.body.get("tool_resources") or {}))
        raise


def _remove(request: ApiRequest, vector_store_ids: set[str]) -> None:
    for vector_store_id in vector_store_ids:
        try:
            request.registration.vector_stores.delete(request.owner, vector_store_id)
        except AssistantStreamError as error:
            logger.warning("vector store %s not deleted: %s", vector_store_id, error.message)


def _stores(tool_resources: Mapping[str, Any]) -> set[str]:
    return {*((tool_resources.get("file_search") or {}).get("vector_store_ids") or ())}
