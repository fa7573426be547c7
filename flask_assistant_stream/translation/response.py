"""The outputs of one upstream response, and how items find theirs (spec/servers.md#matching-events-to-items).

Neither ids nor indexes are reliable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from ..protocol.objects import Object
from ..protocol.text import mend
from .calls import ApprovalRequest, FunctionCall
from .coerce import check_count, objects_of
from .hosted import CALLS, CodeInterpreter, FileSearchCall
from .options import TranslatorOptions
from .outputs import AssistantMessage, Item, Output, Reasoning

O = TypeVar("O", bound=Output)  # noqa: E741

_KINDS: tuple[type[Output], ...] = (
    AssistantMessage,
    FunctionCall,
    ApprovalRequest,
    FileSearchCall,
    CodeInterpreter,
    *CALLS,
    Reasoning,
)
OUTPUT_ITEMS = "output items"
KINDS = {kind.kind: kind for kind in _KINDS}
"""The known output items by their upstream `type`."""


class Response:
    """The outputs of one upstream response, in the order of their first items."""

    def __init__(self, run: Object, options: TranslatorOptions = TranslatorOptions()) -> None:  # noqa: B008
        self.outputs: list[Output] = []
        self._left: list[Output] = []
        self._by_id: dict[tuple[type[Output], str], Output] = {}
        self._make: dict[type[Output], Callable[..., Output]] = {
            AssistantMessage: lambda *place: AssistantMessage(*place, citations=options.citations),
            Reasoning: lambda *place: Reasoning(*place, shown=options.reasoning_summaries),
            FileSearchCall: lambda *place: FileSearchCall(*place, threshold=_score_threshold(run)),
        }

    @property
    def begun(self) -> bool:
        """Whether any output has arrived."""
        return bool(self.outputs or self._left)

    def of(self, kind: type[O]) -> list[O]:
        """Return the outputs of a kind."""
        return [output for output in self.outputs if isinstance(output, kind)]

    def restart(self) -> None:
        """Drop the outputs because another response replaces this one.

        Clients have seen its messages, so they are replayed. Its calls are dropped.
        """
        self._left += self.of(AssistantMessage)
        self.outputs = []
        self._by_id.clear()

    def added(self, kind: type[O], item: Item, index: Any) -> O:
        """Return the output that `output_item.added` opens: a known one by id, else a new one."""
        id = _id(item.get("id"))
        known = self._known(kind, id)
        if known is None and id is None:
            known = self._open(kind, lambda output: output.index is not None and output.index == index)
        return known or self._new(kind, id, index)

    def resolve(self, kind: type[O], id: Any, index: Any, call_id: Any = None) -> O:
        """Return the output of an item: by id, else the open one at its index, else the newest open one, else a new."""
        id = _id(id)

        def fits(output: Output) -> bool:
            return not (isinstance(output, FunctionCall) and call_id and output.call_id and output.call_id != call_id)

        return (
            self._known(kind, id)
            or self._open(kind, lambda output: output.index is not None and output.index == index and fits(output))
            or self._open(kind, fits)
            or self._new(kind, id, index)
        )

    def supplement(self, items: Any) -> None:
        """Add what is missing from the terminal item's `output`. It never removes anything."""
        copies = objects_of(items)
        check_count(len(copies), OUTPUT_ITEMS)
        for type_, kind in KINDS.items():
            if kind is not Reasoning:
                self._supplement(kind, [item for item in copies if item.get("type") == type_])

    def replay(self) -> list[Item]:
        """Return the outputs as input items: messages first, reasoning before its successor.

        Reasoning without a successor is left out: the upstream rejects it (spec/servers.md#replayed-reasoning). File
        searches are left out: with `store: false` the upstream does not know their ids.
        """
        messages: list[Item] = []
        calls: list[Item] = []
        thoughts: list[Item] = []
        for output in [*self._left, *self.outputs]:
            item = output.replay()
            if isinstance(output, Reasoning):
                thoughts += [item] if item else []
                continue
            if item is not None:
                (calls if isinstance(output, FunctionCall) else messages).extend([*thoughts, item])
            thoughts = []
        return messages + calls

    def _supplement(self, kind: type[Output], copies: list[Item]) -> None:
        free = [output for output in self.outputs if type(output) is kind]
        unmatched: list[Item] = []
        for item in copies:
            known = self._known(kind, _id(item.get("id")))
            if known is None:
                unmatched.append(item)
                continue
            known.supplement(item)
            if known in free:
                free.remove(known)
        for item in unmatched:
            output = _likeness(item, free)
            if output is None:
                output = self._new(kind, _id(item.get("id")), None)
            else:
                free.remove(output)
            output.supplement(item)

    def _known(self, kind: type[O], id: str | None) -> O | None:
        return cast("O | None", self._by_id.get((kind, id))) if id else None

    def _open(self, kind: type[O], fits: Callable[[Output], bool]) -> O | None:
        for output in reversed(self.outputs):
            if type(output) is kind and not output.done and fits(output):
                return output
        return None

    def _new(self, kind: type[O], id: str | None, index: Any) -> O:
        check_count(len(self.outputs) + 1, OUTPUT_ITEMS)
        make = self._make.get(kind, kind)
        output = cast(O, make(id, index if isinstance(index, int) else None, len(self.outputs)))
        self.outputs.append(output)
        if id:
            self._by_id[kind, id] = output
        return output


def _likeness(item: Item, free: list[Output]) -> Output | None:
    """Return the streamed output that equals a terminal copy with another id, or None."""
    for output in free:
        if not isinstance(output, FunctionCall):
            return output
        if output.call_id and output.call_id == item.get("call_id"):
            return output
        if output.name == item.get("name") and output.arguments == item.get("arguments"):
            return output
    return None


def _id(value: Any) -> str | None:
    return mend(value) if isinstance(value, str) and value else None


def _score_threshold(run: Object) -> float:
    for tool in run.get("tools") or ():
        if tool.get("type") == "file_search":
            options = (tool.get("file_search") or {}).get("ranking_options") or {}
            score = options.get("score_threshold")
            return score if isinstance(score, (int, float)) else 0.0
    return 0.0
