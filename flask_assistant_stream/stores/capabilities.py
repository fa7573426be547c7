"""What a store may offer besides records and runs: bytes of files, passages to search, push of new log rows.

A store class inherits from the interfaces it offers; the app checks them with `isinstance` when it starts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..errors import RequestError
from .base import Kind

CHUNK_BYTES = 256 * 1024
"""Bytes of a file that are in memory at a time."""

SEARCH_SECONDS = 10.0
"""How long a search may take in the store."""


class Blobs(ABC):
    """Keeps bytes by owner and id, in pieces: a whole file is never in memory."""

    @abstractmethod
    def write_blob(self, owner: str, id: str, chunks: Iterable[bytes]) -> int:
        """Store chunks of any sizes in order, replace earlier bytes, and return the number of bytes.

        A reader sees the new bytes all at once. If `chunks` or the store raises, the earlier bytes stay.
        """

    @abstractmethod
    def read_blob(self, owner: str, id: str) -> Iterator[bytes]:
        """Return the bytes in pieces of at most `CHUNK_BYTES`.

        Raises:
            NotFound: at the call: the owner has no bytes with this id.
            StoreError: also while iterating, if the bytes are replaced or deleted meanwhile.
        """

    @abstractmethod
    def delete_blob(self, owner: str, id: str) -> None:
        """Delete bytes if they exist."""


def cut(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut chunks of any sizes into pieces of `CHUNK_BYTES`; the last may be shorter."""
    piece = bytearray()
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            taken = rest[: CHUNK_BYTES - len(piece)]
            piece += taken
            rest = rest[len(taken) :]
            if len(piece) == CHUNK_BYTES:
                yield bytes(piece)
                piece.clear()
    if piece:
        yield bytes(piece)


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A result: passage `number` of a file, from 0; `score` is in (0, 1], comparable within one search only."""

    file_id: str
    number: int
    text: str
    score: float


class Passages(ABC):
    """Keeps the passages of files and searches them."""

    @abstractmethod
    def write_passages(self, owner: str, file_id: str, texts: Sequence[str]) -> None:
        """Replace the passages of a file.

        A search meanwhile may find old and new ones. If the store fails, some of both may be left: write them again,
        or delete them.
        """

    @abstractmethod
    def read_passages(self, owner: str, file_id: str) -> list[str]:
        """Return the passages of a file in order; an empty list if it has none."""

    @abstractmethod
    def delete_passages(self, owner: str, file_id: str) -> None:
        """Delete the passages of a file if it has any."""

    @abstractmethod
    def search_passages(self, owner: str, file_ids: Sequence[str], query: str, limit: int) -> list[FoundPassage]:
        """Return the best matches in these files, the best first.

        Args:
            query: words as a person writes them, without any syntax. A passage matches if it has one of the words;
                more and rarer words give a higher score. Case and accents are ignored.

        Raises:
            RequestError: `search_timed_out()`: it took longer than `SEARCH_SECONDS`.
        """

    @abstractmethod
    def owner_of(self, kind: Kind, id: str) -> str | None:
        """Return the owner of a record that the configuration shares with all owners.

        None if there is no such record, and for kinds with the same id at several owners (`base.PER_OWNER`).
        """


def search_timed_out() -> RequestError:
    """Return the error for a search that took too long."""
    return RequestError(
        f"The search took longer than {SEARCH_SECONDS:g} seconds. Search fewer files, or use fewer words.",
        code="search_timeout",
    )


class Push(ABC):
    """Reports which logs grow, on any worker, so that readers need not poll often."""

    @abstractmethod
    def pushes(self) -> bool:
        """Return whether the server can push; StoreError if it does not answer."""

    @abstractmethod
    def grown(self) -> Iterator[str | None]:
        """Yield the id of a run whenever its log has grown.

        The first value is None: growth is reported from then on. None also comes every second without growth.

        Raises:
            StoreError: while iterating: reporting has ended, and later growth is not reported afterwards.
        """
