"""Calls that somebody else than the upstream answers: functions, and hosted tools that want an approval first."""

from __future__ import annotations

from ..protocol.ids import CALL, NewId
from ..protocol.objects import Object
from ..protocol.text import mend
from .coerce import is_json_object, text_of
from .outputs import Item, Output

CALL_ID_CHARS = 64
"""The longest call id that a request may carry (OpenAPI `FunctionCallOutputItemParam`)."""


class FunctionCall(Output):
    """A function call, emitted when the response ends (`spec/servers.md#overlapping-items`)."""

    kind = "function_call"

    def __init__(self, id: str | None, index: int | None, ordinal: int) -> None:
        super().__init__(id, index, ordinal)
        self.call_id = ""
        self.name = ""
        self.added = ""
        self.streamed: list[str] = []
        self.told = ""
        self.whole = ""
        self.terminal = ""

    def begin(self, item: Item) -> None:
        """Take names, and arguments that may be all or just the first piece."""
        self._take_names(item)
        self.added = text_of(item.get("arguments")) or self.added

    def take(self, item: Item) -> None:
        """Take names and the whole arguments."""
        self._take_names(item)
        self.whole = text_of(item.get("arguments")) or self.whole

    def take_arguments(self, item: Item) -> None:
        """Take `function_call_arguments.done`, which may bring the name too."""
        self._take_names(item)
        self.told = text_of(item.get("arguments")) or self.told

    def supplement(self, item: Item) -> None:
        """Take names and arguments for the case that none came."""
        self._take_names(item)
        self.terminal = text_of(item.get("arguments")) or self.terminal

    def _take_names(self, item: Item) -> None:
        self.call_id = self.call_id or text_of(item.get("call_id"))
        self.name = self.name or text_of(item.get("name"))

    @property
    def arguments(self) -> str:
        """The arguments, best evidence first (`spec/servers.md#call-arguments`)."""
        found = self.whole or self.told or self._pieces or self.added
        if self.terminal and not is_json_object(found):
            found = self.terminal if is_json_object(self.terminal) or not found else found
        return mend(found).strip() or "{}"

    @property
    def _pieces(self) -> str:
        """What was streamed; `added` may hold the first piece of it."""
        streamed = "".join(self.streamed)
        return self.added + streamed if streamed and is_json_object(self.added + streamed) else streamed

    @property
    def valid(self) -> bool:
        """Whether it has a name and a JSON object as arguments (`spec/servers.md#unusable-calls`)."""
        return bool(self.name) and is_json_object(self.arguments)

    def settle_id(self, taken: set[str], new_id: NewId) -> None:
        """Settle its call id, a new one where the upstream's is missing, too long or taken."""
        if not self.call_id or len(self.call_id) > CALL_ID_CHARS or self.call_id in taken:
            self.call_id = new_id(CALL)
        taken.add(self.call_id)

    def tool_call(self) -> Object:
        """Return it as `required_action` carries it (`spec/assistants.md#objects`)."""
        function = {"name": self.name, "arguments": self.arguments}
        return {"id": self.call_id, "type": "function", "function": function}

    def replay(self) -> Item | None:
        """Return it without an item id, with JSON arguments (`spec/servers.md#valid-history`)."""
        arguments = self.arguments if is_json_object(self.arguments) else "{}"
        return {"type": "function_call", "call_id": self.call_id, "name": self.name, "arguments": arguments}


class ApprovalRequest(FunctionCall):
    """A call that the upstream makes itself once it is approved; to a client it is a function to answer."""

    kind = "mcp_approval_request"

    def __init__(self, id: str | None, index: int | None, ordinal: int) -> None:
        super().__init__(id, index, ordinal)
        self.server_label = ""

    def _take_names(self, item: Item) -> None:
        self.call_id = self.call_id or text_of(item.get("id"))
        self.name = self.name or text_of(item.get("name"))
        self.server_label = self.server_label or text_of(item.get("server_label"))

    def tool_call(self) -> Object:
        """Return it as a call of `mcp_approval.<tool>`; its id is the request's."""
        function = {"name": f"mcp_approval.{self.name}", "arguments": self.arguments}
        return {"id": self.call_id, "type": "function", "function": function}

    def replay(self) -> Item | None:
        """Return the request; the response to it names its id."""
        told = {"server_label": self.server_label, "name": self.name, "arguments": self.arguments}
        return {"type": self.kind, "id": self.call_id, **told}
