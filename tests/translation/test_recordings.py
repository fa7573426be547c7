"""Streams of real servers: text and calls come out as the terminal item holds them, in every cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.translation.translator import Ending

from .checker import check
from .material import RECORDINGS, checked, play, read_sse, recording, run, shared_missing, translator

STREAMS = RECORDINGS or [Path("missing")]


def held(items: list[dict[str, Any]]) -> tuple[list[str], list[tuple[str, str, Any]]]:
    """Return texts and calls of the terminal item's output."""
    output = items[-1].get("response", {}).get("output") or []
    texts = ["".join(part["text"] for part in one["content"]) for one in output if one["type"] == "message"]
    calls = [one for one in output if one["type"] == "function_call"]
    return texts, [(one["call_id"], one["name"], json.loads(one["arguments"])) for one in calls]


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_recording(path: Path) -> None:
    if shared_missing():
        pytest.skip("shared material is missing")
    items = read_sse(path)
    made, events = play(items)
    if made.waiting:
        calls = made.run["required_action"]["submit_tool_outputs"]["tool_calls"]
        asked = [(one["id"], one["function"]["name"], json.loads(one["function"]["arguments"])) for one in calls]
    else:
        asked = []
    fold = checked(events, ended=not made.waiting)
    texts, calls = held(items)
    if items[-1]["type"] != "response.failed":
        assert asked == calls
        plain = [text for text in texts if text]
        assert check(play(items, citations=False)[1], ended=False).texts == plain
    at_once = translator()
    whole = check(at_once.start() + at_once.feed(items) + at_once.close(Ending.EOF), ended=False)
    assert (whole.texts, whole.run["status"]) == (fold.texts, fold.run["status"])


def test_text_order() -> None:
    _, events = play(recording("text"))
    fold = check(events)
    names = [name for name in fold.names if name != "thread.message.delta"]
    assert names == [
        "thread.run.created",
        "thread.run.queued",
        "thread.run.in_progress",
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.message.created",
        "thread.message.in_progress",
        "thread.message.completed",
        "thread.run.step.completed",
        "thread.run.completed",
    ]
    assert fold.texts == ["Hello! How can I assist you today?"]
    assert fold.steps[0]["usage"] == fold.run["usage"]


def test_function_call_order() -> None:
    made, events = play(recording("function_call"))
    fold = check(events, ended=False)
    assert made.waiting
    assert fold.names[-1] == "thread.run.requires_action"
    assert fold.names[3:5] == ["thread.run.step.created", "thread.run.step.in_progress"]
    assert made.run["required_action"]["submit_tool_outputs"]["tool_calls"][0]["id"].startswith("call_")


def test_file_search_with_citation() -> None:
    searching = run(tools=[{"type": "file_search", "file_search": {"ranking_options": {"score_threshold": 0.5}}}])
    _, events = play(recording("file_search"), run=searching)
    fold = check(events)
    search, _message = fold.steps
    (tool_call,) = search["step_details"]["tool_calls"]
    assert tool_call["file_search"] == {"ranking_options": {"ranker": "auto", "score_threshold": 0.5}, "results": []}
    marker = "【1:0†test_favorite_foods.txt】"
    assert fold.texts == [f"Travis's favorite food is pizza{marker}."]
    (note,) = fold.messages[0]["content"][0]["text"]["annotations"]
    assert note == {
        "type": "file_citation",
        "text": marker,
        "start_index": 31,
        "end_index": 31 + len(marker),
        "file_citation": {"file_id": "file-NCKrwcbrD1Z2ucn4Mhe1yX"},
    }
