"""The functions that the server executes for a run: those that the app's code gives to its assistant.

An assistant created over the API has functions of its client only, whatever their names: no client can call a
function of the server by naming it. Knows no Flask: the app's context is injected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..namespaces import plain_owner
from ..protocol.objects import Object
from ..run_logger import RunLogger
from ..stores.base import RunRecord
from .calls import Around, ToolCalls
from .registry import ToolContext, Tools


class ServerTools:
    """The functions of one registration, by assistant.

    Args:
        by_assistant: functions by assistant id; read for every run, as functions may be registered late.
        keep_context: called in the request that starts or continues a run; returns what makes the contexts in which
            the run's functions are called.
        max_chars: maximum length of an output.
    """

    def __init__(self, by_assistant: Mapping[str, Tools], keep_context: Callable[[], Around], max_chars: int) -> None:
        self._by_assistant = by_assistant
        self.keep_context = keep_context
        self._max_chars = max_chars

    def names(self, run: Object) -> dict[str, bool]:
        """Return the functions that this server executes for a run, and whether each needs approval first."""
        tools = self._by_assistant.get(run["assistant_id"])
        if tools is None:
            return {}
        functions = [tool["function"]["name"] for tool in run["tools"] if tool["type"] == "function"]
        return {name: tool.requires_approval for name in functions if (tool := tools.get(name)) is not None}

    def calls(self, run: RunRecord, calls: list[Object], log: RunLogger, around: Around) -> ToolCalls:
        """Prepare the calls of one response."""

        def context(call_id: str) -> ToolContext:
            return ToolContext(plain_owner(run.owner), run.parent, run.id, call_id)

        tools = self._by_assistant[run.body["assistant_id"]]
        return ToolCalls(tools, calls, context, around=around, log=log, max_chars=self._max_chars)
