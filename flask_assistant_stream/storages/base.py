"""What a storage is: where files are indexed and vector stores are searched, at the upstream or in our own store.

Whose files they are is settled before a storage is asked (`files.py`, `vector_stores.py`); the owner that its calls
carry is for the storage's own walls. It knows no HTTP face.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

from ..protocol.objects import Object

BLOB = "blob"
"""The `extra` key of a file that names its bytes in the store; "" where they are not there."""
DELETING = "deleting"
"""The `extra` key of a file or a vector store that is being deleted: nothing may be put together with it any more."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that has arrived whole, within the limits.

    Attributes:
        filename: safe: no path, no control characters, 1 to 255 characters.
        content_type: as the name says, not as the client says.
        purpose: `assistants`, `vision` or `user_data`.
        content: at its begin, seekable; on disk where it is large.
        size: in bytes, above 0.
        expires_after: `{"anchor": "created_at", "seconds"}`, None for a file that stays.
    """

    filename: str
    content_type: str
    purpose: str
    content: BinaryIO
    size: int
    expires_after: Mapping[str, Any] | None = None


class Storage(ABC):
    """Where files are indexed and searched.

    Every call blocks its thread, never the gevent loop. Objects are those of `spec/assistants.md#objects`. What is not
    there any more may be deleted again; all else about an unknown id is `NotFound`.

    Raises (every method):
        UpstreamError: the upstream does not answer, or answers nonsense.
        RequestError: it refuses what it was given; the message says why.
        StoreError: our own store fails.
    """

    name: ClassVar[str]
    searchable: ClassVar[frozenset[str]]
    """Endings of file names that can be put into a vector store, lower case, without the dot."""
    ask_seconds: ClassVar[float] = 1.0
    """How long an answer about what is being indexed holds: who asks again sooner gets what is known."""
    indexes_kept_bytes: ClassVar[bool] = False
    """Whether it can index a file that another storage took, from the bytes that are kept in our store."""

    # -- files --------------------------------------------------------------------------------------------

    @abstractmethod
    def create_file(self, owner: str, upload: Upload) -> Object:
        """Take a file and return its object; its bytes are kept elsewhere, too (`Blobs`)."""

    @abstractmethod
    def delete_file(self, owner: str, file_id: str) -> None:
        """Forget a file, in every vector store too."""

    # -- vector stores ------------------------------------------------------------------------------------

    @abstractmethod
    def create_vector_store(self, owner: str, fields: Mapping[str, Any]) -> Object:
        """Make an empty vector store; `fields` may be `name`, `description`, `expires_after`, `metadata`."""

    @abstractmethod
    def read_vector_store(self, owner: str, vector_store_id: str) -> Object:
        """Return a vector store as it is now."""

    @abstractmethod
    def update_vector_store(self, owner: str, vector_store_id: str, fields: Mapping[str, Any]) -> Object:
        """Change `name`, `expires_after`, `metadata` and return the vector store."""

    @abstractmethod
    def delete_vector_store(self, owner: str, vector_store_id: str) -> None:
        """Remove a vector store; its files stay."""

    @abstractmethod
    def search(self, owner: str, vector_store_id: str, query: str, options: Mapping[str, Any]) -> list[Object]:
        """Return results of `POST /vector_stores/{id}/search`: file_id, filename, score, attributes, content.

        Args:
            options: `max_num_results`, `filters`, `ranking_options`, `rewrite_query`.
        """

    def find(self, owner: str, vector_store_ids: Sequence[str], query: str, limit: int) -> list[Object]:
        """Return the best passages for a run: `{"file_id", "filename", "score", "text"}` each, the best first."""
        options = {"max_num_results": limit}
        results = [result for id in vector_store_ids for result in self.search(owner, id, query, options)]
        results.sort(key=lambda result: -result["score"])
        keys = ("file_id", "filename", "score")
        return [
            {**{key: result[key] for key in keys}, "text": "\n\n".join(part["text"] for part in result["content"])}
            for result in results[:limit]
        ]

    # -- files in vector stores -----------------------------------------------------------------------------

    @abstractmethod
    def attach(self, owner: str, vector_store_id: str, file_id: str, fields: Mapping[str, Any]) -> Object:
        """Begin to index a file and return its `vector_store.file`; `fields`: `attributes`, `chunking_strategy`."""

    @abstractmethod
    def read_attached(self, owner: str, vector_store_id: str, file_id: str) -> Object:
        """Return the `vector_store.file` as it is now."""

    @abstractmethod
    def update_attached(self, owner: str, vector_store_id: str, file_id: str, attributes: Mapping[str, Any]) -> Object:
        """Change the attributes of a file in a vector store and return its `vector_store.file`."""

    @abstractmethod
    def detach(self, owner: str, vector_store_id: str, file_id: str) -> None:
        """Take a file out of a vector store."""

    @abstractmethod
    def unfinished(self, owner: str, vector_store_id: str) -> set[str]:
        """Return the ids of the files that are still being indexed: one question for any number of them."""

    @abstractmethod
    def attached_content(self, owner: str, vector_store_id: str, file_id: str) -> list[Object]:
        """Return the text that was indexed: `{"type": "text", "text": …}` each."""

    # -- batches --------------------------------------------------------------------------------------------

    @abstractmethod
    def attach_batch(self, owner: str, vector_store_id: str, files: Sequence[Mapping[str, Any]]) -> Object:
        """Begin to index many files: `file_id`, `attributes`, `chunking_strategy` each; return the batch."""

    @abstractmethod
    def read_batch(self, owner: str, vector_store_id: str, batch_id: str) -> Object:
        """Return a batch as it is now."""

    @abstractmethod
    def cancel_batch(self, owner: str, vector_store_id: str, batch_id: str) -> Object:
        """Stop what of a batch is still being indexed and return it."""

    # -- what tools make --------------------------------------------------------------------------------------

    @abstractmethod
    def container_file(self, container_id: str, file_id: str) -> Iterator[bytes]:
        """Return the bytes of a file that the code interpreter has made, while its container lives.

        Raises:
            NotFound: at the call: the container or the file is gone, or no code interpreter runs here.
        """
