"""What a store may offer beside records and runs: bytes of files, passages of text to search, news of logs.

Small interfaces that a store class also inherits from; who needs one asks with `isinstance` while the app starts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .base import Kind

CHUNK_BYTES = 256 * 1024
"""How much of a file is in memory at a time."""


class Blobs(ABC):
    """Keeps bytes under an owner and an id, in pieces, never a whole file in memory."""

    @abstractmethod
    def write_blob(self, owner: str, id: str, chunks: Iterable[bytes]) -> int:
        """Store the chunks in order and return how many bytes they are; whatever stood there is replaced.

        Nothing of them can be read before all of them can. Where `chunks` or the store raises, none are left, and
        what stood there before still does.

        Args:
            chunks: of any sizes; they are cut into pieces of at most `CHUNK_BYTES`.
        """

    @abstractmethod
    def read_blob(self, owner: str, id: str) -> Iterator[bytes]:
        """Return the bytes, a piece at a time.

        Raises:
            NotFound: at the call, not while iterating: nothing of this owner stands there.
            StoreError: while iterating also where the bytes are replaced or deleted meanwhile.
        """

    @abstractmethod
    def delete_blob(self, owner: str, id: str) -> None:
        """Remove what stands there; nothing happens where nothing does."""


def cut(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut chunks of any sizes into pieces of `CHUNK_BYTES`, the last one shorter."""
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
    """A passage that a search has found.

    Attributes:
        number: its place in the file, from 0.
        score: how well it fits, above 0 and at most 1; comparable within one search only.
    """

    file_id: str
    number: int
    text: str
    score: float


class Passages(ABC):
    """Keeps passages of files and finds those that fit some words."""

    @abstractmethod
    def write_passages(self, owner: str, file_id: str, texts: Sequence[str]) -> None:
        """Store the passages of a file in order; those that it had are replaced.

        A search meanwhile may find some of the old and of the new. Where the store fails, some of either may stand:
        write again, or delete them.
        """

    @abstractmethod
    def read_passages(self, owner: str, file_id: str) -> list[str]:
        """Return the passages of a file in order; none where there are none."""

    @abstractmethod
    def delete_passages(self, owner: str, file_id: str) -> None:
        """Remove the passages of a file; nothing happens where there are none."""

    @abstractmethod
    def search_passages(self, owner: str, file_ids: Sequence[str], query: str, limit: int) -> list[FoundPassage]:
        """Return the passages of these files that fit best, the best first.

        Args:
            query: words of any kind, as a person writes them: nothing in it is syntax. A passage fits with one
                of the words; the more and the rarer ones it has, the better. Case and accents do not count.
        """

    @abstractmethod
    def owner_of(self, kind: Kind, id: str) -> str | None:
        """Return whose record stands under an id, for what the configuration shares with everybody.

        None where there is none, and for the kinds of which each owner may have the same id (`base.PER_OWNER`).
        """


class Push(ABC):
    """Tells which logs grow, whoever writes them, so that readers need not ask over and over."""

    @abstractmethod
    def pushes(self) -> bool:
        """Ask the server whether it can.

        Raises:
            StoreError: it does not answer.
        """

    @abstractmethod
    def grown(self) -> Iterator[str | None]:
        """Yield the id of a run whenever its log has grown; None as soon as that is noticed, and in silence.

        What was appended before the first None is not told. None comes at least once a second while nothing else
        does.

        Raises:
            StoreError: while iterating: it tells no more; what has grown meanwhile is not told later.
        """
