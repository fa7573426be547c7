"""What threads and runs use of files: an owner's own vector store, tool resources, attachments of messages."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import AssistantStreamError, Duplicate, NotFound, RequestError, StoreError
from ..protocol.objects import Object
from ..storages import vector_store_files
from ..storages.base import Upload
from ..stores.base import Kind, Record, Store
from .files import Files
from .inline import InlineFiles
from .undo import Undo
from .vector_stores import VectorStores

logger = logging.getLogger(__name__)

OWNER_ID = "owner"
THREAD = "thread"
THREAD_EXPIRES = {"anchor": "last_active_at", "days": 7}
"""As the Assistants API let a vector store expire that it made for a thread."""
CODE_FILES = 20
"""How many files a thread may give to its code interpreter (`spec/assistants.md#limits`)."""


class ToolResources:
    """Finds and makes what the `tool_resources` of assistants, threads and runs name.

    Args:
        inline: puts files into requests, where the upstream has none; else None.
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
        """Take a file into the owner's own vector store, made on demand, and return its object.

        Where a step fails, nothing of the file stays anywhere.

        Raises:
            RequestError: files of that type cannot be searched.
        """
        self._files.check_type(upload.filename, "file")
        with Undo() as undo:
            body = self._files.create(owner, upload)
            file_id = body["id"]
            undo.add(f"file {file_id}", lambda: self._files.delete(owner, file_id))
            self._attach_own(owner, file_id)
        return body

    def own_files(self, owner: str) -> list[Object]:
        """Return `{"file_id", "filename", "status"}` of every file in the owner's own vector store, newest first."""
        own = self.own_store(owner)
        if own is None:
            return []
        try:
            found = self._vector_stores.statuses(owner, own)
        except NotFound:  # deleted meanwhile
            return []
        return [
            {"file_id": r.extra["file_id"], "filename": r.extra["filename"], "status": r.body["status"]}
            for r in reversed(found)
        ]

    def own_store(self, owner: str) -> str | None:
        """Return the id of the owner's own vector store, or None where there is none."""
        named = self._named(owner)
        return named if named is not None and self._vector_stores.is_here(owner, named) else None

    def searchable(self, owner: str, vector_store_ids: Iterable[str]) -> list[str]:
        """Return which of these vector stores can be searched for the owner: shared ones, and its own that are alive.

        An upstream refuses a whole request that names one that is gone.
        """
        stores = self._vector_stores
        return [id for id in dict.fromkeys(vector_store_ids) if id in stores.shared or stores.usable(owner, id)]

    # -- tool resources -----------------------------------------------------------------------------------

    def check(self, owner: str, tool_resources: Mapping[str, Any] | None, param: str) -> None:
        """Make sure that the owner may use all that some tool resources name.

        Raises:
            NotFound: a file or a vector store is unknown or another owner's; its `param` begins with the one given.
        """
        code, search = _tools(tool_resources)
        self._files.check(owner, code.get("file_ids") or (), f"{param}.code_interpreter.file_ids")
        ids = search.get("vector_store_ids") or ()
        self._vector_stores.check(owner, ids, f"{param}.file_search.vector_store_ids")
        for given in search.get("vector_stores") or ():
            self._files.check_searchable(owner, given.get("file_ids") or (), f"{param}.file_search.vector_stores")

    def prepare(
        self,
        owner: str,
        tool_resources: Mapping[str, Any] | None,
        *,
        param: str = "tool_resources",
        for_thread: bool = False,
    ) -> dict[str, Any]:
        """Return tool resources as they are stored: checked, the vector stores made that they describe.

        Args:
            for_thread: what is made expires seven days after its last use and goes with its thread.

        Raises:
            NotFound: as `check`.
            RequestError: a file cannot be searched.
        """
        self.check(owner, tool_resources, param)
        code, search = _tools(tool_resources)
        prepared: dict[str, Any] = {}
        if code:
            prepared["code_interpreter"] = {"file_ids": list(code.get("file_ids") or ())}
        if search:
            ids = list(search.get("vector_store_ids") or ())
            with Undo() as undo:
                for given in search.get("vector_stores") or ():
                    made = self._make(owner, given, for_thread=for_thread)
                    undo.add(f"vector store {made}", lambda made=made: self._vector_stores.delete(owner, made))  # type: ignore[misc]
                    ids.append(made)
            prepared["file_search"] = {"vector_store_ids": ids}
        return prepared

    def attach_messages(
        self, owner: str, tool_resources: Mapping[str, Any] | None, attachments: Iterable[Mapping[str, Any]]
    ) -> dict[str, Any] | None:
        """Make the attachments of messages known to their thread's tools.

        Those for file_search go into the thread's vector store, made on demand; those for code_interpreter into its
        file ids. Where a step fails, nothing of it stays.

        Args:
            tool_resources: the thread's.
            attachments: `{"file_id", "tools": [{"type"}]}` each.

        Returns:
            The thread's new tool resources, None where they stay as they are.

        Raises:
            NotFound: a file is not the owner's.
            RequestError: a file cannot be searched, or the code interpreter has too many.
        """
        given = list(attachments)
        self._files.check(owner, (str(entry["file_id"]) for entry in given), "attachments")
        searched, run = _wanted(given, "file_search"), _wanted(given, "code_interpreter")
        self._files.check_searchable(owner, searched, "attachments")
        code, search = _tools(tool_resources)
        changed: dict[str, Any] = {}
        known = list(code.get("file_ids") or ())
        files = list(dict.fromkeys([*known, *run]))
        if len(files) > max(CODE_FILES, len(known)):
            raise RequestError(f"A thread can give {CODE_FILES} files to code_interpreter.", param="attachments")
        if files != known:
            changed["code_interpreter"] = {**code, "file_ids": files}
        if searched:
            ids = list(search.get("vector_store_ids") or ())
            into = self._attach_to_thread(owner, ids, searched)
            if into not in ids:
                changed["file_search"] = {**search, "vector_store_ids": [*self._without_expired(owner, ids), into]}
        return {**(tool_resources or {}), **changed} if changed else None

    def thread_deleted(self, owner: str, tool_resources: Mapping[str, Any] | None) -> None:
        """Delete the vector stores that were made for a thread; an upstream that fails is logged."""
        for id in _tools(tool_resources)[1].get("vector_store_ids") or ():
            if self._vector_stores.made_for(owner, id) == THREAD:
                self._drop(owner, id)

    def given(self, owner: str, request: Object) -> Object:
        """Return a request as the upstream takes it: where that has no files, those that it names are put into it.

        Raises:
            EngineError: a file cannot be given to a model.
        """
        return request if self._inline is None else self._inline.put_into(owner, request)

    def indexing(self, owner: str, vector_store_ids: Iterable[str]) -> bool:
        """Say whether any file of the owner is still being indexed in one of these vector stores."""
        return any(self._vector_stores.indexing(owner, id) for id in dict.fromkeys(vector_store_ids))

    # -- parts --------------------------------------------------------------------------------------------

    def _named(self, owner: str) -> str | None:
        try:
            named: str | None = self._store.get(Kind.OWNER, owner, OWNER_ID).body.get("vector_store_id")
        except NotFound:
            return None
        return named

    def _exists(self, owner: str, vector_store_id: str) -> bool:
        try:
            self._store.get(Kind.VECTOR_STORE, owner, vector_store_id)
        except NotFound:
            return False
        return True

    def _attach_own(self, owner: str, file_id: str) -> None:
        """Put a file into the own vector store; into a new one where the upstream has lost the one we know."""
        own = self._own(owner)
        try:
            self._vector_stores.attach(owner, own, {"file_id": file_id})
        except NotFound:
            if not self._lost(owner, own):
                raise
            self._vector_stores.attach(owner, self._replaced(owner, own), {"file_id": file_id})

    def _own(self, owner: str) -> str:
        """Return the owner's own vector store, made where there is none."""
        named = self._named(owner)
        if named is not None and self._vector_stores.usable(owner, named):
            return named
        return self._replaced(owner, named)

    def _replaced(self, owner: str, named: str | None) -> str:
        """Make a vector store the owner's own in place of `named`; of two made at once, one stays."""
        made = str(self._vector_stores.create(owner, {"name": "Files"}, made_for=OWNER_ID)["id"])
        with Undo() as undo:
            undo.add(f"vector store {made}", lambda: self._vector_stores.delete(owner, made))
            if named is not None and self._named(owner) == named:
                vector_store_files.drop(self._store, Kind.OWNER, owner, OWNER_ID)
            try:
                self._store.insert(Record(Kind.OWNER, owner, {"id": OWNER_ID, "vector_store_id": made}))
                taken: str | None = made
            except Duplicate:
                taken = self._named(owner)
        if taken != made:
            self._vector_stores.delete(owner, made)
            return taken if taken is not None else self._own(owner)
        if named is not None and self._exists(owner, named):
            self._carry(owner, named, made)
        return made

    def _carry(self, owner: str, old: str, new: str) -> None:
        """Put the files of a vector store that is no use any more into another, as far as the upstream has them."""
        files = [member.extra["file_id"] for member in vector_store_files.members(self._store, owner, old)]
        try:
            if files:
                self._vector_stores.create_batch(owner, new, {"file_ids": files})
        except StoreError:
            raise
        except AssistantStreamError as error:
            logger.warning("The files of vector store %s could not be put into %s: %s", old, new, error)
            return
        self._drop(owner, old)

    def _lost(self, owner: str, vector_store_id: str) -> bool:
        """Say whether the upstream does not know a vector store any more that we know."""
        try:
            self._vector_stores.storage.read_vector_store(owner, vector_store_id)
        except NotFound:
            return True
        return False

    def _make(self, owner: str, fields: Mapping[str, Any], *, for_thread: bool) -> str:
        if not for_thread:
            return str(self._vector_stores.create(owner, fields)["id"])
        fields = {"expires_after": THREAD_EXPIRES, **fields}
        return str(self._vector_stores.create(owner, fields, made_for=THREAD)["id"])

    def _without_expired(self, owner: str, ids: list[str]) -> list[str]:
        """Leave out what is gone; also leave out, and delete, what was made for a thread and has expired."""
        kept = []
        for id in ids:
            if id in self._vector_stores.shared or self._vector_stores.usable(owner, id):
                kept.append(id)
            elif self._vector_stores.made_for(owner, id) == THREAD:
                self._drop(owner, id)
            elif self._exists(owner, id):
                kept.append(id)
        return kept

    def _drop(self, owner: str, vector_store_id: str) -> None:
        try:
            self._vector_stores.delete(owner, vector_store_id)
        except StoreError:
            raise
        except AssistantStreamError as error:
            logger.warning("Vector store %s is not needed any more and stays: %s", vector_store_id, error)

    def _attach_to_thread(self, owner: str, ids: list[str], file_ids: list[str]) -> str:
        """Put files into the vector store of a thread, made where it has none of its owner's, and return its id."""
        into = next((id for id in ids if self._vector_stores.usable(owner, id)), None)
        if into is not None:
            try:
                self._attach_all(owner, into, file_ids)
                return into
            except NotFound:
                if self._vector_stores.made_for(owner, into) != THREAD or not self._lost(owner, into):
                    raise
            self._drop(owner, into)
        return self._make(owner, {"file_ids": file_ids}, for_thread=True)

    def _attach_all(self, owner: str, vector_store_id: str, file_ids: list[str]) -> None:
        """Put files into a vector store that are not there yet: all of them or none."""
        there = {member.extra["file_id"] for member in vector_store_files.members(self._store, owner, vector_store_id)}
        with Undo() as undo:
            for file_id in file_ids:
                if file_id in there:
                    continue
                self._vector_stores.attach(owner, vector_store_id, {"file_id": file_id})
                undo.add(file_id, lambda id=file_id: self._vector_stores.detach(owner, vector_store_id, id))  # type: ignore[misc]


def _tools(tool_resources: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the resources of code_interpreter and of file_search."""
    given = tool_resources or {}
    return given.get("code_interpreter") or {}, given.get("file_search") or {}


def _wanted(attachments: Iterable[Mapping[str, Any]], tool: str) -> list[str]:
    """Return the ids of the files that are attached for a tool, each once, in order."""
    found = (
        str(entry["file_id"])
        for entry in attachments
        if any(given.get("type") == tool for given in entry.get("tools") or ())
    )
    return list(dict.fromkeys(found))
