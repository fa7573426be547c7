"""The calls of one response between its end and the last answer to them: who is asked, what is run, what came.

Plain values in and out, so that another worker can go on with them. Writes no event.
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
"""Stands before the name of a call of which the user is asked whether it may be made."""

NOT_APPROVED = "The user did not approve this call."
"""What the model hears of a call that was refused."""

NEVER_ACCEPTED = "null"
"""Stands for broken arguments of a call that nobody can be asked to approve: no tool takes what is no object."""


class AnsweredBy(str, Enum):
    """AnsweredBy answer a call waits for."""

    CLIENT = "client"
    """The client executes it."""
    SERVER = "server"
    """This server executes it."""
    USER = "user"
    """This server executes it once the user has approved."""
    UPSTREAM = "upstream"
    """The upstream executes it once the user has approved (`mcp_approval_request`)."""


@dataclass(slots=True)
class _PendingCall:
    """One call: as clients see it, whose it is, and its output once there is one."""

    call: Object
    whose: AnsweredBy
    output: str | None = None

    def required(self) -> Object:
        """Return it as `required_action` asks for it."""
        if self.whose is not AnsweredBy.USER:
            return self.call
        return _with(self.call, name=APPROVAL_PREFIX + self.call["function"]["name"])

    def answer(self, output: str) -> None:
        """Take the client's output; an approving one hands the call over to this server."""
        approved = output.strip().lower() == "true"
        if self.whose is AnsweredBy.UPSTREAM:
            self.output = "true" if approved else "false"
        elif self.whose is AnsweredBy.USER and approved:
            self.whose = AnsweredBy.SERVER
        else:
            self.output = NOT_APPROVED if self.whose is AnsweredBy.USER else mend(output)

    def item(self) -> Item:
        """Return the input item that tells the upstream the output."""
        id = self.call["id"]
        if self.whose is AnsweredBy.UPSTREAM:
            return {"type": "mcp_approval_response", "approval_request_id": id, "approve": self.output == "true"}
        return {"type": "function_call_output", "call_id": id, "output": self.output or ""}


class PendingCalls:
    """The calls of one response that have no output yet, and those beside them that have."""

    def __init__(self, calls: Iterable[_PendingCall]) -> None:
        self._calls = list(calls)

    @classmethod
    def of(cls, calls: Sequence[FunctionCall], server_tools: Mapping[str, bool]) -> PendingCalls:
        """Share out the calls of a response.

        Args:
            calls: named and in order; those for clients are valid.
            server_tools: names of functions that this server executes → whether the user approves each call.
        """
        return cls(_pending(call, server_tools) for call in calls)

    @classmethod
    def load(cls, state: Sequence[Object]) -> PendingCalls:
        """Take up what `dump` returned."""
        return cls(_PendingCall(one["call"], AnsweredBy(one["whose"]), one["output"]) for one in state)

    def dump(self) -> list[Object]:
        """Return the calls as JSON values."""
        return [{"call": one.call, "whose": one.whose.value, "output": one.output} for one in self._calls]

    @property
    def to_run(self) -> list[Object]:
        """The calls that this server is to execute now."""
        return [one.call for one in self._open() if one.whose is AnsweredBy.SERVER]

    @property
    def to_ask(self) -> list[Object]:
        """The calls that the client is to answer, as `required_action` lists them."""
        return [one.required() for one in self._open() if one.whose is not AnsweredBy.SERVER]

    @property
    def shown(self) -> list[Object]:
        """All calls as the step shows them, with the outputs so far."""
        return [_with(one.call, output=one.output) for one in self._calls]

    def items(self) -> list[Item]:
        """Return the input items of all outputs; every call has one by then."""
        return [one.item() for one in self._calls]

    def finish(self, outputs: Mapping[str, str]) -> None:
        """Take the outputs of the calls that were executed.

        Raises:
            ValueError: these are not the calls to run: a fault of this library.
        """
        running = [one for one in self._open() if one.whose is AnsweredBy.SERVER]
        if not running or {one.call["id"] for one in running} != set(outputs):
            raise ValueError(f"Results for {sorted(outputs)}, but to run were {[one.call['id'] for one in running]}.")
        for one in running:
            one.output = mend(outputs[one.call["id"]])

    def answer(self, outputs: Mapping[str, str]) -> None:
        """Take the client's outputs.

        Raises:
            RequestError: these are not the requested calls (`spec/assistants.md#errors`); nothing has changed then.
        """
        asked = [one for one in self._open() if one.whose is not AnsweredBy.SERVER]
        ids = [one.call["id"] for one in asked]
        if set(ids) != set(outputs):
            message = f"Expected tool outputs for call_ids {ids}, got {list(outputs)}"
            raise RequestError(message, param="tool_outputs")
        for one in asked:
            one.answer(outputs[one.call["id"]])

    def _open(self) -> list[_PendingCall]:
        return [one for one in self._calls if one.output is None]


def can_be_handed_out(call: FunctionCall, server_tools: Mapping[str, bool]) -> bool:
    """Say whether a call can be answered: one for others must be valid, a tool of this server refuses by itself."""
    return call.valid or (call.name in server_tools and not isinstance(call, ApprovalRequest))


def _pending(call: FunctionCall, server_tools: Mapping[str, bool]) -> _PendingCall:
    if isinstance(call, ApprovalRequest):
        return _PendingCall(call.tool_call(), AnsweredBy.UPSTREAM)
    if call.name not in server_tools:
        return _PendingCall(call.tool_call(), AnsweredBy.CLIENT)
    if not server_tools[call.name]:
        return _PendingCall(call.tool_call(), AnsweredBy.SERVER)
    if call.valid:
        return _PendingCall(call.tool_call(), AnsweredBy.USER)
    return _PendingCall(_with(call.tool_call(), arguments=NEVER_ACCEPTED), AnsweredBy.SERVER)


def _with(call: Object, **changes: str | None) -> Object:
    return {**call, "function": {**call["function"], **changes}}
