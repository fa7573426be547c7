"""Which functions a run may have executed here: those that its assistant was given in the app's code.

An assistant made over the API declares functions of its client, whatever they are called: nobody can have a function
of the server executed by naming it. Knows no Flask: the app's context is injected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from ..protocol.objects import Object
from ..run_logger import RunLogger
from ..stores.base import RunRecord
from .calls import ToolCalls
from .registry import ToolContext, Tools


class ServerTools:
    """The functions of one registration, by assistant.

    Args:
        by_assistant: the functions of each assistant that has some, by the assistant's id; looked at anew for every
            run, so that a function which is registered late is known.
        around: makes the context in which a function is called, such as an app context.
        max_chars: the longest output.
    """

    def __init__(
        self,
        by_assistant: Mapping[str, Tools],
        around: Callable[[], AbstractContextManager[object]],
        max_chars: int,
    ) -> None:
        self._by_assistant = by_assistant
        self._around = around
        self._max_chars = max_chars

    def names(self, run: Object) -> dict[str, bool]:
        """Return the functions that are executed here for a run, and whether each needs approval first."""
        tools = self._by_assistant.get(run["assistant_id"])
        if tools is None:
            return {}
        asked = [tool["function"]["name"] for tool in run["tools"] if tool["type"] == "function"]
        return {name: tool.requires_approval for name in asked if (tool := tools.get(name)) is not None}

    def calls(self, run: RunRecord, calls: list[Object], log: RunLogger) -> ToolCalls:
        """Make ready to execute the calls of one response."""

        def context(call_id: str) -> ToolContext:
            return ToolContext(run.owner, run.parent, run.id, call_id)

        tools = self._by_assistant[run.body["assistant_id"]]
        return ToolCalls(tools, calls, context, around=self._around, log=log, max_chars=self._max_chars)
