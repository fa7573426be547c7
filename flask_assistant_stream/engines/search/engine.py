"""File search for upstreams without one: an engine around another engine.

It searches the app's files, gives the passages to the model as sources, and turns the model's marks into citations. The
items look as if the upstream had searched. It is stateless: later responses of a run have the same last message, so
they get the same passages.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ...errors import ContextOverflow, EngineError, UnusableInput
from ...protocol.ids import NewId, new_id
from ...translation.coerce import InvalidResponse
from ..base import Engine, Item, ItemStream, Search
from ..file_search import file_search_of, results_of, shown_results
from ..response_items import ResponseItems
from .cited_items import CitedItems
from .sources import begins, may_cite, query_of, usable, with_sources, without_file_search


class LocalSearchEngine(Engine):
    """Runs `file_search` itself and leaves everything else to another engine.

    Args:
        engine: the upstream; it never receives a `file_search` tool.
    """

    takes_files = False

    def __init__(self, engine: Engine, *, new_id: NewId = new_id, now: Callable[[], float] = time.time) -> None:
        self.name = engine.name
        self.writes_titles = engine.writes_titles
        self.one_at_a_time = engine.one_at_a_time
        self.ignores = engine.ignores
        self.bare_end = engine.bare_end
        self.first_seconds = engine.first_seconds
        self._engine = engine
        self._new_id = new_id
        self._now = now

    def stream(self, request: dict[str, Any], *, search: Search | None = None) -> ItemStream:
        """Start a response; files are searched when the iteration starts, not at all without `search`."""
        if not any(tool.get("type") == "file_search" for tool in request.get("tools") or ()):
            return self._engine.stream(request)
        query = query_of(request)
        if search is None or not query:
            return self._engine.stream(without_file_search(request, searched=False))
        return _SearchingStream(self, request, query, search)

    def ping(self) -> str | None:
        return self._engine.ping()

    def wake(self) -> None:
        self._engine.wake()

    def about(self) -> dict[str, Any]:
        return self._engine.about()

    def warnings(self) -> list[str]:
        return self._engine.warnings()


class _SearchingStream(ItemStream):
    def __init__(self, engine: LocalSearchEngine, request: dict[str, Any], query: str, search: Search) -> None:
        self._engine = engine
        self._request = request
        self._query = query
        self._search = search
        self._lock = threading.Lock()
        self._closed = False
        self._inner: ItemStream | None = None

    def __iter__(self) -> Iterator[list[Item]]:
        if self._closed:
            return
        results = usable(results_of(file_search_of(self._request), self._query, self._search))
        search_items = self._search_items(results) if begins(self._request) else []
        request = without_file_search(self._request, searched=True)
        inner = self._open(with_sources(request, results) if results else request)
        if inner is not None:
            sources = results if may_cite(request) else []
            items = CitedItems(sources, [search_items[-1]["item"]] if search_items else [])
            yield from _led(search_items, _cited(inner, items))

    @property
    def begun(self) -> bool:
        return self._inner is None or self._inner.begun

    def close(self) -> None:
        with self._lock:
            self._closed = True
            inner = self._inner
        if inner is not None:
            inner.close()

    def _search_items(self, results: list[dict[str, Any]]) -> list[Item]:
        items = ResponseItems(self._request, new_id=self._engine._new_id, now=self._engine._now)
        return list(items.file_search([self._query], shown_results(self._request, results)))

    def _open(self, request: dict[str, Any]) -> ItemStream | None:
        with self._lock:
            if not self._closed:
                self._inner = self._engine._engine.stream(request)
            return self._inner


def _led(search_items: list[Item], reads: Iterator[list[Item]]) -> Iterator[list[Item]]:
    """Yield the items of the search when the upstream begins to answer.

    Not earlier: the upstream may refuse the request, which is then sent again, with another search.
    """
    pending = [search_items] if search_items else []
    try:
        for read in reads:
            yield from pending
            pending = []
            yield read
    except EngineError as error:
        if error.code not in (ContextOverflow.code, UnusableInput.code):
            yield from pending
        raise
    yield from pending


def _read(items: CitedItems, read: list[Item]) -> list[Item]:
    try:
        return items.read(read)
    except InvalidResponse as error:
        raise EngineError(str(error)) from None


def _cited(inner: ItemStream, items: CitedItems) -> Iterator[list[Item]]:
    """Yield rewritten reads, and at the end the withheld text, also if the upstream breaks off."""
    try:
        for read in inner:
            if rewritten := _read(items, read):
                yield rewritten
    except EngineError:
        if withheld := items.finish():
            yield withheld
        raise
    if withheld := items.finish():
        yield withheld
