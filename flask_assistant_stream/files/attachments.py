"""Files and vector stores that messages and tool resources name: checked for their owner, added to a thread's tools.

The id of another owner is as unknown as one that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from ..errors import AssistantStreamError
from ..loggers import logger_of
from ..protocol.objects import Object
from ..stores.base import Kind, Record, Store
from .files import Files
from .tool_resources import ToolResources
from .vector_stores import VectorStores

logger = logger_of(__name__)


class MessageFiles(Protocol):
    """The parts of a message that name files; it is not stored yet."""

    @property
    def content(self) -> Sequence[Object]:
        """Return the content parts."""

    @property
    def attachments(self) -> Sequence[Object] | None:
        """Return `{"file_id", "tools"}` of each attachment."""


class Attachments:
    """Checks what requests name, and removes new vector stores if such a request fails."""

    def __init__(self, store: Store, files: Files, vector_stores: VectorStores, resources: ToolResources) -> None:
        self._store = store
        self._files = files
        self._vector_stores = vector_stores
        self._resources = resources

    def check_messages(self, owner: str, messages: Iterable[MessageFiles], param: str = "") -> None:
        """Reject messages with files of other owners, or with files to search that cannot be searched.

        Args:
            param: the key of the messages in the body; "" if the body is the message.

        Raises:
            NotFound: an id is unknown; `param` is its place.
            RequestError: files of that type cannot be searched.
        """
        for index, message in enumerate(messages):
            place = f"{param}[{index}]." if param else ""
            for number, part in enumerate(message.content):
                if part["type"] == "image_file":
                    image_place = f"{place}content[{number}].image_file.file_id"
                    self._files.check(owner, [part["image_file"]["file_id"]], image_place)
            for number, attachment in enumerate(message.attachments or ()):
                searched = any(tool["type"] == "file_search" for tool in attachment.get("tools") or ())
                check = self._files.check_searchable if searched else self._files.check
                check(owner, [attachment["file_id"]], f"{place}attachments[{number}].file_id")

    def check_resources(
        self, owner: str, tool_resources: Mapping[str, Any] | None, param: str = "tool_resources"
    ) -> None:
        """Reject tool resources with files or vector stores that are neither the owner's nor shared with all owners.

        Raises:
            NotFound: an id is unknown; `param` is its place.
        """
        if tool_resources:
            self._resources.check(owner, tool_resources, param)

    @contextmanager
    def prepared(
        self,
        owner: str,
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
        stored = self._resources.prepare(owner, tool_resources, param=param, for_thread=for_thread)
        with self._removing(owner, tool_resources, stored):
            yield stored

    @contextmanager
    def attaching(
        self,
        owner: str,
        messages: Sequence[MessageFiles],
        thread_id: str | None,
        new_thread: Mapping[str, Any] | None = None,
        param: str = "tool_resources",
    ) -> Iterator[dict[str, Any]]:
        """Yield the fields of a new thread, with the attachments of its messages in its tool resources.

        An existing thread is changed at once, and the fields are empty. If the block fails, the new thread's vector
        stores are deleted.

        Args:
            messages: already checked.
            thread_id: None for a new thread.
            new_thread: its fields.
            param: the key of its tool resources.

        Raises:
            NotFound: the thread is unknown, or as `check_resources`.
        """
        if thread_id is not None:
            with self._unless_lost(owner, thread_id, self._attach(owner, messages, thread_id)):
                yield {}
            return
        fields = new_thread or {}
        with self.prepared(owner, fields.get("tool_resources"), param, for_thread=True) as resources:
            stored = self._attached(owner, messages, resources) or resources
            with self._removing(owner, resources, stored):
                yield {**fields, "tool_resources": stored}

    def thread_deleted(self, thread: Record) -> None:
        """Delete the vector stores that were created for a deleted thread."""
        resources = thread.body.get("tool_resources")
        if not resources:
            return
        try:
            self._resources.thread_deleted(thread.owner, resources)
        except AssistantStreamError as error:  # the client cannot retry without the thread; the vector store expires
            logger.warning("vector store of %s not deleted: %s", thread.id, error.message)

    def _attach(self, owner: str, messages: Sequence[MessageFiles], thread_id: str) -> set[str]:
        """Add attachments to a thread's tool resources and return the vector stores created for it."""
        if not any(message.attachments for message in messages):
            return set()
        before = self._store.get(Kind.THREAD, owner, thread_id).body.get("tool_resources") or {}
        changed = self._attached(owner, messages, before)
        if changed is None:
            return set()
        with self._removing(owner, before, changed):
            self._store.update(Kind.THREAD, owner, thread_id, body={"tool_resources": changed})
        return _vector_store_ids(changed) - _vector_store_ids(before)

    def _attached(self, owner: str, messages: Sequence[MessageFiles], tool_resources: Object) -> dict[str, Any] | None:
        attachments = [attachment for message in messages for attachment in message.attachments or ()]
        return self._resources.attach_messages(owner, tool_resources, attachments) if attachments else None

    @contextmanager
    def _removing(self, owner: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[None]:
        """If the block fails, delete the vector stores that are in `after` and not in `before`."""
        try:
            yield
        except BaseException:
            self._remove(owner, _vector_store_ids(after) - _vector_store_ids(before))
            raise

    @contextmanager
    def _unless_lost(self, owner: str, thread_id: str, created: set[str]) -> Iterator[None]:
        """If the block fails, delete the created vector stores that another request has replaced meanwhile."""
        try:
            yield
        except BaseException:
            if created:
                with suppress(AssistantStreamError):
                    thread = self._store.get(Kind.THREAD, owner, thread_id)
                    self._remove(owner, created - _vector_store_ids(thread.body.get("tool_resources") or {}))
            raise

    def _remove(self, owner: str, vector_store_ids: set[str]) -> None:
        for vector_store_id in vector_store_ids:
            try:
                self._vector_stores.delete(owner, vector_store_id)
            except AssistantStreamError as error:
                logger.warning("vector store %s not deleted: %s", vector_store_id, error.message)


def _vector_store_ids(tool_resources: Mapping[str, Any]) -> set[str]:
    return {*((tool_resources.get("file_search") or {}).get("vector_store_ids") or ())}
