"""Mistakes that used to be silent: a form, another spelling, a base URL without /v1."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from flask import Flask, request

from flask_assistant_stream import create_assistant_blueprint
from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from flask_assistant_stream.testing.scripted import ScriptedEngine, call, text

from .conftest import MakeSite, Site, run_of

JSON = b'{"content": "hello"}'
URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site(text("Hi."), text("Ho."))


# -- forms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"content=hello", URLENCODED),
        ({"content": "hello"}, URLENCODED),
        (b'--x\r\nContent-Disposition: form-data; name="content"\r\n\r\nhello\r\n--x--\r\n', MULTIPART),
    ],
)
@pytest.mark.parametrize("path", ["/chat/stream", "/v1/assistants"])
def test_a_form_is_refused_by_its_name(site: Site, path: str, data: Any, kind: str) -> None:
    answer = site.request("POST", path, data=data, content_type=kind)
    assert answer.status_code == 400
    message = answer.get_json()["error"]["message"]
    assert kind in message
    assert "application/json" in message


@pytest.mark.parametrize("kind", [URLENCODED, "text/plain", "", "application/octet-stream"])
def test_json_of_any_type_is_read(site: Site, kind: str) -> None:
    """`curl -d` says that its JSON is a form."""
    answer = site.request("POST", "/chat/stream", data=JSON, content_type=kind)
    assert text_of(decode_ndjson(answer.data)) == "Hi."


def test_other_text_is_no_form(site: Site) -> None:
    message = site.request("POST", "/chat/stream", data=b"hello", content_type="text/plain").get_json()["error"]
    assert message["message"].startswith("The body is not valid JSON")


def test_a_form_that_the_host_has_read(site: Site) -> None:
    site.app.before_request(lambda: request.form.get("csrf_token") and None)
    answer = site.request("POST", "/chat/stream", data={"content": "hello"})
    assert (answer.status_code, URLENCODED in answer.text) == (400, True)


# -- spellings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["threadId", "thread_id"])
def test_a_thread_is_named_in_either_spelling(site: Site, key: str) -> None:
    thread = run_of(site.chat("one"))["thread_id"]
    assert run_of(site.chat("two", **{key: thread}))["thread_id"] == thread
    answer = site.post("/chat/stream", {"content": "x", key: "thread_none"})
    assert answer.status_code == 404


def test_null_does_not_hide_the_other_spelling(site: Site) -> None:
    thread = run_of(site.chat("one"))["thread_id"]
    body = {"threadId": None, "thread_id": thread}
    assert run_of(site.chat("two", **body))["thread_id"] == thread


@pytest.mark.parametrize("key", ["assistantId", "assistant_id"])
@pytest.mark.parametrize("path", ["/chat/stream", "/threads/{}/messages"])
def test_an_assistant_is_named_in_either_spelling(site: Site, path: str, key: str) -> None:
    answer = site.post(path.format(site.new_thread()), {"content": "x", key: "asst_none"})
    assert (answer.status_code, answer.get_json()["error"]["param"]) == (404, "assistantId")


@pytest.mark.parametrize(
    ("run_key", "outputs_key", "call_key"),
    [
        ("runId", "toolCallOutputs", "tool_call_id"),
        ("run_id", "tool_call_outputs", "toolCallId"),
    ],
)
def test_outputs_are_sent_in_either_spelling(
    make_site: MakeSite, run_key: str, outputs_key: str, call_key: str
) -> None:
    site = make_site(call("get_weather"), text("Sunny."), assistants=[{"id": "asst_default", "tools": TOOLS}])
    run = run_of(site.chat("weather?"))
    (pending,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    body = {run_key: run["id"], outputs_key: [{call_key: pending["id"], "output": "sun"}]}
    events = decode_ndjson(site.post(f"/threads/{run['thread_id']}/actions", body).data)
    assert text_of(events) == "Sunny."


@pytest.mark.parametrize("key", ["fileId", "file_id"])
def test_a_file_is_named_in_either_spelling(site: Site, key: str) -> None:
    file = site.upload("a.txt").get_json()["fileId"]
    assert site.request("DELETE", "/files", json={key: file}).status_code == 200


def test_other_keys_stay_ignored(site: Site) -> None:
    assert text_of(site.chat("hi", threadID="x", thread="y", foo={"bar": 1})) == "Hi."


# -- the base URL of an OpenAI client ---------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{"X-Stainless-Lang": "js"}, {"OpenAI-Beta": "assistants=v2"}])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/threads"),
        ("GET", "/threads/thread_1"),
        ("POST", "/assistants"),
        ("GET", "/models"),
        ("POST", "/files"),
    ],
)
@pytest.mark.parametrize("prefix", ["/api/assistants", "/", "/deep/er"])
def test_a_client_without_v1_hears_the_base_url(
    tmp_path: Any, prefix: str, method: str, path: str, headers: dict[str, str]
) -> None:
    app = Flask("host")
    app.testing = True
    blueprint = create_assistant_blueprint(engine=ScriptedEngine(), store=f"sqlite:///{tmp_path / 'db'}")
    app.register_blueprint(blueprint, url_prefix=prefix)
    at = prefix.rstrip("/")
    answer = app.test_client().open(f"{at}{path}", method=method, headers=headers)
    assert answer.status_code == 404
    assert answer.get_json()["error"]["message"].endswith(f"Set it to http://localhost{at}/v1")
    assert app.test_client().open(f"{at}/v1/threads", method="POST", headers=headers).status_code == 200
    assert app.test_client().open(f"{at}/health", headers=headers).status_code == 200
    unknown = app.test_client().get(f"{at}/v1/nowhere", headers=headers).get_json()["error"]["message"]
    assert "Set it to" not in unknown


def test_below_a_mount_point_and_behind_a_proxy(site: Site) -> None:
    answer = site.client.post(
        "/api/assistants/threads",
        base_url="https://chat.example/app",
        headers={"X-Stainless-Lang": "python"},
    )
    assert "https://chat.example/app/api/assistants/v1" in answer.get_json()["error"]["message"]


def test_a_page_is_no_such_client(site: Site) -> None:
    assert site.post("/threads", headers={"User-Agent": "Mozilla/5.0"}).status_code == 200


def test_the_official_client_sends_what_is_looked_for() -> None:
    client = openai.OpenAI(api_key="k", base_url="http://127.0.0.1:1")
    assert "X-Stainless-Lang" in client.default_headers
