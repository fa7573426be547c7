"""File searches of the upstream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...protocol.objects import Object
from ...protocol.text import mend
from ...protocol.writer import RunWriter
from ..coerce import check_count, check_size, json_or_text, objects_of, text_of
from ..outputs import Item
from .base import HostedTool


class FileSearchCall(HostedTool):
    """A file search. Only the completed step has its results, as in the Assistants API."""

    kind = "file_search_call"

    def __init__(self, id: str | None, index: int | None, ordinal: int, *, threshold: float = 0.0) -> None:
        super().__init__(id, index, ordinal)
        self._threshold = threshold
        self._results: list[Object] = []

    def take(self, item: Item) -> None:
        """Take the results. They are present only if the request asked for them."""
        results = objects_of(item.get("results"))
        check_count(len(results), "results of a search")
        check_size(sum(len(json_or_text(result.get("text"))) for result in results), "results of a search")
        self._results = list(_results(results)) or self._results

    def show_begin(self, writer: RunWriter) -> None:
        writer.step_delta({"index": 0, **self._tool_call([])})
        writer.set_calls([self._tool_call([])])

    def show_end(self, writer: RunWriter) -> None:
        """Put the results into the step before it closes."""
        writer.set_calls([self._tool_call(self._results)])

    def _tool_call(self, results: list[Object]) -> Object:
        ranking = {"ranker": "auto", "score_threshold": self._threshold}
        return {"id": self.id, "type": "file_search", "file_search": {"ranking_options": ranking, "results": results}}


def _results(results: Iterable[Object]) -> Iterator[Object]:
    for one in results:
        file_id, text = text_of(one.get("file_id")), json_or_text(one.get("text"))
        if file_id:
            yield {
                "file_id": file_id,
                "file_name": text_of(one.get("filename")) or file_id,
                "score": _score(one.get("score")),
                **({"content": [{"type": "text", "text": mend(text)}]} if one.get("text") is not None else {}),
            }


def _score(value: Any) -> float:
    return value if isinstance(value, (int, float)) and 0 <= value <= 1 else 0
