"""The calls of one response from its end to their last answer.

Input and output are plain values, so another worker can continue. Writes no event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from ..errors import RequestError
from ..protocol.objects import Object
from ..protocol.text import mend
from .calls import ApprovalRequest, FunctionCall
from .outputs import Item

APPROVAL_PREFIX = "approval."
"""Prefix of the name of a call that the user must approve."""

NOT_APPROVED = "The user did not approve this call."
"""The output of a call that the user rejects. Stored runs are compared with it, so it never changes."""


class AnsweredBy(str, Enum):
    """The party that answers a call."""

    CLIENT = "client"
    """The client executes it."""
    SERVER = "server"
    """This server executes it."""
    USER = "user"
    """This server executes it after the user's approval."""
    UPSTREAM = "upstream"
    """The upstream executes it after the user's approval (`mcp_approval_request`)."""


@dataclass(slots=True)
class _PendingCall:
    """One call as clients see it, the party that answers, and the output."""

    call: Object
    answered_by: AnsweredBy
    output: str | None = None

    def required(self) -> Object:
        """Return it as `required_action` lists it."""
        if self.answered_by is not AnsweredBy.USER:
            return self.call
        return _with(self.call, name=APPROVAL_PREFIX + self.call["function"]["name"])

    def answer(self, output: str) -> None:
        """Take the client's output. An approval passes the call to this server."""
        approved = output.strip().lower() == "true"
        if self.answered_by is AnsweredBy.UPSTREAM:
            self.output = "true" if approved else "false"
        elif self.answered_by is AnsweredBy.USER and approved:
            self.answered_by = AnsweredBy.SERVER
        else:
            self.output = NOT_APPROVED if self.answered_by is AnsweredBy.USER else mend(output)

    def item(self) -> Item:
        """Return the input item with the output."""
        id = self.call["id"]
        if self.answered_by is AnsweredBy.UPSTREAM:
            return {"type": "mcp_approval_response", "approval_request_id": id, "approve": self.output == "true"}
        return {"type": "function_call_output", "call_id": id, "output": self.output or ""}


class PendingCalls:
    """The calls of one response, with and without output."""

    def __init__(self, calls: Iterable[_PendingCall]) -> None:
        self._calls = list(calls)

    @classmethod
    def of(cls, calls: Sequence[FunctionCall], server_tools: Mapping[str, bool]) -> PendingCalls:
        """Assign the calls of a response.

        Args:
            calls: in order, with settled ids, without a problem.
            server_tools: names of functions that this server executes → whether the user approves each call.
        """
        return cls(_pending(call, server_tools) for call in calls)

    @classmethod
    def load(cls, state: Sequence[Object]) -> PendingCalls:
        """Restore the value of `dump`."""
        return cls(_PendingCall(entry["call"], AnsweredBy(entry["whose"]), entry["output"]) for entry in state)

    def dump(self) -> list[Object]:
        """Return the calls as JSON values."""
        return [
            {"call": pending.call, "whose": pending.answered_by.value, "output": pending.output}
            for pending in self._calls
        ]

    @property
    def to_run(self) -> list[Object]:
        """The calls that this server executes now."""
        return [pending.call for pending in self._open() if pending.answered_by is AnsweredBy.SERVER]

    @property
    def to_ask(self) -> list[Object]:
        """The calls that the client answers, as `required_action` lists them."""
        return [pending.required() for pending in self._open() if pending.answered_by is not AnsweredBy.SERVER]

    @property
    def shown(self) -> list[Object]:
        """All calls as the step shows them."""
        return [_with(pending.call, output=pending.output) for pending in self._calls]

    def items(self) -> list[Item]:
        """Return the input items of all outputs. Every call must have one."""
        return [pending.item() for pending in self._calls]

    def finish(self, outputs: Mapping[str, str]) -> None:
        """Take the outputs of the executed calls.

        Raises:
            ValueError: the ids differ from those of `to_run`: a fault of this library.
        """
        running = [pending for pending in self._open() if pending.answered_by is AnsweredBy.SERVER]
        if not running or {pending.call["id"] for pending in running} != set(outputs):
            ids = [pending.call["id"] for pending in running]
            raise ValueError(f"Results for {sorted(outputs)}, but to run were {ids}.")
        for pending in running:
            pending.output = mend(outputs[pending.call["id"]])

    def answer(self, outputs: Mapping[str, str]) -> None:
        """Take the client's outputs.

        Raises:
            RequestError: the ids differ from those of `to_ask` (spec/assistants.md#errors). Nothing has changed.
        """
        required = [pending for pending in self._open() if pending.answered_by is not AnsweredBy.SERVER]
        ids = [pending.call["id"] for pending in required]
        if set(ids) != set(outputs):
            message = f"Expected tool outputs for call_ids {ids}, got {list(outputs)}"
            raise RequestError(message, param="tool_outputs")
        for pending in required:
            pending.answer(outputs[pending.call["id"]])

    def _open(self) -> list[_PendingCall]:
        return [pending for pending in self._calls if pending.output is None]


def _pending(call: FunctionCall, server_tools: Mapping[str, bool]) -> _PendingCall:
    if isinstance(call, ApprovalRequest):
        return _PendingCall(call.tool_call(), AnsweredBy.UPSTREAM)
    if call.name not in server_tools:
        return _PendingCall(call.tool_call(), AnsweredBy.CLIENT)
    return _PendingCall(call.tool_call(), AnsweredBy.USER if server_tools[call.name] else AnsweredBy.SERVER)


def _with(call: Object, **changes: str | None) -> Object:
    return {**call, "function": {**call["function"], **changes}}
