"""Tools that the upstream itself runs, each shown as a run step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .ids import CALL
from .objects import Object
from .outputs import Item, Output
from .text import mend
from .values import list_of, text_of
from .writer import RunWriter


class Search(Output):
    """A file search that the upstream makes itself."""

    kind = "file_search_call"

    def __init__(self, id: str | None, index: int | None, ordinal: int, *, threshold: float = 0.0) -> None:
        super().__init__(id, index, ordinal)
        self._threshold = threshold
        self._results: list[Object] = []
        self._shown = False
        self._ended = False

    @property
    def waiting(self) -> bool:
        """Whether its step is to be opened or closed."""
        return not self._shown or (self.done and not self._ended)

    def take(self, item: Item) -> None:
        """Take results, which are there only if the request asked for them."""
        self._results = list(_results(item.get("results"))) or self._results

    def open(self, writer: RunWriter) -> None:
        """Open its step."""
        writer.open_step({"type": "tool_calls", "tool_calls": []})

    def show(self, writer: RunWriter) -> None:
        """Write the search as it was asked for, then, once it is done, its results into the step to be closed."""
        if not self._shown:
            self.id = self.id or writer.new_id(CALL)
            writer.step_delta({"index": 0, **self._tool_call([])})
            self._shown = True
        writer.set_calls([self._tool_call(self._results)])
        self._ended = self.done

    def _tool_call(self, results: list[Object]) -> Object:
        ranking = {"ranker": "auto", "score_threshold": self._threshold}
        return {"id": self.id, "type": "file_search", "file_search": {"ranking_options": ranking, "results": results}}


def _results(found: Any) -> Iterator[Object]:
    for one in list_of(found):
        file_id = text_of(one.get("file_id")) if isinstance(one, dict) else ""
        if file_id:
            text = one.get("text")
            yield {
                "file_id": file_id,
                "file_name": text_of(one.get("filename")) or file_id,
                "score": _score(one.get("score")),
                **({"content": [{"type": "text", "text": mend(text)}]} if isinstance(text, str) else {}),
            }


def _score(value: Any) -> float:
    return value if isinstance(value, (int, float)) and 0 <= value <= 1 else 0
