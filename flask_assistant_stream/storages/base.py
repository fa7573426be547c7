"""The contract of a storage: it indexes files and searches vector stores, at the upstream or in the app's own store.

`files/` has checked the owner before each call; a storage may use the owner to separate its data. It knows no route.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

from ..errors import NotFound
from ..protocol.objects import Object
from ..stores.base import Record

BLOB = "blob"
"""The `extra` key of a file with the id of its bytes in the store; "" if they are not stored."""
DELETING = "deleting"
"""The `extra` key of a file or a vector store that is being deleted: nothing may be attached to it."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A complete file within the limits.

    Attributes:
        filename: safe: no path, no control characters, 1 to 255 characters.
        content_type: guessed from the name; the client's is ignored.
        purpose: `assistants`, `vision` or `user_data`.
        content: at its beginning, seekable; on disk if it is large.
        size: in bytes, above 0.
        expires_after: `{"anchor": "created_at", "seconds"}`; None if the file does not expire.
    """

    filename: str
    content_type: str
    purpose: str
    content: BinaryIO
    size: int
    expires_after: Mapping[str, Any] | None = None


class Storage(ABC):
    """Indexes files and searches vector stores.

    Calls may block their thread, but not the gevent loop. Objects are those of `spec/assistants.md#objects`. Deleting
    what does not exist succeeds; any other use of an unknown id raises `NotFound`.

    Raises (every method):
        UpstreamError: the upstream does not respond, or its response is invalid.
        RequestError: the storage rejects the arguments; the message says why.
        StoreError: the app's own store fails.
    """

    name: ClassVar[str]
    """Stored with each vector store: under another name it is unknown to this storage."""
    searchable: frozenset[str]
    """Endings of file names that it can index, lower case, without the dot."""
    ask_seconds: ClassVar[float] = 1.0
    """Seconds for which an indexing status is valid; earlier calls return the cached status."""
    indexes_kept_bytes: ClassVar[bool] = False
    """Whether it can index a file that another storage received, from the bytes in the app's store."""

    # -- files --------------------------------------------------------------------------------------------

    @abstractmethod
    def create_file(self, owner: str, upload: Upload) -> Object:
        """Receive a file and return its object; the bytes are also in the app's store (`Blobs`)."""

    def file_stored(self, record: Record) -> Record:
        """Start to read a file whose bytes and record are stored now; return its current record."""
        return record

    @abstractmethod
    def delete_file(self, owner: str, file_id: str) -> None:
        """Delete a file, also from every vector store."""

    # -- vector stores ------------------------------------------------------------------------------------

    @abstractmethod
    def create_vector_store(self, owner: str, fields: Mapping[str, Any]) -> Object:
        """Create an empty vector store; `fields` may be `name`, `description`, `expires_after`, `metadata`."""

    @abstractmethod
    def read_vector_store(self, owner: str, vector_store_id: str) -> Object:
        """Return the current vector store."""

    @abstractmethod
    def update_vector_store(self, owner: str, vector_store_id: str, fields: Mapping[str, Any]) -> Object:
        """Change `name`, `expires_after`, `metadata` and return the vector store."""

    @abstractmethod
    def delete_vector_store(self, owner: str, vector_store_id: str) -> None:
        """Delete a vector store, but not its files."""

    @abstractmethod
    def search(self, owner: str, vector_store_id: str, query: str, options: Mapping[str, Any]) -> list[Object]:
        """Return results of `POST /vector_stores/{id}/search`: file_id, filename, score, attributes, content.

        Args:
            options: `max_num_results`, `filters`, `ranking_options`, `rewrite_query`.
        """

    def find(self, owner: str, vector_store_ids: Sequence[str], query: str, limit: int) -> list[Object]:
        """Return the best passages for a run of the owner; by default the best results of `search`.

        Args:
            vector_store_ids: the owner's, and those that the configuration shares with every owner.

        Returns:
            `{"file_id", "filename", "score", "text"}` each, the best first; with `note` if the text of the file is
            not complete: what is missing, as a sentence for the model.
        """
        results: dict[str, Object] = {}
        for id in vector_store_ids:
            with suppress(NotFound):
                for result in self.search(owner, id, query, {"max_num_results": limit}):
                    text = "\n\n".join(part["text"] for part in result["content"])
                    passage = {key: result[key] for key in ("file_id", "filename", "score")}
                    results.setdefault(result["file_id"], {**passage, "text": text})
        return sorted(results.values(), key=lambda result: -result["score"])[:limit]

    # -- files in vector stores -----------------------------------------------------------------------------

    @abstractmethod
    def attach(self, owner: str, vector_store_id: str, file_id: str, fields: Mapping[str, Any]) -> Object:
        """Start indexing a file and return its `vector_store.file`; `fields`: `attributes`, `chunking_strategy`."""

    @abstractmethod
    def read_attached(self, owner: str, vector_store_id: str, file_id: str) -> Object:
        """Return the current `vector_store.file`."""

    @abstractmethod
    def update_attached(self, owner: str, vector_store_id: str, file_id: str, attributes: Mapping[str, Any]) -> Object:
        """Change the attributes of a file in a vector store and return its `vector_store.file`."""

    @abstractmethod
    def detach(self, owner: str, vector_store_id: str, file_id: str) -> None:
        """Remove a file from a vector store."""

    def unfinished(self, owner: str, vector_store_id: str) -> set[str]:  # noqa: ARG002
        """Return the ids of the files that are still being indexed, in one request for any number of them."""
        return set()

    @abstractmethod
    def attached_content(self, owner: str, vector_store_id: str, file_id: str) -> list[Object]:
        """Return the indexed text: `{"type": "text", "text": …}` each."""

    # -- batches --------------------------------------------------------------------------------------------

    @abstractmethod
    def attach_batch(self, owner: str, vector_store_id: str, files: Sequence[Mapping[str, Any]]) -> Object:
        """Start indexing many files: `file_id`, `attributes`, `chunking_strategy` each; return the batch."""

    @abstractmethod
    def read_batch(self, owner: str, vector_store_id: str, batch_id: str) -> Object:
        """Return the current batch."""

    @abstractmethod
    def cancel_batch(self, owner: str, vector_store_id: str, batch_id: str) -> Object:
        """Cancel the unfinished part of a batch and return the batch."""

    # -- background work ------------------------------------------------------------------------------------

    def look(self) -> None:  # noqa: B027 (most storages have no background work)
        """Do what is due in the background; every worker calls it a few times a second. Returns soon."""

    def stop(self) -> None:  # noqa: B027
        """End the background work of this process."""

    # -- generated files --------------------------------------------------------------------------------------

    def container_file(self, container_id: str, file_id: str) -> Iterator[bytes]:  # noqa: ARG002
        """Return the bytes of a file that the code interpreter wrote, while its container exists.

        Raises:
            NotFound: at the call: the container or the file is gone, or there is no code interpreter.
        """
        raise NotFound(f"No container found with id '{container_id}'.")
