"""Read the items of one upstream response: one method for each row of spec/responses.md#event-mapping.

The reader writes messages and the steps of hosted tools as they arrive. It does not decide how the run continues. The
reading rules are in spec/servers.md#reading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from ..protocol.objects import Object
from ..protocol.writer import Closing, RunWriter
from .calls import FunctionCall
from .coerce import OUTPUT_BYTES, InvalidResponse, arguments_of, content_of, json_or_text, object_of, text_of
from .failures import Failure
from .hosted import CodeInterpreter, McpCall
from .options import TranslatorOptions
from .outputs import AssistantMessage, Item, Output, Part, Reasoning
from .response import KINDS, O, Response
from .usage import usage_of
from .write_order import WriteOrder

TEXT_DELTA = "response.output_text.delta"


class ResponseEnd(NamedTuple):
    """The end of a response: `completed`, `incomplete`, `failed` or `cancelled`, and the upstream's reason."""

    status: str
    reason: str = ""


Row = Callable[["ResponseReader", Item], "ResponseEnd | None"]
_R = TypeVar("_R", bound=Row)
_ROWS: dict[str, Row] = {}
_STAGES = [
    f"response.{tool}.{stage}"
    for tool in ("file_search_call", "web_search_call", "code_interpreter_call", "image_generation_call", "mcp_call")
    for stage in ("in_progress", "searching", "interpreting", "generating", "partial_image", "completed", "failed")
]
"""Items that report the progress of a tool. They change nothing."""
_SKIPPED = ("mcp_list_tools", "compaction", "additional_tools", "program", "program_output")
"""Output items that clients do not see (spec/responses.md#hosted-tools)."""


def _row(*types: str) -> Callable[[_R], _R]:
    def register(method: _R) -> _R:
        _ROWS.update(dict.fromkeys(types, method))
        return method

    return register


class ResponseReader:
    """The state of one response.

    Attributes:
        failing: the response has failed. Reading continues, and `failure` keeps the most precise report.
        unknown: number of items without a row.
    """

    def __init__(self, writer: RunWriter, options: TranslatorOptions) -> None:
        self.response = Response(writer.run, options)
        self._writer = writer
        self.order = WriteOrder(writer)
        self.usage: Object | None = None
        self.failing = False
        self.failure = Failure()
        self.unknown = 0
        self._id = ""
        self._lane: tuple[Any, Any, Any] | None = None
        self._part: tuple[AssistantMessage, Part] | None = None
        self._pieces: list[str] = []
        self._full_at = writer.size + OUTPUT_BYTES

    def read(self, items: Sequence[Item]) -> ResponseEnd | None:
        """Take the items of one read, up to a terminal one, and return the end of the response.

        Adjacent text deltas of a part become one piece. Failures are kept, not returned.
        """
        pieces = self._pieces
        for item in items:
            if item.get("type") == TEXT_DELTA:
                lane = (item.get("item_id"), item.get("output_index"), item.get("content_index"))
                if lane != self._lane:
                    self._change_lane(lane)
                piece = item.get("delta")
                if isinstance(piece, str):
                    pieces.append(piece)
                else:
                    content_of(piece, "a piece of the answer")  # null is none
                continue
            if self._lane is not None:
                self._leave_lane()
            row = _ROWS.get(str(item.get("type")))
            if row is None:
                self.unknown += 1
                continue
            end = row(self, item)
            if end is not None:
                return end
        if pieces:
            self._flush()
        if self._writer.size > self._full_at:
            raise InvalidResponse(f"The upstream sent more than {OUTPUT_BYTES} bytes of output.")
        return None

    def settle(self, closing: Closing, cut: Callable[[Output], bool]) -> Closing:
        """Write everything that has arrived; see `WriteOrder.settle`."""
        self._leave_lane()
        return self.order.settle(closing, cut)

    @property
    def all_done(self) -> bool:
        """Whether every output has ended (spec/servers.md#end-without-a-terminal-event)."""
        return bool(self.response.outputs) and all(output.done for output in self.response.outputs)

    # -- text deltas: the hot path ------------------------------------------------------------------------

    def _change_lane(self, lane: tuple[Any, Any, Any]) -> None:
        """Find the part of these deltas. Ids may change with every item, so the part counts."""
        id, index, content_index = lane
        message = self.response.resolve(AssistantMessage, id, index)
        part = message.part("text", content_index if isinstance(content_index, int) else None)
        if self._part is not None and self._part[1] is not part:
            self._flush()
        self._lane, self._part = lane, (message, part)

    def _leave_lane(self) -> None:
        self._flush()
        self._lane = self._part = None

    def _flush(self) -> None:
        if self._pieces and self._part is not None:
            piece = "".join(self._pieces)
            self._pieces.clear()
            message, part = self._part
            self.order.add_text(message, part, piece)

    # -- rows ---------------------------------------------------------------------------------------------

    @_row("response.created")
    def _on_created(self, item: Item) -> None:
        """Restart with another response: a gateway has switched to another server."""
        id = text_of(object_of(item.get("response")).get("id"))
        if id and self._id and id != self._id:
            for output in self.response.outputs:
                output.done = True
                self.order.touch(output)
            self.response.restart()
        self._id = id or self._id

    @_row("response.queued", "response.in_progress", "keepalive", *_STAGES)
    def _on_life(self, item: Item) -> None:
        """Do nothing: any item has started the run already."""

    @_row("response.output_item.added")
    def _on_added(self, item: Item) -> None:
        copy, kind = self._copy(item)
        if kind is not None:
            output = self.response.added(kind, copy, item.get("output_index"))
            output.begin(copy)
            self.order.touch(output)

    @_row("response.output_item.done")
    def _on_done(self, item: Item) -> None:
        copy, kind = self._copy(item)
        if kind is not None:
            output = self.response.resolve(kind, copy.get("id"), item.get("output_index"), copy.get("call_id"))
            output.take(copy)
            output.done = True
            if isinstance(output, Reasoning):
                output.write_summary(self._writer, copy)
            self.order.touch(output)

    @_row("response.output_text.done")
    def _on_text_done(self, item: Item) -> None:
        self._take_part(item, {"type": "output_text", "text": item.get("text")})

    @_row("response.refusal.done")
    def _on_refusal_done(self, item: Item) -> None:
        self._take_part(item, {"type": "refusal", "refusal": item.get("refusal")})

    @_row("response.content_part.done")
    def _on_part_done(self, item: Item) -> None:
        part = object_of(item.get("part"))
        if part.get("type") in ("output_text", "refusal"):  # reasoning text never opens a message
            self._take_part(item, part)

    @_row("response.output_text.annotation.added")
    def _on_annotation(self, item: Item) -> None:
        message = self._output(AssistantMessage, item)
        message.cite(message.part("text", _index(item)), item.get("annotation"))
        self.order.touch(message)

    @_row("response.refusal.delta")
    def _on_refusal(self, item: Item) -> None:
        message = self._output(AssistantMessage, item)
        message.add(message.part("refusal", _index(item)), content_of(item.get("delta"), "a refusal"))
        self.order.touch(message)

    @_row("response.function_call_arguments.delta")
    def _on_arguments(self, item: Item) -> None:
        call = self._output(FunctionCall, item)
        call.streamed.append(json_or_text(item.get("delta")))
        self.order.touch(call)

    @_row("response.function_call_arguments.done")
    def _on_arguments_done(self, item: Item) -> None:
        call = self.response.resolve(FunctionCall, item.get("item_id"), item.get("output_index"), item.get("call_id"))
        call.take_arguments(item)
        self.order.touch(call)

    @_row("response.code_interpreter_call_code.delta", "response.code_interpreter_call_code.done")
    def _on_code(self, item: Item) -> None:
        code = self._output(CodeInterpreter, item)
        code.add(item.get("delta"))
        code.complete(item.get("code"))
        self.order.touch(code)

    @_row("response.mcp_call_arguments.delta", "response.mcp_call_arguments.done")
    def _on_mcp_arguments(self, item: Item) -> None:
        call = self._output(McpCall, item)
        call.streamed.append(json_or_text(item.get("delta")))
        call.whole = arguments_of(item.get("arguments")) or call.whole
        self.order.touch(call)

    @_row("response.reasoning_summary_text.delta")
    def _on_thought(self, item: Item) -> None:
        self._output(Reasoning, item).write_piece(self._writer, item.get("summary_index"), item.get("delta"))

    @_row("response.reasoning_summary_text.done")
    def _on_thought_done(self, item: Item) -> None:
        self._output(Reasoning, item).write_piece(self._writer, item.get("summary_index"), item.get("text"), whole=True)

    @_row("response.completed", "response.incomplete", "response.failed", "response.cancelled")
    def _on_terminal(self, item: Item) -> ResponseEnd | None:
        response = object_of(item.get("response"))
        self.usage = usage_of(response.get("usage")) or self.usage
        end = _end_of(item["type"], response)
        if end.status == "failed":
            self._hold(response.get("error"))
            return None
        if self.failing:
            return ResponseEnd("failed")
        self.response.supplement(response.get("output"))
        for output in self.response.outputs:
            output.done = output.done or end.status == "completed"
            self.order.touch(output)
        return end

    # -- shared by the rows -------------------------------------------------------------------------------

    def _copy(self, item: Item) -> tuple[Item, type[Output] | None]:
        copy = object_of(item.get("item"))
        kind = KINDS.get(str(copy.get("type")))
        self.unknown += kind is None and copy.get("type") not in _SKIPPED
        return copy, kind

    def _output(self, kind: type[O], item: Item) -> O:
        return self.response.resolve(kind, item.get("item_id"), item.get("output_index"))

    def _take_part(self, item: Item, part: Item) -> None:
        message = self._output(AssistantMessage, item)
        message.take_part(_index(item), part)
        self.order.touch(message)

    @_row("error")
    def _hold(self, error: Any) -> None:
        self.failure = self.failure.richer(Failure.of(error))
        self.failing = True


def _end_of(type: str, response: Object) -> ResponseEnd:
    """Return the end of a response by its status, its details and the item's type (spec/servers.md#outcome)."""
    named = type.rpartition(".")[2]
    reason = str(object_of(response.get("incomplete_details")).get("reason") or "")
    status = response.get("status")
    if named == "failed" or status not in ("completed", "incomplete", "failed", "cancelled"):
        status = named if named == "failed" or not reason else "incomplete"
    return ResponseEnd(str(status), reason)


def _index(item: Item) -> int | None:
    index = item.get("content_index")
    return index if isinstance(index, int) else None
