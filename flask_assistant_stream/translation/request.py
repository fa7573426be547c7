"""Build the Responses request for a run and the messages of its thread (spec/responses.md#the-request).

Every request has the whole history and asks the upstream to store nothing, so any server with `POST /responses` works.
Optional fields are sent only if they change something (spec/servers.md#optional-fields).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..protocol.objects import Object
from ..protocol.text import mend
from .outputs import Item
from .past_messages import PastMessage, past_message
from .trimming import trim

MAX_CODE_FILES = 50
"""The upstream's limit of files for a container."""

MIN_OUTPUT_TOKENS = 16
"""The upstream rejects a smaller `max_output_tokens`."""

_REASONING = re.compile(r"(?:.*[/:])?(?:o\d|gpt-(?:[5-9]|\d{2,})(?!.*-chat))")
_NO_PARAMETERS = {"type": "object", "properties": {}}


def to_responses(
    run: Object,
    history: Sequence[Object] | Sequence[PastMessage],
    items: Sequence[Item],
    *,
    vector_store_ids: Sequence[str] = (),
    search_results: bool = False,
    used_tokens: int = 0,
    used_prompt_tokens: int = 0,
    user: str | None = None,
    extra_tools: Sequence[Object] = (),
    reasoning_summaries: bool = False,
    code_files: Sequence[str] = (),
) -> dict[str, Any]:
    """Build the body of `POST /responses`.

    Args:
        run: the run with its final `instructions`.
        history: the messages of the thread before the run's own, oldest first, as stored or as sent.
        items: earlier outputs of this run and the outputs of its calls (`Translator.items`).
        vector_store_ids: searched in addition to those of the run's `tool_resources`.
        used_tokens: output tokens of this run so far (`Translator.completion_tokens`).
        used_prompt_tokens: input tokens of this run so far (`Translator.prompt_tokens`).
        user: names the end user to the upstream; a hash, never an address.
        extra_tools: tools of the upstream (`web_search`, `mcp` …), sent unchanged after those of the run.
        code_files: files for the code interpreter in addition to those of the run's `tool_resources`.
    """
    tools = [*_tools(run, vector_store_ids, code_files), *extra_tools]
    budget = run.get("max_completion_tokens")
    request = {
        "model": run["model"],
        "instructions": mend(run["instructions"] or "") or None,
        "input": _input(run, trim(run, _past(history), items, used_prompt_tokens), items),
        "tools": tools or None,
        "tool_choice": _tool_choice(run, tools, first=not items),
        "parallel_tool_calls": False if tools and run["parallel_tool_calls"] is False else None,
        "text": _text(run["response_format"]),
        "reasoning": _reasoning(run, reasoning_summaries) or None,
        "temperature": _unless_default(run.get("temperature")),
        "top_p": _unless_default(run.get("top_p")),
        "max_output_tokens": None if budget is None else max(budget - used_tokens, MIN_OUTPUT_TOKENS),
        "truncation": "auto" if last_messages(run) is None else None,
        "include": _include(run, tools, search_results) or None,
        "safety_identifier": user,
        "store": False,
        "stream": True,
        "stream_options": {"include_obfuscation": False},
    }
    return {key: value for key, value in request.items() if value is not None}


def wants_encrypted_reasoning(model: str) -> bool:
    """Return whether to request `reasoning.encrypted_content`, by the model's name.

    OpenAI and Azure return 400 ("Encrypted content is not supported with this model") for models that do not reason
    (gpt-4o, gpt-4.1, gpt-5-chat …), and some servers return 400 for any `include`. Newer endpoints return it without
    a request (spec/responses.md#reasoning-items). So only known families are asked: the o series, and gpt-5 and later
    without their chat variants.
    """
    return _REASONING.match(model.lower()) is not None


# -- input ------------------------------------------------------------------------------------------------


def last_messages(run: Object) -> int | None:
    """Return how many messages a run sends at most, or None for as many as fit."""
    strategy = run.get("truncation_strategy") or {}
    return strategy.get("last_messages") if strategy.get("type") == "last_messages" else None


def _past(history: Sequence[Object] | Sequence[PastMessage]) -> list[PastMessage]:
    messages = (message if isinstance(message, PastMessage) else past_message(message) for message in history)
    return [message for message in messages if message is not None]


def _input(run: Object, history: Sequence[PastMessage], items: Sequence[Item]) -> list[Item]:
    last = last_messages(run)
    entries = [message.item for message in (history if last is None else history[-last:])] + list(items)
    if not entries or "role" not in entries[0]:  # else some servers read content parts (spec/servers.md#valid-history)
        entries.insert(0, {"type": "message", "role": "user", "content": ""})
    return entries


# -- tools ------------------------------------------------------------------------------------------------


def _tools(run: Object, vector_store_ids: Sequence[str], code_files: Sequence[str]) -> list[Object]:
    tools: list[Object] = []
    for tool in run["tools"]:
        if tool["type"] == "function":
            tools.append(_function(tool["function"]))
        elif tool["type"] == "file_search":
            if stores := _resources(run, "file_search", "vector_store_ids", vector_store_ids):
                tools.append(_file_search(tool.get("file_search") or {}, stores))
        elif tool["type"] == "code_interpreter":
            files = _resources(run, "code_interpreter", "file_ids", code_files)
            container = {"type": "auto", "file_ids": files[:MAX_CODE_FILES]}
            tools.append({"type": "code_interpreter", "container": container})
    return tools


def _function(function: Object) -> Object:
    described = {"description": function["description"]} if function.get("description") else {}
    return {
        "type": "function",
        "name": function["name"],
        **described,
        "parameters": function.get("parameters") or _NO_PARAMETERS,
        "strict": bool(function.get("strict")),
    }


def _file_search(options: Object, stores: list[str]) -> Object:
    tool: Object = {"type": "file_search", "vector_store_ids": stores}
    if options.get("max_num_results"):
        tool["max_num_results"] = options["max_num_results"]
    ranking = options.get("ranking_options") or {}
    if ranking.get("score_threshold") is not None:  # servers name their rankers differently; all know auto
        tool["ranking_options"] = {"ranker": "auto", "score_threshold": ranking["score_threshold"]}
    return tool


def _resources(run: Object, tool: str, kind: str, others: Sequence[str]) -> list[str]:
    """Return the ids in the run's resources for a tool and the other ids, each once."""
    own = ((run.get("tool_resources") or {}).get(tool) or {}).get(kind) or ()
    return list(dict.fromkeys([*own, *others]))


def _tool_choice(run: Object, tools: list[Object], *, first: bool) -> Any:
    """Return the choice unless it is the default. Only the first response is forced, or the run loops."""
    choice = run["tool_choice"]
    if not tools or choice in (None, "auto") or (choice != "none" and not first):
        return None
    if not isinstance(choice, dict):
        return choice
    if choice["type"] == "function":
        return {"type": "function", "name": choice["function"]["name"]}
    return {"type": choice["type"]} if any(tool["type"] == choice["type"] for tool in tools) else None


def _include(run: Object, tools: list[Object], search_results: bool) -> list[str]:
    include = ["reasoning.encrypted_content"] if wants_encrypted_reasoning(run["model"]) else []
    kinds = {tool["type"] for tool in tools}
    if search_results and "file_search" in kinds:
        include.append("file_search_call.results")
    if "code_interpreter" in kinds:
        include.append("code_interpreter_call.outputs")
    return include


# -- the rest ---------------------------------------------------------------------------------------------


def _reasoning(run: Object, summary: bool) -> Object:
    """Return effort and summary. A model without reasoning returns 400 for either."""
    effort = {"effort": run["reasoning_effort"]} if run.get("reasoning_effort") else {}
    wanted = summary and (effort or wants_encrypted_reasoning(run["model"]))
    return {**effort, "summary": "auto"} if wanted else effort


def _text(response_format: Any) -> Object | None:
    if not isinstance(response_format, dict) or response_format.get("type") in (None, "text"):
        return None
    if response_format["type"] != "json_schema":
        return {"format": {"type": response_format["type"]}}
    schema = response_format["json_schema"]
    options = {key: schema[key] for key in ("description", "strict") if schema.get(key) is not None}
    shape = {"name": schema["name"], "schema": schema.get("schema") or {}}
    return {"format": {"type": "json_schema", **shape, **options}}


def _unless_default(value: float | None) -> float | None:
    return None if value == 1 else value
