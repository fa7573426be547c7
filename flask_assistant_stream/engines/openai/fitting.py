"""A Responses request made to fit the server that gets it, and refitted where that server names what it does not take.

Pure: `spec/servers.md#sending`. What is left out is never anything that the answer depends on: a promise
(`profiles.PROMISES`) is watched over instead; all else that is refused is for the one who asked for it to hear.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ...errors import EngineError
from ...profiles import OPTIONAL_FIELDS, Profile, no_such_tool
from ...protocol.failures import INVALID_PROMPT
from ..base import Item

OWN_TOOLS = frozenset(("function", "custom"))
"""Tools that no server runs: it only says that they are to be called."""

PARALLEL = "parallel_tool_calls"
"""The promise that is kept here for every server: only the first of several calls is taken."""

MAX_MODELS = 100
REFUSALS = frozenset((400, 422))

_NO_MESSAGE: Item = {"type": "message", "role": "user", "content": ""}
_SPELLINGS = {
    "include": "include|encrypted content|encrypted_content",
    "reasoning.summary": "reasoning.summary|reasoning_summary|summary|reasoning summaries",
    "stream_options": "stream_options|include_obfuscation",
}
"""How messages name a field, where not by its name alone."""
_EVERYDAY = frozenset(("include", "summary", "phase", "truncation"))
"""Also words of any sentence: they name a field only where they stand as one."""
_UNKNOWN = re.compile(r"un(supported|known|recogni|expected)|not (support|allow|permit|implement|accept)|extra", re.I)


def fit(request: dict[str, Any], profile: Profile, without: Iterable[str] = ()) -> dict[str, Any]:
    """Return a request with what the server takes of it.

    Args:
        request: the whole request; it stays as it is.
        profile: what is known of the server.
        without: fields that it is known to refuse besides.

    Raises:
        EngineError: it asks for a tool that the server does not run.
    """
    left_out = (OPTIONAL_FIELDS - profile.fields) | set(without)
    fitted = {name: value for name, value in request.items() if name not in left_out}
    _fit_tools(fitted, profile, request.get("tool_choice"))
    if "reasoning.summary" in left_out and "summary" in (fitted.get("reasoning") or {}):
        fitted["reasoning"] = {key: value for key, value in fitted["reasoning"].items() if key != "summary"}
        if not fitted["reasoning"]:
            del fitted["reasoning"]
    if isinstance(request.get("input"), list):
        fitted["input"] = list(_input(request["input"], profile, "phase" not in left_out))
        if fitted["input"] and "role" not in fitted["input"][0]:  # else some take what follows for content parts
            fitted["input"].insert(0, dict(_NO_MESSAGE))
    return fitted


def _fit_tools(request: dict[str, Any], profile: Profile, choice: Any) -> None:
    """Check the tools, and say by them what a server that ignores `tool_choice` would not hear."""
    for tool in request.get("tools") or ():
        if tool["type"] not in OWN_TOOLS and tool["type"] not in profile.tools:
            said = no_such_tool(profile, tool["type"])
            raise EngineError(said[0].upper() + said[1:], code=INVALID_PROMPT)
    if "tool_choice" not in profile.ignores:
        return
    if choice == "none":
        request.pop("tools", None)
        request.pop("tool_choice", None)
    elif isinstance(choice, dict) and choice.get("type") == "function":
        request["tools"] = [tool for tool in request["tools"] if tool.get("name") == choice["name"]]
        if "tool_choice" in request:
            request["tool_choice"] = "required"  # taken in more places than a name


# -- input ------------------------------------------------------------------------------------------------


def _input(items: Iterable[Item], profile: Profile, phases: bool) -> Iterator[Item]:
    called: set[Any] = set()
    for item in items:
        kind = item.get("type", "message")
        if kind == "message":
            yield _message(item, phases)
        elif kind == "function_call":
            called.add(item["call_id"])
            yield item if _is_object(item["arguments"]) else {**item, "arguments": "{}"}
        elif kind == "function_call_output":
            if item["call_id"] in called:  # servers refuse an output without its call
                yield item if profile.arrays else {**item, "output": _string(item["output"])}
        elif kind != "reasoning" or profile.reasoning:
            yield item


def _message(item: Item, phases: bool) -> Item:
    """Return a message with its type; what the assistant said as text, as few servers take it back in parts."""
    message = {"type": "message", **item}
    if not phases:
        message.pop("phase", None)
    if message.get("role") == "assistant":
        message["content"] = _string(message["content"])
    return message


def _string(value: Any) -> str:
    """Return the text of a string or of a list of parts, refusals among them."""
    if isinstance(value, str):
        return value
    parts = value if isinstance(value, list) else [value]
    return "\n".join(str(part.get("text") or part.get("refusal") or json.dumps(part)) for part in parts)


def _is_object(arguments: Any) -> bool:
    try:
        return isinstance(json.loads(arguments), dict)
    except (TypeError, ValueError, RecursionError):
        return False


# -- what a refusal names -----------------------------------------------------------------------------------


def blamed(request: dict[str, Any], profile: Profile, param: str | None, text: str) -> str | None:
    """Return the field that a refusal names and the request can do without, or None.

    Args:
        request: as it was sent.
        profile: its server's; a promise that the server is known to keep is never left out.
        param: the refusal's own word for the field, if it has one; then the text is not searched for others.
        text: the refusal in words.
    """
    optional = {name for name in OPTIONAL_FIELDS if _holds(request, name)}
    promised = {name for name in profile.ignores - {"text"} | {PARALLEL} if _holds(request, name)}
    if not _UNKNOWN.search(text):  # a promised field may also have a wrong value: that is for its sender to hear
        promised = set()
    fitting = sorted(optional | promised)
    if param:
        return next((name for name in fitting if re.match(rf"{re.escape(name)}(?![\w-])", param)), None)
    return next((name for name in fitting if _named(name, text)), None)


def _holds(request: dict[str, Any], name: str) -> bool:
    if name == "phase":
        return any(isinstance(item, dict) and "phase" in item for item in request.get("input") or ())
    first, _, second = name.partition(".")
    return first in request and (not second or second in request[first])


def _named(name: str, text: str) -> bool:
    for spelling in _SPELLINGS.get(name, name).split("|"):
        word = re.escape(spelling)
        if spelling in _EVERYDAY:
            places = (
                rf"['\"`.]{word}\b|: ?{word}\b|\b{word}['\"`:]|\b(?:parameter|argument|field|property|key)s? {word}\b"
            )
            found = re.search(places, text)
        else:
            found = re.search(rf"(?<![\w-]){word}(?![\w-])", text, re.IGNORECASE)
        if found:
            return True
    return False


class Learnt:
    """What one server was found not to take, by model: of what they take, models of one server differ."""

    def __init__(self) -> None:
        self._by_model: dict[str, frozenset[str]] = {}

    def of(self, model: Any) -> frozenset[str]:
        """Return the fields that a model's requests do without."""
        return self._by_model.get(str(model), frozenset())

    def add(self, model: Any, fields: frozenset[str]) -> None:
        """Remember fields that a request did well without."""
        if len(self._by_model) >= MAX_MODELS:  # clients may name models
            self._by_model.clear()
        self._by_model[str(model)] = self.of(model) | fields

    @property
    def fields(self) -> frozenset[str]:
        """All of them."""
        return frozenset().union(*list(self._by_model.values()))
