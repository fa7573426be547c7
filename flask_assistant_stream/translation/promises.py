"""Check requests of a run that an upstream may ignore: they are enforced here, or the run fails.

See spec/servers.md#ignored-limits. The engine enforces the output limit, because only the engine can stop a stream.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from ..protocol.objects import Object
from .calls import FunctionCall
from .outputs import AssistantMessage, Reasoning
from .response import Response

NOT_CALLED = "The upstream did not call {}, which tool_choice requires."
NOT_JSON = "The answer of the model is not the JSON that response_format requires."


def first_call_only(response: Response) -> None:
    """Drop all calls of a response but the first. Clients have not seen them, and the model may call again."""
    others = response.of(FunctionCall)[1:]
    response.outputs = [output for output in response.outputs if output not in others]


def broken_promise(run: Object, response: Response, ignored: Collection[str], *, first: bool) -> str | None:
    """Return an error if a complete response lacks what the run requires, or None. A refusal is a valid answer.

    Args:
        ignored: fields of a request that the upstream may ignore. Only these are checked.
        first: whether it is the first response of the run. Only the first has a choice of tools.
    """
    if any(part.kind == "refusal" for message in response.of(AssistantMessage) for part in message.parts):
        return None
    if first and "tool_choice" in ignored and (missing := _not_called(run, response)):
        return NOT_CALLED.format(missing)
    if "text" in ignored and not response.of(FunctionCall) and not _in_format(run["response_format"], response):
        return NOT_JSON
    return None


def _not_called(run: Object, response: Response) -> str | None:
    """Return the required call that is missing, or None."""
    choice = run["tool_choice"]
    if isinstance(choice, dict) and choice["type"] == "function":
        name: str = choice["function"]["name"]
        return None if any(call.name == name for call in response.of(FunctionCall)) else f"the function {name}"
    if choice != "required" or not any(tool["type"] == "function" for tool in run["tools"]):
        return None
    called = any(not isinstance(output, (AssistantMessage, Reasoning)) for output in response.outputs)
    return None if called else "a tool"


def _in_format(response_format: Any, response: Response) -> bool:
    """Return whether the last message is JSON if the format requires it. Only the upstream can enforce a schema."""
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind not in ("json_object", "json_schema"):
        return True
    texts = [message.text for message in response.of(AssistantMessage) if message.text]
    try:
        value = json.loads(texts[-1] if texts else "")
    except (ValueError, RecursionError):
        return False
    return kind == "json_schema" or isinstance(value, dict)
