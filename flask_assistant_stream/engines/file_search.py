"""Read a `file_search` tool and run its search, for engines that search files themselves."""

from __future__ import annotations

from typing import Any

from ..errors import AssistantStreamError, EngineError
from .base import Search

DEFAULT_RESULTS = 20
"""OpenAI's default for `max_num_results`."""

_RESULT = ("file_id", "filename", "score", "text", "note")


def file_search_of(request: dict[str, Any]) -> dict[str, Any]:
    """Return the `file_search` tool of a request; empty if there is none or `tool_choice` excludes it."""
    choice = request.get("tool_choice")
    if choice == "none" or (isinstance(choice, dict) and choice.get("type") != "file_search"):
        return {}
    return next((tool for tool in request.get("tools") or () if tool.get("type") == "file_search"), {})


def results_of(tool: dict[str, Any], query: str, search: Search) -> list[dict[str, Any]]:
    """Run the search of a tool and return the results in the Responses API's form.

    Raises:
        EngineError: the search failed.
    """
    limit = tool.get("max_num_results") or DEFAULT_RESULTS
    min_score = (tool.get("ranking_options") or {}).get("score_threshold") or 0.0
    try:
        passages = search(tool.get("vector_store_ids") or [], query, limit)
    except AssistantStreamError as error:
        raise EngineError("The files cannot be searched at the moment.") from error
    return [
        {**{key: result[key] for key in _RESULT if key in result}, "attributes": result.get("attributes") or {}}
        for result in passages[:limit]
        if result["score"] >= min_score
    ]


def shown_results(request: dict[str, Any], results: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Return the results if the request asks to include them, else None."""
    return results if "file_search_call.results" in (request.get("include") or ()) else None


def input_of(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the input items of a request; a plain string is one user message."""
    items = request.get("input") or []
    return [{"role": "user", "content": items}] if isinstance(items, str) else items
