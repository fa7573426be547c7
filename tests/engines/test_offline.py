"""The offline engine: what it says, how it calls tools, what it counts, and that it keeps the instructions."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from flask_assistant_stream.engines.base import Engine, Item
from flask_assistant_stream.engines.offline import OfflineEngine
from flask_assistant_stream.testing.engine_suite import EngineSuite, collect, text_of

WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": False}


def user(text: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


def ask(*given: dict[str, Any], **more: Any) -> list[Item]:
    return collect(OfflineEngine(0).stream({"model": "m", "input": list(given), **more}))


def calls_of(items: list[Item]) -> list[tuple[str, str]]:
    done = (item["item"] for item in items if item["type"] == "response.output_item.done")
    return [(item["name"], item["arguments"]) for item in done if item["type"] == "function_call"]


class TestSuite(EngineSuite):
    @pytest.fixture
    def engine(self, asked: dict[str, Any]) -> Engine:
        return OfflineEngine(0.0005)

    @pytest.fixture
    def asked(self) -> dict[str, Any]:
        return {"model": "m", "input": "hello", "stream": True}

    @pytest.fixture
    def slow(self) -> dict[str, Any]:
        return {"model": "m", "input": "word " * 100, "stream": True}


class TestSlowly(TestSuite):
    """Once more with pauses of minutes: they are what `close` interrupts."""

    @pytest.fixture
    def engine(self, request: pytest.FixtureRequest) -> Engine:
        return OfflineEngine(60 if "slow" in request.fixturenames else 0)


def test_it_says_that_it_is_offline_and_echoes_in_markdown() -> None:
    said = text_of(ask(user("hello *you*\nover there")))
    assert "offline" in said
    assert "> hello *you*\n> over there" in said
    assert "\n- " in said
    assert "```" in said


def test_parts_and_strings_are_read_alike() -> None:
    parts = [{"type": "input_text", "text": "hello"}, {"type": "input_image", "file_id": "f", "detail": "auto"}]
    assert text_of(ask(user(parts))) == text_of(ask(user("hello")))
    assert "(no text)" in text_of(ask(user(parts[1:])))


def test_the_history_is_counted() -> None:
    answer = {"type": "message", "role": "assistant", "content": "hi"}
    assert "3 messages" in text_of(ask(user("hello"), answer, user("again")))
    assert "1 message in" in text_of(ask(user("hello")))


def test_instructions_are_mentioned_and_never_leaked() -> None:
    items = ask(user("hello"), instructions="Say XYZZY to nobody.")
    assert "Instructions" in text_of(items)
    assert "XYZZY" not in str(items)


def test_the_same_question_has_the_same_answer() -> None:
    counter = itertools.count()
    answers = []
    for _ in range(2):
        counter = itertools.count()
        engine = OfflineEngine(0, new_id=lambda prefix: f"{prefix}_{next(counter)}", now=lambda: 5.0)  # noqa: B023
        answers.append(collect(engine.stream({"model": "m", "input": "hello"})))
    assert answers[0] == answers[1]


def test_a_long_question_is_not_echoed_for_ever() -> None:
    assert len(text_of(ask(user("x" * 100_000)))) < 5000


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ('/get_weather {"city": "Oslo"}', '{"city": "Oslo"}'),
        ('  /get_weather\n{"city":\n"Oslo"}  ', '{"city": "Oslo"}'),
        ("/get_weather", "{}"),
    ],
)
def test_a_declared_tool_is_called(message: str, arguments: str) -> None:
    items = ask(user(message), tools=[WEATHER])
    assert calls_of(items) == [("get_weather", arguments)]
    assert text_of(items) == ""
    deltas = [item["delta"] for item in items if item["type"] == "response.function_call_arguments.delta"]
    assert "".join(deltas) == arguments
    assert items[-1]["response"]["output"][0]["call_id"].startswith("call_")


@pytest.mark.parametrize("message", ['/get_time {"a": 1}', "/", "tell /get_weather {}", "/file_search {}"])
def test_any_other_command_is_just_text(message: str) -> None:
    items = ask(user(message), tools=[WEATHER, {"type": "file_search", "vector_store_ids": ["vs"]}])
    assert calls_of(items) == []
    assert f"> {message}" in text_of(items)


@pytest.mark.parametrize("rest", ["{", "[1]", "7", "Oslo"])
def test_arguments_that_are_no_object_are_said_so(rest: str) -> None:
    items = ask(user(f"/get_weather {rest}"), tools=[WEATHER])
    assert calls_of(items) == []
    assert "JSON" in text_of(items)
    assert "/get_weather" in text_of(items)


def test_tool_choice_none_calls_nothing() -> None:
    assert calls_of(ask(user("/get_weather {}"), tools=[WEATHER], tool_choice="none")) == []


def test_tool_outputs_are_quoted() -> None:
    call = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"}
    outputs = [
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
        {"type": "function_call_output", "call_id": "call_2", "output": '{"t": 7}'},
    ]
    items = ask(user("/get_weather {}"), call, *outputs, tools=[WEATHER])
    assert calls_of(items) == []
    said = text_of(items)
    assert said.index("`get_weather`") < said.index("sunny") < said.index('{"t": 7}')


def test_usage_counts_words() -> None:
    items = ask(user("one two three"), instructions="four five")
    counted = items[-1]["response"]["usage"]
    assert counted["input_tokens"] == 5
    assert counted["output_tokens"] == len(text_of(items).split())
    assert counted["total_tokens"] == counted["input_tokens"] + counted["output_tokens"]


def test_a_limit_ends_the_answer_early() -> None:
    items = ask(user("hello"), max_output_tokens=3)
    assert text_of(items) == "This is the"
    assert items[-1]["type"] == "response.incomplete"
    assert items[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_one_word_comes_at_a_time_and_at_the_pace() -> None:
    begun = time.monotonic()
    reads = list(OfflineEngine(0.002).stream({"model": "m", "input": "hello"}))
    deltas = [sum(item["type"].endswith(".delta") for item in read) for read in reads]
    assert max(deltas) == 1
    assert time.monotonic() - begun >= 0.002 * (len(reads) - 1)


def test_an_empty_request_is_answered() -> None:
    assert "offline" in text_of(collect(OfflineEngine(0).stream({})))


def test_it_is_always_ready() -> None:
    assert OfflineEngine().ping() is None
