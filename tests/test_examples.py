"""The files in `examples/` work as they stand."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.testing.decode import decode_ndjson, objects_of, text_of

EXAMPLES = Path(__file__).parent.parent / "examples"
API = "/api/assistants"


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Say what the examples leave to the environment."""
    monkeypatch.setenv("FLASK_SECRET_KEY", "a test's secret")
    monkeypatch.setenv("FLASK_ASSISTANT_ENGINE", "offline")
    monkeypatch.setenv("FLASK_ASSISTANT_STORE", f"sqlite:///{tmp_path / 'host.sqlite3'}")
    monkeypatch.setenv("FLASK_ASSISTANT_OFFLINE_DELAY_SECONDS", "0")


def test_host_app() -> None:
    app = runpy.run_path(str(EXAMPLES / "host_app.py"))["create_app"]()
    client = app.test_client()
    assert client.get("/").text == "The app that was here before."
    answer = client.post("/api/assistants/chat/stream", json={"content": "hi"})
    events = [json.loads(line) for line in answer.data.splitlines() if line]
    assert events[-1]["event"] == "thread.run.completed"
    assert len(client.get("/api/assistants/threads").json["data"]) == 1
    assert app.test_client().get("/api/assistants/threads").json["data"] == [], "another browser, another owner"


def outputs(events: list[Event]) -> list[tuple[str, str]]:
    """Return names and outputs of the function calls that a stream shows as done."""
    steps = objects_of(events, "thread.run.step.completed")
    calls = [call for step in steps for call in step["step_details"].get("tool_calls", ())]
    return [(call["function"]["name"], call["function"]["output"]) for call in calls]


def test_tools_app() -> None:
    client = runpy.run_path(str(EXAMPLES / "tools_app.py"))["create_app"]().test_client()

    def post(path: str, **body: Any) -> list[Event]:
        return decode_ndjson(client.post(f"{API}{path}", json=body).data)

    events = post("/chat/stream", content='/shipping_cost {"country": "NO", "kilos": 2}')
    assert outputs(events) == [("shipping_cost", "11.00 EUR")]
    assert "11.00 EUR" in text_of(events)
    assert events[-1].name == "thread.run.completed"
    (_, listed), *_ = outputs(post("/chat/stream", content='/my_orders {"status": "open"}'))
    assert json.loads(listed) == [{"number": "A-100", "owner": "anna", "status": "open"}]
    (_, refused), *_ = outputs(post("/chat/stream", content='/my_orders {"status": "lost"}'))
    assert refused.startswith("Invalid arguments of my_orders: status:")

    asked = post("/chat/stream", content='/cancel_order {"number": "A-100"}')
    run = objects_of(asked, "thread.run.requires_action")[0]
    (call,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert call["function"] == {"name": "approval.cancel_order", "arguments": '{"number": "A-100"}'}
    approved = [{"tool_call_id": call["id"], "output": "true"}]
    events = post(f"/threads/{run['thread_id']}/actions", runId=run["id"], toolCallOutputs=approved)
    assert outputs(events) == [("cancel_order", "Order A-100 is cancelled.")]
    assert events[-1].name == "thread.run.completed"
