"""The files that threads and runs use: an owner's own vector store, tool resources, attachments of messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import AssistantStreamError, Duplicate, NotFound, RequestError, StoreError
from ..loggers import logger_of
from ..protocol.objects import Object
from ..storages import vector_store_files
from ..storages.base import Upload
from ..stores.base import Kind, Record, Store
from .files import Files
from .inline import InlineFiles
from .rollback import Rollback
from .vector_stores import CREATED_FOR, VectorStores

logger = logger_of(__name__)

OWNER_ID = "owner"
THREAD = "thread"
THREAD_EXPIRES = {"anchor": "last_active_at", "days": 7}
"""The expiry that the Assistants API sets for a vector store that it creates for a thread."""
CODE_FILES = 20
"""The most files that a thread may give to its code interpreter (`spec/assistants.md#limits`)."""


class ToolResources:
    """Finds and creates what the `tool_resources` of assistants, threads and runs name.

    Args:
        inline: puts files into requests for an upstream without a files API; None for the others.
    """

    def __init__(
        self, store: Store, files: Files, vector_stores: VectorStores, inline: InlineFiles | None = None
    ) -> None:
        self._store = store
        self._files = files
        self._vector_stores = vector_stores
        self._inline = inline

    # -- the owner's own vector store ---------------------------------------------------------------------

    def upload_own(self, owner: str, upload: Upload) -> Object:
        """Store a file in the owner's own vector store, created if needed, and return the file's object.

        If a step fails, nothing of the file remains.

        Raises:
            RequestError: files of that type cannot be searched.
        """
        self._files.check_type(upload.filename, "file")
        with Rollback() as rollback:
            file = self._files.create(owner, upload)
            rollback.add(f"file {file.id}", lambda: self._files.delete(owner, file.id))
            self._attach_own(file)
        return file.body

    def own_files(self, owner: str) -> list[Object]:
        """Return `{"file_id", "filename", "status"}` of every file in the owner's own vector store, newest first.

        A failed file has its reason too, as `error`.
        """
        own = self._own(owner)
        if own is None:
            return []
        return [
            {
                "file_id": r.extra["file_id"],
                "filename": r.extra["filename"],
                "status": r.body["status"],
                **_reason(r.body),
            }
            for r in reversed(self._vector_stores.files.members(own))
        ]

    def own_store(self, owner: str) -> str | None:
        """Return the id of the owner's own vector store, or None if there is none."""
        own = self._own(owner)
        return None if own is None else own.id

    def searchable(self, owner: str, vector_store_ids: Iterable[str]) -> list[str]:
        """Return the vector stores that can be searched for the owner: shared ones, and the owner's usable ones.

        An upstream rejects a whole request that names a vector store that does not exist.
        """
        return [
            id for id in dict.fromkeys(vector_store_ids) if id in self._vector_stores.shared or self._usable(owner, id)
        ]

    def gone(self, owner: str, sources: Iterable[str]) -> set[str]:
        """Return which of these files, given by id, the owner does not have (any more); links are not looked up."""
        ids = {id for id in sources if "://" not in id and not id.startswith("data:")}
        return ids - self._files.present(owner, ids) if ids else ids

    # -- tool resources -----------------------------------------------------------------------------------

    def check(self, owner: str, tool_resources: Mapping[str, Any] | None, param: str) -> None:
        """Reject tool resources that the owner may not use.

        Raises:
            NotFound: a file or a vector store is unknown or another owner's; its `param` begins with `param`.
        """
        code, search = _by_tool(tool_resources)
        self._files.check(owner, code.get("file_ids") or (), f"{param}.code_interpreter.file_ids")
        ids = search.get("vector_store_ids") or ()
        self._vector_stores.check(owner, ids, f"{param}.file_search.vector_store_ids")
        for fields in search.get("vector_stores") or ():
            self._files.check_searchable(owner, fields.get("file_ids") or (), f"{param}.file_search.vector_stores")

    def prepare(
        self,
        owner: str,
        tool_resources: Mapping[str, Any] | None,
        *,
        param: str = "tool_resources",
        for_thread: bool = False,
    ) -> dict[str, Any]:
        """Check tool resources and return them in stored form, with the described vector stores created.

        Args:
            for_thread: the new vector stores expire seven days after their last use and are deleted with their thread.

        Raises:
            NotFound: as `check`.
            RequestError: a file cannot be searched.
        """
        self.check(owner, tool_resources, param)
        code, search = _by_tool(tool_resources)
        stored: dict[str, Any] = {}
        if code:
            stored["code_interpreter"] = {"file_ids": list(code.get("file_ids") or ())}
        if search:
            ids = list(search.get("vector_store_ids") or ())
            with Rollback() as rollback:
                for fields in search.get("vector_stores") or ():
                    id = self._create(owner, fields, for_thread=for_thread)
                    rollback.add(f"vector store {id}", lambda id=id: self._vector_stores.delete(owner, id))  # type: ignore[misc]
                    ids.append(id)
            stored["file_search"] = {"vector_store_ids": ids}
        return stored

    def attach_messages(
        self, owner: str, tool_resources: Mapping[str, Any] | None, attachments: Iterable[Mapping[str, Any]]
    ) -> dict[str, Any] | None:
        """Give the attachments of messages to the tools of their thread.

        Attachments for file_search are attached to the thread's vector store, created if needed; those for
        code_interpreter are added to its file ids. If a step fails, nothing of it remains.

        Args:
            tool_resources: the thread's.
            attachments: `{"file_id", "tools": [{"type"}]}` each.

        Returns:
            The thread's new tool resources, or None if they do not change.

        Raises:
            NotFound: a file is unknown, or another owner's.
            RequestError: a file cannot be searched, or the code interpreter has too many.
        """
        attachments = list(attachments)
        self._files.check(owner, (str(entry["file_id"]) for entry in attachments), "attachments")
        for_search, for_code = _file_ids(attachments, "file_search"), _file_ids(attachments, "code_interpreter")
        files = self._files.check_searchable(owner, for_search, "attachments")
        code, search = _by_tool(tool_resources)
        changes: dict[str, Any] = {}
        known = list(code.get("file_ids") or ())
        code_files = list(dict.fromkeys([*known, *for_code]))
        if len(code_files) > max(CODE_FILES, len(known)):
            raise RequestError(f"A thread can give {CODE_FILES} files to code_interpreter.", param="attachments")
        if code_files != known:
            changes["code_interpreter"] = {**code, "file_ids": code_files}
        if files:
            ids = list(search.get("vector_store_ids") or ())
            into = self._attach_to_thread(owner, ids, files)
            if into not in ids:
                changes["file_search"] = {**search, "vector_store_ids": [*self._without_expired(owner, ids), into]}
        return {**(tool_resources or {}), **changes} if changes else None

    def thread_deleted(self, owner: str, tool_resources: Mapping[str, Any] | None) -> None:
        """Delete the vector stores that were created for a thread; a failure of the upstream is logged."""
        for id in _by_tool(tool_resources)[1].get("vector_store_ids") or ():
            vector_store = self._vector_stores.find(owner, id)
            if vector_store is not None and vector_store.extra.get(CREATED_FOR) == THREAD:
                self._delete(vector_store)

    def with_inline_files(self, owner: str, request: Object) -> Object:
        """Return a request for the upstream, with the named files put into it if the upstream has no files API.

        Raises:
            EngineError: a file cannot be given to a model.
        """
        return request if self._inline is None else self._inline.put_into(owner, request)

    def indexing(self, owner: str, vector_store_ids: Iterable[str]) -> bool:
        """Return whether a file of the owner is still being indexed in one of these vector stores."""
        records = (self._vector_stores.find(owner, id) for id in dict.fromkeys(vector_store_ids))
        return any(record is not None and self._vector_stores.is_indexing(record) for record in records)

    # -- parts --------------------------------------------------------------------------------------------

    def _usable(self, owner: str, vector_store_id: str) -> Record | None:
        vector_store = self._vector_stores.find(owner, vector_store_id)
        return vector_store if vector_store is not None and self._vector_stores.is_usable(vector_store) else None

    def _own_id(self, owner: str) -> str | None:
        settings = self._store.find(Kind.OWNER, owner, OWNER_ID)
        return None if settings is None else settings.body.get("vector_store_id")

    def _own(self, owner: str) -> Record | None:
        id = self._own_id(owner)
        own = None if id is None else self._vector_stores.find(owner, id)
        return None if own is None else self._vector_stores.indexed_here(own)

    def _attach_own(self, file: Record) -> None:
        """Attach a file to its owner's own vector store, or to a new one if the upstream has lost that."""
        own = self._usable_own(file.owner)
        try:
            self._vector_stores.files.attach_file(own, file, {})
        except NotFound:
            if not self._vector_stores.is_lost(own):
                raise
            self._vector_stores.files.attach_file(self._replace_own(file.owner, own.id), file, {})

    def _usable_own(self, owner: str) -> Record:
        """Return the owner's own vector store, created if there is no usable one."""
        id = self._own_id(owner)
        usable = None if id is None else self._usable(owner, id)
        return self._replace_own(owner, id) if usable is None else usable

    def _replace_own(self, owner: str, old_id: str | None) -> Record:
        """Create the owner's own vector store, in place of an old one; of two created at once, one stays."""
        new = self._vector_stores.create(owner, {"name": "Files"}, created_for=OWNER_ID)
        with Rollback() as rollback:
            rollback.add(f"vector store {new.id}", lambda: self._vector_stores.delete(owner, new.id))
            if old_id is not None and self._own_id(owner) == old_id:
                vector_store_files.drop(self._store, Kind.OWNER, owner, OWNER_ID)
            own_id: str | None = new.id
            try:
                self._store.insert(Record(Kind.OWNER, owner, {"id": OWNER_ID, "vector_store_id": new.id}))
            except Duplicate:
                own_id = self._own_id(owner)
        if own_id != new.id:
            self._vector_stores.delete(owner, new.id)
            own = None if own_id is None else self._vector_stores.find(owner, own_id)
            return self._usable_own(owner) if own is None else own
        old = None if old_id is None else self._vector_stores.find(owner, old_id)
        if old is not None:
            self._move_files(old, new)
        return new

    def _move_files(self, old: Record, new: Record) -> None:
        """Attach the files of an unusable vector store to a new one, as far as the upstream has them."""
        members = vector_store_files.members(self._store, old.owner, old.id)
        try:
            if members:
                self._vector_stores.files.create_batch(new, {"file_ids": [m.extra["file_id"] for m in members]})
        except StoreError:
            raise
        except AssistantStreamError as error:
            logger.warning("files of vector store %s not moved to %s: %s", old.id, new.id, error)
            return
        self._delete(old)

    def _create(self, owner: str, fields: Mapping[str, Any], *, for_thread: bool) -> str:
        if not for_thread:
            return self._vector_stores.create(owner, fields).id
        fields = {"expires_after": THREAD_EXPIRES, **fields}
        return self._vector_stores.create(owner, fields, created_for=THREAD).id

    def _without_expired(self, owner: str, ids: list[str]) -> list[str]:
        """Return the ids without those that do not exist, and without expired ones of the thread, which are deleted."""
        kept = []
        for id in ids:
            vector_store = None if id in self._vector_stores.shared else self._vector_stores.find(owner, id)
            if vector_store is None:
                kept += [id] if id in self._vector_stores.shared else []
            elif vector_store.extra.get(CREATED_FOR) != THREAD or self._vector_stores.is_usable(vector_store):
                kept.append(id)
            else:
                self._delete(vector_store)
        return kept

    def _delete(self, vector_store: Record) -> None:
        try:
            self._vector_stores.delete(vector_store.owner, vector_store.id)
        except StoreError:
            raise
        except AssistantStreamError as error:
            logger.warning("unused vector store %s not deleted: %s", vector_store.id, error)

    def _attach_to_thread(self, owner: str, ids: list[str], files: list[Record]) -> str:
        """Attach files to the first usable vector store of a thread, or to a new one, and return its id."""
        into = next((usable for id in ids if (usable := self._usable(owner, id)) is not None), None)
        if into is not None:
            try:
                self._attach_all(into, files)
                return into.id
            except NotFound:
                if into.extra.get(CREATED_FOR) != THREAD or not self._vector_stores.is_lost(into):
                    raise
            self._delete(into)
        return self._create(owner, {"file_ids": [file.id for file in files]}, for_thread=True)

    def _attach_all(self, vector_store: Record, files: list[Record]) -> None:
        """Attach the files that are not in a vector store yet: all of them or none."""
        members = vector_store_files.members(self._store, vector_store.owner, vector_store.id)
        attached = {member.extra["file_id"] for member in members}
        with Rollback() as rollback:
            for file in files:
                if file.id not in attached:
                    self._vector_stores.files.attach_file(vector_store, file, {})
                    rollback.add(file.id, lambda id=file.id: self._vector_stores.files.detach(vector_store, id))  # type: ignore[misc]


def _by_tool(tool_resources: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the resources of code_interpreter and of file_search."""
    resources = tool_resources or {}
    return resources.get("code_interpreter") or {}, resources.get("file_search") or {}


def _file_ids(attachments: Iterable[Mapping[str, Any]], tool: str) -> list[str]:
    """Return the ids of the files that are attached for a tool, each once, in order."""
    ids = (
        str(entry["file_id"])
        for entry in attachments
        if any(entry_tool.get("type") == tool for entry_tool in entry.get("tools") or ())
    )
    return list(dict.fromkeys(ids))


def _reason(vector_store_file: Object) -> Object:
    error = vector_store_file.get("last_error")
    return {"error": error["message"]} if error else {}
