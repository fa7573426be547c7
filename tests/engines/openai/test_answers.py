"""Answers of a real HTTP server through the engine and the translator, to the end of the run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from flask_assistant_stream.engines.base import Engine, Item
from flask_assistant_stream.engines.openai import OpenAIEngine
from flask_assistant_stream.errors import EngineError
from flask_assistant_stream.profiles import PROFILES
from flask_assistant_stream.translation.translator import Ending
from flask_assistant_stream.upstream import Upstream
from tests.fake_upstream import FakeUpstream, Reply
from tests.translation.material import translator

REQUEST = {"model": "gpt-test", "input": [{"type": "message", "role": "user", "content": "Hi"}], "stream": True}
CREATED: Item = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": []}}


def completed(output: list[Item]) -> Item:
    return {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": output}}


def called(arguments: Any) -> list[Item]:
    item = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "get_weather"}
    return [
        CREATED,
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "arguments": ""}},
        {"type": "response.output_item.done", "output_index": 0, "item": {**item, "arguments": arguments}},
        completed([]),
    ]


@pytest.fixture(params=["openai", "ollama", "litellm", "other"])
def engine(upstream: FakeUpstream, request: pytest.FixtureRequest) -> Iterator[OpenAIEngine]:
    described = Upstream("sk-test", upstream.base_url, profile=PROFILES[request.param])
    with closing(OpenAIEngine(described, retries=0)) as made:
        yield made


def run_of(engine: Engine, **options: Any) -> dict[str, Any]:
    """Return the run at its end."""
    made = translator(**options)
    made.start()
    stream = engine.stream(REQUEST)
    try:
        for items in stream:
            made.feed(items)
        made.close(Ending.EOF)
    except EngineError as error:
        made.close(Ending.FAILED, {"code": error.code, "message": error.message})
    stream.close()
    return made.run


@pytest.mark.parametrize(("arguments", "text"), [({"city": "Paris"}, '{"city":"Paris"}'), ("null", "{}"), (None, "{}")])
def test_arguments_of_a_call(upstream: FakeUpstream, engine: OpenAIEngine, arguments: Any, text: str) -> None:
    upstream.play(Reply(called(arguments)))
    (call,) = run_of(engine)["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert call["function"] == {"name": "get_weather", "arguments": text}


@pytest.mark.parametrize("arguments", ["[]", [], 5, '"x"', "{"])
def test_arguments_that_are_no_object(upstream: FakeUpstream, engine: OpenAIEngine, arguments: Any) -> None:
    upstream.play(Reply(called(arguments)))
    message = "The model called get_weather with arguments that are not a JSON object."
    assert run_of(engine)["last_error"] == {"code": "server_error", "message": message}


def whole(number: int) -> Item:
    content = [{"type": "output_text", "text": "x", "annotations": []}]
    return {"id": f"m{number}", "type": "message", "role": "assistant", "status": "completed", "content": content}


def test_very_many_output_items(upstream: FakeUpstream) -> None:
    event = b"data: " + json.dumps(completed([whole(number) for number in range(100_000)])).encode() + b"\n\n"
    upstream.play(Reply([event], framing="length"))
    engine = OpenAIEngine(Upstream("sk-test", upstream.base_url), retries=0)
    began = time.process_time()
    run = run_of(engine)
    assert time.process_time() - began < 20, "quadratic work takes minutes"
    engine.close()
    assert run["last_error"]["message"] == "The upstream sent more than 1000 output items."
