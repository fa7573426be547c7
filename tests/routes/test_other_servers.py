"""Runs on a server that is not OpenAI's: rejected and ignored fields are reported, and health describes the server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_assistant_stream import create_assistant_blueprint, shared_owner
from flask_assistant_stream.engines.openai import http_connect
from flask_assistant_stream.routes.base import EXTENSION
from tests.fake_upstream import ANSWER, FakeUpstream

API = "/api/assistants"
KEY = "key-of-the-upstream"
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}

Serve = Callable[..., FlaskClient]


@pytest.fixture
def serve(tmp_path: Path, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Make a client of an app over the upstream, which plays a server of some profile."""
    monkeypatch.setattr(http_connect, "MAX_IDLE", 0)  # a discarded app would leave its idle connections open
    apps: list[Flask] = []

    def make(profile: str = "other") -> FlaskClient:
        app = Flask("host", instance_path=str(tmp_path))
        server: Any = {"openai_base_url": upstream.base_url, "openai_api_key": KEY, "upstream_profile": profile}
        options = {"model": "m", "titles": "off", "upstream_retries": 0, **server}
        app.register_blueprint(create_assistant_blueprint(authenticate=shared_owner("anna"), **options))
        apps.append(app)
        return app.test_client()

    yield make
    for app in apps:
        registration = app.extensions[EXTENSION]["assistant_stream"]
        registration.runner.stop()
        registration.store.close()


def ran(client: FlaskClient, script: str, **options: Any) -> dict[str, Any]:
    """Run the default assistant on a message and return the run as it ends or waits."""
    thread = {"messages": [{"role": "user", "content": f"@@script:{script}@@"}]}
    body = {"assistant_id": "asst_default", "thread": thread, "stream": True, **options}
    answer = client.post(f"{API}/v1/threads/runs", json=body)
    assert answer.status_code == 200, answer.text
    assert KEY not in answer.text
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    return dict([event for event in events if event.get("object") == "thread.run"][-1])


def test_a_run_says_that_its_tool_cannot_be_run(serve: Serve, upstream: FakeUpstream) -> None:
    run = ran(serve("llamacpp"), "text", tools=[{"type": "code_interpreter"}])
    assert (run["status"], run["last_error"]["code"]) == ("failed", "invalid_prompt")
    assert "The upstream (llama.cpp server) does not run the tool 'code_interpreter'" in run["last_error"]["message"]
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"response_format": {"type": "json_object"}}, "not the JSON that response_format requires"),
        ({"tools": [WEATHER], "tool_choice": "required"}, "did not call a tool"),
    ],
)
def test_a_run_says_what_the_server_has_passed_over(serve: Serve, options: dict[str, Any], message: str) -> None:
    run = ran(serve(), "text", **options)
    assert (run["status"], run["last_error"]["code"]) == ("failed", "server_error")
    assert message in run["last_error"]["message"]
    assert ran(serve("openai"), "text", **options)["status"] == "completed"
    json_only = {"response_format": {"type": "json_object"}}
    assert ran(serve(), 'text?say={"a":1}', **json_only)["status"] == "completed"


@pytest.mark.parametrize("words", [256, 2000])
def test_the_limit_of_a_run_is_kept(serve: Serve, words: int) -> None:
    run = ran(serve("transformers"), f"boundless?words={words}", max_completion_tokens=256)
    assert (run["status"], run["incomplete_details"]) == ("incomplete", {"reason": "max_completion_tokens"})


@pytest.mark.parametrize("profile", ["other", "openai"])
def test_one_call_at_a_time(serve: Serve, profile: str) -> None:
    for options, count in (({"parallel_tool_calls": False}, 1), ({}, 2)):
        run = ran(serve(profile), "two_calls", tools=[WEATHER], **options)
        assert len(run["required_action"]["submit_tool_outputs"]["tool_calls"]) == count


@pytest.mark.parametrize(("profile", "status"), [("openrouter", "completed"), ("other", "failed")])
def test_an_end_without_an_end_counts_where_it_is_known(
    serve: Serve, upstream: FakeUpstream, profile: str, status: str
) -> None:
    assert ran(serve(profile), "bare_end")["status"] == status


def test_health_reports_learnt_fields_and_no_secret(serve: Serve, upstream: FakeUpstream) -> None:
    client = serve("litellm")

    def upstream_state() -> Any:
        answer = client.get(f"{API}/health/ready")
        assert answer.status_code == 200
        assert KEY not in answer.text
        return answer.get_json()["upstream"]

    known = {"engine": "openai", "model": "m", "host": f"127.0.0.1:{upstream.port}", "profile": "litellm"}
    assert upstream_state() == {**known, "leaves_out": []}
    answer = client.post(f"{API}/chat/stream", json={"content": "@@script:picky?refuses=stream_options&kind=xai@@"})
    assert ANSWER[:7] in answer.text
    assert upstream_state() == {**known, "leaves_out": ["stream_options"]}


def test_health_warns_of_a_model_that_is_to_be_switched_off(serve: Serve, upstream: FakeUpstream) -> None:
    upstream.models = {"data": [{"id": "m", "shutdown_date": "2026-12-11"}]}
    client = serve("openai")
    deadline = time.monotonic() + 20
    while not (answer := client.get(f"{API}/health/ready")).get_json()["warnings"]:  # read in the background
        assert time.monotonic() < deadline
    assert (answer.status_code, answer.get_json()["status"]) == (200, "ok")
    (warning,) = answer.get_json()["warnings"]
    assert "switches the model m off on 2026-12-11: set ASSISTANT_MODEL" in warning
