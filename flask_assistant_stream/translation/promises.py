"""What a run asks for and an upstream may pass over: kept here where that is possible, else told as a failure.

See `spec/servers.md#ignored-limits`. How long an answer is, is watched over by the engine: it alone can stop it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from ..protocol.objects import Object
from .calls import FunctionCall
from .outputs import AssistantMessage, Reasoning
from .response import Response

NOT_CALLED = "The upstream did not call {}, although tool_choice says that it must."
NOT_JSON = "The model's answer is not the JSON that response_format asks for."


def first_call_only(response: Response) -> None:
    """Forget all calls of a response but the first: nobody has been told of them, and the model may ask again."""
    others = response.of(FunctionCall)[1:]
    response.outputs = [output for output in response.outputs if output not in others]


def broken_promise(run: Object, response: Response, ignored: Collection[str], *, first: bool) -> str | None:
    """Say what a whole response lacks that the run asks for, or return None; a refusal is an answer.

    Args:
        run: the run.
        response: as it ended.
        ignored: fields of a request that the upstream may pass over; only these are looked at.
        first: whether it is the run's first, the only one for which a choice of tools holds.
    """
    if any(part.kind == "refusal" for message in response.of(AssistantMessage) for part in message.parts):
        return None
    if first and "tool_choice" in ignored and (missing := _not_called(run, response)):
        return NOT_CALLED.format(missing)
    if "text" in ignored and not response.of(FunctionCall) and not _in_format(run["response_format"], response):
        return NOT_JSON
    return None


def _not_called(run: Object, response: Response) -> str | None:
    """Return what had to be called and was not."""
    choice = run["tool_choice"]
    if isinstance(choice, dict) and choice["type"] == "function":
        name: str = choice["function"]["name"]
        return None if any(call.name == name for call in response.of(FunctionCall)) else f"the function {name}"
    if choice != "required" or not any(tool["type"] == "function" for tool in run["tools"]):
        return None
    return None if any(not isinstance(one, (AssistantMessage, Reasoning)) for one in response.outputs) else "a tool"


def _in_format(wanted: Any, response: Response) -> bool:
    """Say whether the last message is JSON, where that is wanted; how it is built only the upstream can enforce."""
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind not in ("json_object", "json_schema"):
        return True
    said = [message.text for message in response.of(AssistantMessage) if message.text]
    try:
        value = json.loads(said[-1] if said else "")
    except (ValueError, RecursionError):
        return False
    return kind == "json_schema" or isinstance(value, dict)
