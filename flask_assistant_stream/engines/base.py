"""What an engine is: a Responses request in, raw Responses events ("items") out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

Item = dict[str, Any]
"""One decoded event of the Responses API, `type` in it."""


class Search(Protocol):
    """Find passages in vector stores on behalf of one owner. It may block."""

    def __call__(self, vector_store_ids: Sequence[str], query: str, limit: int, /) -> list[dict[str, Any]]:
        """Return at most `limit` passages, best first: `{"file_id", "filename", "score", "text"}` each.

        Raises:
            AssistantStreamError: the search failed.
        """


class ItemStream(ABC):
    """The items of one response.

    Iterating yields a list per read from the upstream, never empty: what has arrived together is handled
    together. It ends where the upstream ends, with or without a terminal item. One thread iterates.

    Raises (while iterating):
        EngineError: the upstream refused, broke off, or sent what cannot be read.
    """

    @abstractmethod
    def __iter__(self) -> Iterator[list[Item]]: ...

    @abstractmethod
    def close(self) -> None:
        """Stop the upstream and end the iteration soon; from any thread, any number of times.

        After the terminal item it may keep the connection for the next request.
        """


class Engine(ABC):
    """An upstream. Made before a fork without touching the network; used from any thread."""

    name: str
    writes_titles: bool = True
    """Whether a thread's title may be asked of it; else titles are made of the first words of a message."""
    takes_files: bool = True
    """Whether a request may name files by their ids; else they are put into it."""
    ignores: frozenset[str] = frozenset()
    """Fields of a request that it may pass over without a word: answers are checked against them."""
    bare_end: bool = False
    """Whether its streams may end without a terminal item, and mean that all is said."""

    @abstractmethod
    def stream(self, request: dict[str, Any], *, search: Search | None = None) -> ItemStream:
        """Start a response; nothing is sent before the iteration starts.

        Args:
            request: a `POST /responses` body with `stream: true` (`translation.request`).
            search: searches the files that the run's owner may use; None if the upstream searches them itself.
        """

    def ping(self) -> str | None:
        """Say what keeps the engine from working, or None; never blocks on the network."""
        return None

    def wake(self) -> None:  # noqa: B027 (most have nothing to do)
        """Begin what goes on beside all requests, once per process; cheap when that is done, never blocks."""

    def about(self) -> dict[str, Any]:
        """Return what operators may know of the upstream, as JSON values: no key, no path. Never blocks."""
        return {"engine": self.name}

    def warnings(self) -> list[str]:
        """Return what operators should know of the upstream before it fails; never blocks."""
        return []
