"""The engine with servers that take less than OpenAI's and do less than they are asked, over HTTP."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_assistant_stream.engines.openai import engine as openai_engine
from flask_assistant_stream.engines.openai.engine import OpenAIEngine
from flask_assistant_stream.engines.openai.notices import shutdowns
from flask_assistant_stream.errors import ConfigError, EngineError
from flask_assistant_stream.profiles import PROFILES, Profile
from flask_assistant_stream.testing.engine_suite import collect, text_of
from flask_assistant_stream.upstream import Upstream
from tests.fake_upstream import ANSWER, FakeUpstream, Reply, error_reply, json_reply

KEY = "local-key-0123456789"
"""Not one that looks like OpenAI's."""

Make = Callable[..., OpenAIEngine]
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}


@pytest.fixture
def make(upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make engines for the fake upstream that wait for nothing."""
    monkeypatch.setattr(openai_engine, "pause_before_retry", lambda attempt: 0.0)
    made: list[OpenAIEngine] = []

    def engine(profile: Profile | str = "openai", **options: Any) -> OpenAIEngine:
        known = PROFILES[profile] if isinstance(profile, str) else profile
        made.append(OpenAIEngine(Upstream(KEY, upstream.base_url, profile=known), **options))
        return made[-1]

    yield engine
    for one in made:
        one.close()


def asking(script: str, **fields: Any) -> dict[str, Any]:
    message = {"type": "message", "role": "user", "content": f"please @@script:{script}@@"}
    return {"model": "m", "input": [message], "stream": True, "store": False, **fields}


def refused(engine: OpenAIEngine, request: dict[str, Any]) -> EngineError:
    with pytest.raises(EngineError) as caught:
        collect(engine.stream(request))
    return caught.value


@pytest.mark.parametrize(
    ("profile", "queues"), [("openai", False), ("azure", False), ("ollama", True), ("other", True)]
)
def test_local_servers_may_answer_one_request_after_the_other(profile: str, queues: bool, make: Make) -> None:
    assert make(profile).one_at_a_time is queues


# ---- fields --------------------------------------------------------------------------------------------------------
OPTIONS = {"include": ["reasoning.encrypted_content"], "stream_options": {"include_obfuscation": False}}


@pytest.mark.parametrize("kind", ["openai", "vllm", "transformers", "pydantic", "xai"])
@pytest.mark.parametrize("code", [400, 422])
def test_a_field_that_is_refused_is_left_out_and_remembered(
    kind: str, code: int, upstream: FakeUpstream, make: Make
) -> None:
    engine = make(retries=0)
    asked = asking(f"picky?refuses=include,stream_options&kind={kind}&code={code}", **OPTIONS)
    assert engine.about()["leaves_out"] == []
    assert text_of(collect(engine.stream(asked))) == ANSWER
    sent = [sorted(OPTIONS.keys() & request.body.keys()) for request in upstream.requests]
    assert sent == [["include", "stream_options"], ["stream_options"], []]
    assert engine.about()["leaves_out"] == ["include", "stream_options"]
    collect(engine.stream(asked))
    assert len(upstream.requests) == 4
    collect(engine.stream({**asked, "model": "another"}))
    assert len(upstream.requests) == 7


def test_what_did_not_help_is_not_remembered(upstream: FakeUpstream, make: Make) -> None:
    engine = make(retries=0)
    error = refused(engine, asking("picky?refuses=include,model", **OPTIONS))
    assert "'model' is not supported" in error.message
    assert (len(upstream.requests), engine.about()["leaves_out"]) == (2, [])


@pytest.mark.parametrize("name", ["model", "input", "store", "temperature", "text"])
def test_what_the_answer_depends_on_is_never_left_out(name: str, upstream: FakeUpstream, make: Make) -> None:
    fields = {"temperature": 0.5, "text": {"format": {"type": "json_object"}}}
    error = refused(make("other", retries=0), asking(f"picky?refuses={name}", **fields))
    assert f"'{name}' is not supported" in error.message
    assert (error.code, len(upstream.requests)) == ("invalid_prompt", 1)


def test_a_wrong_value_of_a_promised_field_is_told(upstream: FakeUpstream, make: Make) -> None:
    error = refused(make("other"), asking("picky?refuses=max_output_tokens&kind=valued", max_output_tokens=100))
    assert "too large" in error.message
    assert len(upstream.requests) == 1


def test_an_unknown_server_is_sent_the_core_alone(upstream: FakeUpstream, make: Make) -> None:
    engine = make("other")
    collect(engine.stream(asking("text", **OPTIONS)))
    assert upstream.requests[0].body == asking("text")
    assert {"include", "stream_options"} <= set(engine.about()["leaves_out"])


def test_a_tool_that_cannot_be_run_is_said_before_anything_is_sent(upstream: FakeUpstream, make: Make) -> None:
    error = refused(make("vllm"), asking("text", tools=[{"type": "image_generation"}]))
    assert "The upstream (vLLM) does not run the tool 'image_generation'" in error.message
    assert upstream.requests == []


# ---- the output limit ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("profile", "words", "ending"),
    [
        ("transformers", 20, "incomplete"),
        ("transformers", 19, "completed"),
        ("openai", 20, "completed"),  # whoever keeps to the limit says so, too
    ],
)
def test_completed_at_the_limit_means_cut_off(make: Make, profile: str, words: int, ending: str) -> None:
    last = collect(make(profile).stream(asking(f"boundless?words={words}", max_output_tokens=20)))[-1]
    assert (last["type"], last["response"]["usage"]["output_tokens"]) == (f"response.{ending}", words)
    if ending == "incomplete":
        assert last["response"]["status"] == "incomplete"
        assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_an_upstream_that_goes_beyond_the_limit_is_stopped(upstream: FakeUpstream, make: Make) -> None:
    items = collect(make("ollama").stream(asking("boundless?words=500&stalls=1", max_output_tokens=20)))
    assert items[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert upstream.gone.acquire(timeout=10)


def test_a_limit_that_is_refused_is_kept_here(upstream: FakeUpstream, make: Make) -> None:
    engine = make("other")
    asked = asking("picky?refuses=max_output_tokens&n=100", max_output_tokens=16)
    assert collect(engine.stream(asked))[-1]["type"] == "response.incomplete"
    assert "max_output_tokens" in engine.about()["leaves_out"]


# ---- errors --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (error_reply(402, "Insufficient credits"), "server_error", "Insufficient credits"),
        (error_reply(404, "The model `x` does not exist", "model_not_found"), "server_error", "ASSISTANT_MODEL"),
        (error_reply(400, "Invalid model name passed in model=x"), "invalid_prompt", "ASSISTANT_MODEL"),
        (error_reply(400, "No connected db.", "no_db_connection"), "server_error", "OPENAI_API_KEY"),
        (json_reply({"detail": "Not Found"}, 404), "server_error", "must offer POST /responses"),
        (json_reply({"detail": "Method Not Allowed"}, 405), "server_error", "must offer POST /responses"),
        (Reply([b"<html><title>404</title>"], 404, content_type="text/html"), "server_error", "POST /responses"),
        (json_reply({"code": "400", "error": "Argument not supported: x"}, 400), "invalid_prompt", "not supported: x"),
        (json_reply({"error": {"code": "invalid_prompt", "message": "No."}}, 400), "invalid_prompt", "No."),
        (json_reply({"error": "Model unloaded."}), "server_error", "Model unloaded."),
        (Reply([b'data: {"error":{"message":"Slow","code":"429"}}\n\n'], 500), "rate_limit_exceeded", "Slow"),
    ],
)
def test_every_shape_of_refusal(upstream: FakeUpstream, make: Make, error: Reply, code: str, message: str) -> None:
    upstream.play(error)
    failure = refused(make(retries=0), asking("text"))
    assert failure.code == code
    assert message in failure.message or message in failure.detail
    assert str(upstream.port) in failure.detail
    assert str(upstream.port) not in failure.message


def test_a_pause_that_only_the_body_asks_for_is_kept(upstream: FakeUpstream, make: Make) -> None:
    upstream.play(json_reply({"error": {"message": "Slow down.", "headers": {"retry-after": "3600"}}}, 429))
    assert refused(make(), asking("text")).code == "rate_limit_exceeded"
    assert len(upstream.requests) == 1  # nobody waits for an hour


@pytest.mark.parametrize("script", ["fail", "error"])
def test_a_key_that_is_echoed_in_the_stream_is_taken_out(upstream: FakeUpstream, make: Make, script: str) -> None:
    failure = {"message": f"key {KEY} has no quota", "code": "insufficient_quota"}
    item = {"type": "error", "error": failure}
    if script == "fail":
        item = {"type": "response.failed", "response": {"status": "failed", "error": failure}}
    upstream.play(Reply([item]))
    items = collect(make().stream(asking("text")))
    assert KEY not in json.dumps(items)
    assert "has no quota" in json.dumps(items)


# ---- base URLs -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("end", ["/v1/responses", "/v1/responses/", "/v1/chat/completions", "/v1/models"])
def test_a_base_url_that_is_a_routes_is_refused(end: str) -> None:
    with pytest.raises(ConfigError, match=r"OPENAI_BASE_URL ends in /.* https://host/v1"):
        OpenAIEngine(Upstream(KEY, f"https://host.example/secret{end}"))


@pytest.mark.parametrize(
    ("base_url", "said"),
    [
        ("http://127.0.0.1:8000", "does not end in /v1"),
        ("http://localhost:11434/api", "does not end in /v1,"),
        ("https://api.groq.com", "does not end in /openai/v1"),
        ("https://mine.openai.azure.com/openai", "Azure's older address"),
        ("https://mine.openai.azure.com/openai/deployments/gpt", "Azure's older address"),
        ("http://127.0.0.1:8000/v1/", None),
        ("https://gateway.example/team/api/v3", None),
        ("http://127.0.0.1:4000", None),
        ("https://mine.openai.azure.com/openai/v1/?api-version=preview", None),
    ],
)
def test_an_unusual_base_url_is_warned_of(base_url: str, said: str | None) -> None:
    warnings = OpenAIEngine(Upstream(KEY, base_url)).warnings()
    assert (said in warnings[0]) if said else warnings == []
    assert not any("team" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("base_url", "headers", "fine"),
    [
        ("https://openrouter.ai/api/v1", {}, False),
        ("https://mine.openai.azure.com/openai/v1", {}, False),
        ("https://mine.openai.azure.com/openai/v1", {"api-key": "k"}, True),
        ("http://127.0.0.1:11434/v1", {}, True),
        ("https://gateway.example/v1", {}, True),
    ],
)
def test_a_missing_key_is_said_at_once_where_one_is_wanted(base_url: str, headers: dict[str, str], fine: bool) -> None:
    flaw = OpenAIEngine(Upstream(None, base_url, headers=headers, profile=PROFILES["openai"])).ping()
    assert flaw == (None if fine else "OPENAI_API_KEY is not set.")


def test_health_names_the_host_and_no_more() -> None:
    about = OpenAIEngine(Upstream(KEY, "https://gateway.example:8443/team-secret/v1?key=secret")).about()
    assert about["host"] == "gateway.example:8443"
    assert "secret" not in json.dumps(about)


# ---- models that are switched off ------------------------------------------------------------------------------------
LISTED = {"data": [{"id": "old", "shutdown_date": "2026-12-11"}, {"id": "m", "shutdown_date": None}, {"id": "bare"}]}


def wait_for_notices() -> None:
    for thread in threading.enumerate():
        if thread.name == "assistant-stream-notices":
            thread.join(10)


def test_a_model_that_is_to_be_switched_off_is_warned_of_once(
    upstream: FakeUpstream, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.models = LISTED
    engine = make(models=["old", "m", "bare", "unknown"])
    with caplog.at_level(logging.WARNING):
        engine.wake()
        wait_for_notices()
        engine.wake()
        collect(engine.stream(asking("text")))
        (warning,) = engine.warnings()
    assert "the model old off on 2026-12-11" in warning
    assert [record.getMessage() for record in caplog.records] == [warning]


@pytest.mark.parametrize(
    "answer",
    [None, [], {"data": 5}, {"data": [{"id": []}]}, error_reply(401), Reply([b"<html>"], content_type="text/html")],
)
def test_who_does_not_say_is_not_asked_again(
    upstream: FakeUpstream, make: Make, answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.models = answer
    engine = make(models=["old"])
    with caplog.at_level(logging.INFO):
        engine.wake()
        wait_for_notices()
        upstream.models = LISTED
        engine.wake()
        assert engine.warnings() == []
    assert caplog.records == []


def test_neither_start_nor_health_waits_for_the_answer(upstream: FakeUpstream, make: Make) -> None:
    upstream.models = Reply(head_delay=float("inf"))
    engine = make(models=["old"])
    engine.wake()
    assert engine.warnings() == []
    assert text_of(collect(engine.stream(asking("text")))) == ANSWER


def test_servers_without_our_models_are_not_asked(upstream: FakeUpstream, make: Make) -> None:
    upstream.models = LISTED
    engine = make("vllm", models=["old"])
    before = set(threading.enumerate())
    engine.wake()
    assert engine.warnings() == []
    assert not {thread.name for thread in set(threading.enumerate()) - before} & {"assistant-stream-notices"}


def test_each_process_asks_for_itself() -> None:
    code = """
import os, sys
from flask_assistant_stream.engines.openai.notices import ShutdownNotices
asked = []
notices = ShutdownNotices(["m"], lambda: asked.append(os.getpid()))
def look():
    notices.look()
    notices.look()
    notices.wait()
look()
child = os.fork()
look()
assert asked == ([os.getpid()] if child else [os.getppid(), os.getpid()]), asked
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_the_list_is_read_with_care() -> None:
    assert (shutdowns(LISTED, ["m", "bare"]), shutdowns(None, ["m"])) == ([], [])
    assert shutdowns({"data": [1, None, {"id": "m", "shutdown_date": 5}]}, ["m"]) == []
