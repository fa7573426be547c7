"""The scripted engine plays its scripts, waits at gates and keeps the requests."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.engines.base import Engine
from flask_assistant_stream.errors import EngineError
from flask_assistant_stream.testing.engine_suite import EngineSuite, collect, text_of
from flask_assistant_stream.testing.scripted import (
    ScriptedEngine,
    call,
    calls,
    failure,
    incomplete,
    read_sse,
    refusal,
    text,
    unfinished,
)


class TestSuite(EngineSuite):
    @pytest.fixture
    def engine(self, request: pytest.FixtureRequest) -> Engine:
        script: Any = [*unfinished("well"), threading.Event()] if "slow" in request.fixturenames else text("Hello you")
        return ScriptedEngine(script, text("Hello you"))

    @pytest.fixture
    def asked(self) -> dict[str, Any]:
        return {"input": "hello"}

    @pytest.fixture
    def slow(self) -> dict[str, Any]:
        return {"input": "hello"}


def test_scripts_are_played_in_order_and_requests_are_kept() -> None:
    engine = ScriptedEngine(text("One fine day"), call("f", {"a": 1}))
    request = {"input": ["hello"]}
    assert text_of(collect(engine.stream(request))) == "One fine day"
    request["input"].append("again")
    output = collect(engine.stream(request))[-1]["response"]["output"]
    assert [(item["name"], item["arguments"]) for item in output] == [("f", '{"a": 1}')]
    assert engine.requests == [{"input": ["hello"]}, {"input": ["hello", "again"]}]
    with pytest.raises(EngineError, match="request 3"):
        collect(engine.stream(request))


@pytest.mark.parametrize(
    ("script", "last", "expected"),
    [
        (refusal("No way."), "response.completed", ""),
        (failure(after="So far"), "response.failed", "So far"),
        (failure("rate_limit_exceeded"), "response.failed", ""),
        (incomplete("So far"), "response.incomplete", "So far"),
        (unfinished("So far"), "response.output_text.delta", "So far"),
        (calls(("f", None), ("g", "{broken")), "response.completed", ""),
        (text("Cited.", citations=[{"type": "file_citation", "index": 5}]), "response.completed", "Cited."),
    ],
)
def test_each_script_has_its_ending(script: Any, last: str, expected: str) -> None:
    items = collect(ScriptedEngine(script).stream({}))
    assert items[-1]["type"] == last
    assert text_of(items) == expected


def test_an_error_is_raised_in_its_place() -> None:
    seen: list[Any] = []
    with pytest.raises(EngineError, match="broken"):
        seen.extend(ScriptedEngine([*unfinished("So far"), EngineError("broken")]).stream({}))
    assert seen


def test_an_item_or_a_list_is_a_read() -> None:
    one, two = {"type": "a"}, {"type": "b"}
    assert list(ScriptedEngine([one, [one, two]]).stream({})) == [[one], [one, two]]


def test_a_gate_holds_the_stream_until_it_is_set() -> None:
    gate, called = threading.Event(), threading.Event()
    stream = ScriptedEngine([{"type": "a"}, called.set, gate, {"type": "b"}]).stream({})
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.extend(stream))
    thread.start()
    assert called.wait(5)
    assert seen == [[{"type": "a"}]]
    gate.set()
    thread.join(5)
    assert seen == [[{"type": "a"}], [{"type": "b"}]]


def test_close_ends_a_held_stream() -> None:
    engine = ScriptedEngine([{"type": "a"}, threading.Event(), {"type": "b"}])
    stream = engine.stream({})
    reads = iter(stream)
    next(reads)
    threading.Timer(0.02, stream.close).start()
    assert list(reads) == []
    assert engine.streams[0].closed.is_set()


def test_a_recorded_file_is_played(tmp_path: Path) -> None:
    path = tmp_path / "answer.sse"
    path.write_text('event: a\ndata: {"type":"a"}\n\ndata: {"type":"b"}\r\n\r\ndata: [DONE]\n\n')
    assert read_sse(path) == [{"type": "a"}, {"type": "b"}]
    assert collect(ScriptedEngine(str(path)).stream({})) == [{"type": "a"}, {"type": "b"}]
