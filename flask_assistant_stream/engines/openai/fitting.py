"""Fit a Responses request to its server, and find the field that a refusal names.

Pure: `spec/servers.md#sending`. Fields that change the response are never omitted silently: the engine and the
translator check promises (`profiles.PROMISES`), and any other refusal reaches the client.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ...errors import EngineError
from ...profiles import OPTIONAL_FIELDS, Profile, no_such_tool
from ...protocol.last_errors import INVALID_PROMPT
from ..base import Item

OWN_TOOLS = frozenset(("function", "custom"))
"""Tools that the server does not run but only calls."""

PARALLEL = "parallel_tool_calls"
"""A promise kept for every server: only the first of several calls is used."""

MAX_MODELS = 100
REFUSALS = frozenset((400, 422))

_NO_MESSAGE: Item = {"type": "message", "role": "user", "content": ""}
_SPELLINGS = {
    "include": "include|encrypted content|encrypted_content",
    "reasoning.summary": "reasoning.summary|reasoning_summary|summary|reasoning summaries",
    "stream_options": "stream_options|include_obfuscation",
}
"""Other spellings of a field in error messages."""
_EVERYDAY = frozenset(("include", "summary", "phase", "truncation"))
"""Common English words: they name a field only in certain places."""
_UNKNOWN = re.compile(r"un(supported|known|recogni|expected)|not (support|allow|permit|implement|accept)|extra", re.I)


def fit(request: dict[str, Any], profile: Profile, without: Iterable[str] = ()) -> dict[str, Any]:
    """Return a request without what the server does not accept.

    Args:
        without: more fields that the server refuses.

    Raises:
        EngineError: it has a tool that the server does not run.
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
        if fitted["input"] and "role" not in fitted["input"][0]:  # else some servers read the items as content parts
            fitted["input"].insert(0, dict(_NO_MESSAGE))
    return fitted


def _fit_tools(request: dict[str, Any], profile: Profile, choice: Any) -> None:
    """Check the tools; for a server that ignores `tool_choice`, reduce them to the chosen ones."""
    for tool in request.get("tools") or ():
        if tool["type"] not in OWN_TOOLS and tool["type"] not in profile.tools:
            detail = no_such_tool(profile, tool["type"])
            message = f"The upstream ({profile.title}) does not run the tool {tool['type']!r}."
            raise EngineError(message, code=INVALID_PROMPT, detail=detail[0].upper() + detail[1:])
    if "tool_choice" not in profile.ignores:
        return
    if choice == "none":
        request.pop("tools", None)
        request.pop("tool_choice", None)
    elif isinstance(choice, dict) and choice.get("type") == "function":
        request["tools"] = [tool for tool in request["tools"] if tool.get("name") == choice["name"]]
        if "tool_choice" in request:
            request["tool_choice"] = "required"  # more servers accept it than a name


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
            if item["call_id"] in called:  # servers reject an output without its call
                yield item if profile.arrays else {**item, "output": _string(item["output"])}
        elif kind != "reasoning" or profile.reasoning:
            yield item


def _message(item: Item, phases: bool) -> Item:
    """Return a message with its type; the assistant's as plain text, since few servers accept its parts."""
    message = {"type": "message", **item}
    if not phases:
        message.pop("phase", None)
    if message.get("role") == "assistant":
        message["content"] = _string(message["content"])
    return message


def _string(value: Any) -> str:
    """Return the text of a string or of a list of parts, including refusals."""
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
    """Return the optional field that a refusal names, or None.

    Args:
        profile: the profile of its server; promises that the server keeps are never omitted.
        param: the field in the refusal's `param`; if set, `text` is not searched.
        text: the message of the refusal.
    """
    optional = {name for name in OPTIONAL_FIELDS if _holds(request, name)}
    promised = {name for name in profile.ignores - {"text"} | {PARALLEL} if _holds(request, name)}
    if not _UNKNOWN.search(text):  # a promised field may have an invalid value: the client must see that error
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
            named = rf"\b(?:parameter|argument|field|property|key)s? {word}\b"
            match = re.search(rf"['\"`.]{word}\b|: ?{word}\b|\b{word}['\"`:]|{named}", text)
        else:
            match = re.search(rf"(?<![\w-]){word}(?![\w-])", text, re.IGNORECASE)
        if match:
            return True
    return False


class Learnt:
    """The fields that a server refused, by model: the models of one server differ."""

    def __init__(self) -> None:
        self._by_model: dict[str, frozenset[str]] = {}

    def of(self, model: Any) -> frozenset[str]:
        """Return the fields to omit for a model."""
        return self._by_model.get(str(model), frozenset())

    def add(self, model: Any, fields: frozenset[str]) -> None:
        """Remember fields without which the server accepted a request."""
        if len(self._by_model) >= MAX_MODELS:  # clients may name models
            self._by_model.clear()
        self._by_model[str(model)] = self.of(model) | fields

    @property
    def fields(self) -> frozenset[str]:
        """The refused fields of all models."""
        return frozenset().union(*list(self._by_model.values()))
