"""What a `file_search` tool asks for and what a search here answers: for the engines that search by themselves."""

from __future__ import annotations

from typing import Any

from ..errors import AssistantStreamError, EngineError
from .base import Search

USUAL_RESULTS = 20
"""How many passages a search finds where the tool says nothing of it; it is OpenAI's number."""

_RESULT = ("file_id", "filename", "score", "text")


def file_search_of(request: dict[str, Any]) -> dict[str, Any]:
    """Return the `file_search` tool of a request; empty where it has none, or its `tool_choice` rules it out."""
    choice = request.get("tool_choice")
    if choice == "none" or (isinstance(choice, dict) and choice.get("type") != "file_search"):
        return {}
    return next((tool for tool in request.get("tools") or () if tool.get("type") == "file_search"), {})


def results_of(tool: dict[str, Any], query: str, search: Search) -> list[dict[str, Any]]:
    """Search as the tool says, and return results in the shape of the Responses API.

    Raises:
        EngineError: the search failed.
    """
    limit = tool.get("max_num_results") or USUAL_RESULTS
    least = (tool.get("ranking_options") or {}).get("score_threshold") or 0.0
    try:
        found = search(tool.get("vector_store_ids") or [], query, limit)
    except AssistantStreamError as error:
        raise EngineError("The files cannot be searched at the moment.") from error
    return [
        {**{key: result[key] for key in _RESULT}, "attributes": result.get("attributes") or {}}
        for result in found[:limit]
        if result["score"] >= least
    ]


def shown_results(request: dict[str, Any], results: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Return the results for the search's item: None where the request did not ask to include them."""
    return results if "file_search_call.results" in (request.get("include") or ()) else None


def input_of(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the input items of a request; a text alone is a message of the user's."""
    given = request.get("input") or []
    return [{"role": "user", "content": given}] if isinstance(given, str) else given
