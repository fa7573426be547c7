"""The files in `examples/` work."""

from __future__ import annotations

import io
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.files.material import a_pdf

EXAMPLES = Path(__file__).parent.parent / "examples"


MakeApp = Callable[[str], Any]


@pytest.fixture
def make_app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MakeApp:
    """Return a function that makes the app of a file, offline and with a store of its own."""
    monkeypatch.setenv("FLASK_SECRET_KEY", "a test's secret")
    monkeypatch.setenv("FLASK_ASSISTANT_ENGINE", "offline")
    monkeypatch.setenv("FLASK_ASSISTANT_STORE", f"sqlite:///{tmp_path / 'example.sqlite3'}")
    monkeypatch.setenv("FLASK_ASSISTANT_OFFLINE_DELAY_SECONDS", "0")
    return lambda name: runpy.run_path(str(EXAMPLES / name))["create_app"]()


def test_files_app(make_app: MakeApp) -> None:
    client = make_app("files_app.py").test_client()

    def ask() -> str:
        return str(client.post("/api/assistants/chat/stream", json={"content": "How long is the warranty?"}).text)

    markdown = b"# Warranty\n\nEvery kettle has a warranty of 37 months.\n"
    files = [(io.BytesIO(markdown), "warranty.md"), (io.BytesIO(a_pdf("A toaster needs no water.")), "handbook.pdf")]
    made = [client.post("/api/assistants/files", data={"file": file}).json for file in files]
    listed = client.get("/api/assistants/files").json
    assert [one["filename"] for one in listed] == ["handbook.pdf", "warranty.md"]
    assert {one["status"] for one in listed} == {"completed"}
    assert "37 months" in ask()
    warranty = made[0]["fileId"]
    assert f'"file_id":"{warranty}"' in ask().replace(" ", "")
    assert client.get(f"/api/assistants/files/{warranty}").data == markdown
    assert client.delete("/api/assistants/files", json={"fileId": warranty}).json["deleted"] is True
    assert "37 months" not in ask()


def test_minimal_app(make_app: MakeApp) -> None:
    app = make_app("minimal_app.py")
    client = app.test_client()
    assert client.get("/").text == "The app that was here before."
    answer = client.post("/api/assistants/chat/stream", json={"content": "hi"})
    events = [json.loads(line) for line in answer.data.splitlines() if line]
    assert events[-1]["event"] == "thread.run.completed"
    assert len(client.get("/api/assistants/threads").json["data"]) == 1
    assert app.test_client().get("/api/assistants/threads").json["data"] == [], "another browser, another owner"


def test_quickstart_host(make_app: MakeApp) -> None:
    """Its paths, with the offline engine; `tests/stack/test_quickstart_front_end.py` plays the front-end before it."""
    client = make_app("quickstart_host.py").test_client()
    assert client.post("/api/assistants").json == {"assistantId": "asst_default"}
    thread = client.post("/api/assistants/threads").json["threadId"]
    path = f"/api/assistants/threads/{thread}"
    asked = client.post(f"{path}/messages", data=json.dumps({"content": '/get_weather {"location": "Paris"}'}))
    waiting = json.loads(asked.data.splitlines()[-1])
    assert waiting["event"] == "thread.run.requires_action"
    (call,) = waiting["data"]["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = [{"tool_call_id": call["id"], "output": "sunny"}]
    done = client.post(f"{path}/actions", json={"runId": waiting["data"]["id"], "toolCallOutputs": outputs})
    assert json.loads(done.data.splitlines()[-1])["event"] == "thread.run.completed"
    made = client.post("/api/assistants/files", data={"file": (io.BytesIO(b"27 months"), "warranty.md")}).json
    assert client.get("/api/assistants/files").json[0]["filename"] == "warranty.md"
    assert client.get(f"/api/files/{made['fileId']}").data == b"27 months"
    assert client.get("/api/files/file-unknown").json["error"]["type"] == "invalid_request_error"
    assert client.post(f"{path}/messages", json={}).status_code == 400
    refused = client.post("/api/assistants/threads/thread_unknown/messages", json={"content": "hello"})
    assert (refused.status_code, b"No thread found" in refused.data) == (200, True)


@pytest.mark.parametrize(
    ("upstream", "code"),
    [
        ({}, True),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"}, False),
        ({"FLASK_OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"}, False),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:8000/v1", "ASSISTANT_UPSTREAM_PROFILE": "openai"}, True),
    ],
)
def test_the_quickstart_host_offers_code_where_the_upstream_runs_it(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, upstream: dict[str, str], code: bool
) -> None:
    """A run with a tool that its upstream lacks fails, so the whole page would."""
    for name, value in upstream.items():
        monkeypatch.setenv(name, value)
    tools = make_app("quickstart_host.py").test_client().get("/api/assistants/v1/assistants/asst_default").json["tools"]
    assert {tool["type"] for tool in tools} == {"function", "file_search"} | ({"code_interpreter"} if code else set())
