"""The contract of an engine: a Responses request in, raw Responses events ("items") out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

Item = dict[str, Any]
"""One decoded event of the Responses API, `type` in it."""


class Search(Protocol):
    """Find passages in vector stores on behalf of one owner. It may block."""

    def __call__(self, vector_store_ids: Sequence[str], query: str, limit: int, /) -> list[dict[str, Any]]:
        """Return at most `limit` passages, best first: `{"file_id", "filename", "score", "text"}` each, some with
        a `note` about what is missing from the text of the file.

        Raises:
            AssistantStreamError: the search failed.
        """


class ItemStream(ABC):
    """The items of one response.

    Iterating yields one non-empty list for each read from the upstream, so that items that arrive together are
    handled together. It ends where the upstream ends, with or without a terminal item. One thread iterates.

    Raises (while iterating):
        EngineError: the upstream rejected the request, closed the connection early, or sent invalid data.
    """

    @property
    def begun(self) -> bool:
        """Whether the upstream has sent a part of its answer; until then `Engine.first_seconds` counts as its limit."""
        return True

    @abstractmethod
    def __iter__(self) -> Iterator[list[Item]]: ...

    @abstractmethod
    def close(self) -> None:
        """Stop the upstream and end the iteration soon; callable from any thread, repeatedly.

        After the terminal item the connection may be kept for the next request.
        """


class Engine(ABC):
    """An upstream. It is created before a fork, without network access, and used from any thread."""

    name: str
    writes_titles: bool = True
    """Whether it can write thread titles; otherwise the first words of a message are used."""
    one_at_a_time: bool = False
    """Whether it may answer one request after the other, so that a second one can delay an answer."""
    takes_files: bool = True
    """Whether a request may name files by id; otherwise their content is put into it."""
    ignores: frozenset[str] = frozenset()
    """Request fields that it may ignore silently; responses are checked against them."""
    first_seconds: float = 0.0
    """How long it may be silent before its first byte, if that is longer than the limit of all silence."""
    bare_end: bool = False
    """Whether a stream that ends without a terminal item is complete."""

    @abstractmethod
    def stream(self, request: dict[str, Any], *, search: Search | None = None) -> ItemStream:
        """Start a response; nothing is sent before the iteration starts.

        Args:
            request: a `POST /responses` body with `stream: true` (`translation.request`).
            search: searches the files that the run's owner may use; None if the upstream searches them itself.
        """

    def ping(self) -> str | None:
        """Return what prevents the engine from working, or None; never uses the network."""
        return None

    def wake(self) -> None:  # noqa: B027 (most engines have no background work)
        """Start the background work of this process once; later calls return at once. Never blocks."""

    def about(self) -> dict[str, Any]:
        """Return facts about the upstream for operators, as JSON values without key and path. Never blocks."""
        return {"engine": self.name}

    def warnings(self) -> list[str]:
        """Return warnings about the upstream for operators; never blocks."""
        return []
