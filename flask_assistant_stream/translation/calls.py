"""Calls that the upstream does not answer: functions, and hosted tools that need an approval first."""

from __future__ import annotations

from ..protocol.ids import CALL, NewId
from ..protocol.objects import Object
from .coerce import arguments_of, is_json_object, text_of
from .outputs import Item, Output

CALL_ID_CHARS = 64
"""The longest call id in a request (OpenAPI `FunctionCallOutputItemParam`)."""


class FunctionCall(Output):
    """A function call. It is handed out when the response ends (spec/responses.md#function-calls)."""

    kind = "function_call"

    call_id = name = added = finished = whole = terminal = ""

    def __init__(self, id: str | None, index: int | None, ordinal: int) -> None:
        super().__init__(id, index, ordinal)
        self.streamed: list[str] = []

    def begin(self, item: Item) -> None:
        """Take names, and arguments: all of them or only the first piece."""
        self._take_names(item)
        self.added = arguments_of(item.get("arguments")) or self.added

    def take(self, item: Item) -> None:
        self._take_names(item)
        self.whole = arguments_of(item.get("arguments")) or self.whole

    def take_arguments(self, item: Item) -> None:
        """Take `function_call_arguments.done`. It may have the name too."""
        self._take_names(item)
        self.finished = arguments_of(item.get("arguments")) or self.finished

    def supplement(self, item: Item) -> None:
        """Take names and arguments, used if nothing else brought them."""
        self._take_names(item)
        self.terminal = arguments_of(item.get("arguments")) or self.terminal

    def _take_names(self, item: Item) -> None:
        self.call_id = self.call_id or text_of(item.get("call_id"))
        self.name = self.name or text_of(item.get("name"))

    @property
    def arguments(self) -> str:
        """The arguments, from the most reliable source (spec/servers.md#call-arguments)."""
        text = self.whole or self.finished or self._pieces or self.added
        if self.terminal and not is_json_object(text) and (is_json_object(self.terminal) or not text):
            text = self.terminal
        return arguments_of(text).strip() or "{}"

    @property
    def _pieces(self) -> str:
        """The streamed text. `added` may hold its first piece."""
        streamed = "".join(self.streamed)
        return self.added + streamed if streamed and is_json_object(self.added + streamed) else streamed

    @property
    def problem(self) -> str | None:
        """The reason why no party can answer it, or None (spec/servers.md#unusable-calls)."""
        if not self.name:
            return "The model called a function without a name."
        if not is_json_object(self.arguments):
            return f"The model called {self.name[:CALL_ID_CHARS]} with arguments that are not a JSON object."
        return None

    def settle_id(self, taken: set[str], new_id: NewId) -> None:
        """Settle its call id: a new one if the upstream's is missing, too long or taken."""
        if not self.call_id or len(self.call_id) > CALL_ID_CHARS or self.call_id in taken:
            self.call_id = new_id(CALL)
        taken.add(self.call_id)

    def tool_call(self) -> Object:
        """Return it as `required_action` has it (spec/assistants.md#objects)."""
        function = {"name": self.name, "arguments": self.arguments}
        return {"id": self.call_id, "type": "function", "function": function}

    def replay(self) -> Item | None:
        """Return it without an item id: with `store: false` the upstream has none. Arguments are always JSON."""
        arguments = self.arguments if is_json_object(self.arguments) else "{}"
        return {"type": "function_call", "call_id": self.call_id, "name": self.name, "arguments": arguments}


class ApprovalRequest(FunctionCall):
    """A call that the upstream makes after an approval. A client sees a function to answer."""

    kind = "mcp_approval_request"

    server_label = ""

    def _take_names(self, item: Item) -> None:
        self.call_id = self.call_id or text_of(item.get("id"))
        self.name = self.name or text_of(item.get("name"))
        self.server_label = self.server_label or text_of(item.get("server_label"))

    @property
    def problem(self) -> str | None:
        if not self.call_id or not self.server_label:
            return "The upstream asked for an approval without an id or a server."
        return super().problem

    def settle_id(self, taken: set[str], new_id: NewId) -> None:  # noqa: ARG002
        """Keep its id, of any length: the response to it names it."""
        taken.add(self.call_id)

    def tool_call(self) -> Object:
        """Return it as a call of `mcp_approval.<tool>` with the id of the request."""
        function = {"name": f"mcp_approval.{self.name}", "arguments": self.arguments}
        return {"id": self.call_id, "type": "function", "function": function}

    def replay(self) -> Item | None:
        """Return the request. The response to it names its id."""
        fields = {"server_label": self.server_label, "name": self.name, "arguments": self.arguments}
        return {"type": self.kind, "id": self.call_id, **fields}
