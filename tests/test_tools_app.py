"""The example app with tools works as its docstring describes."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.testing.decode import decode_ndjson, objects_of, text_of

EXAMPLE = Path(__file__).parent.parent / "examples/tools_app.py"
API = "/api/assistants"


def outputs(events: list[Event]) -> list[tuple[str, str]]:
    """Return names and outputs of the completed function calls of a stream."""
    steps = objects_of(events, "thread.run.step.completed")
    calls = [call for step in steps for call in step["step_details"].get("tool_calls", ())]
    return [(call["function"]["name"], call["function"]["output"]) for call in calls]


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that posts to the example app and returns the events of the stream."""
    store = f"sqlite:///{tmp_path / 'tools.sqlite3'}"
    for key, value in {"ENGINE": "offline", "STORE": store, "OFFLINE_DELAY_SECONDS": "0"}.items():
        monkeypatch.setenv(f"FLASK_ASSISTANT_{key}", value)
    client = runpy.run_path(str(EXAMPLE))["create_app"]().test_client()
    return lambda path, **body: decode_ndjson(client.post(f"{API}{path}", json=body).data)


def test_tools_are_called(post: Any) -> None:
    events = post("/chat/stream", content='/shipping_cost {"country": "NO", "kilos": 2}')
    assert outputs(events) == [("shipping_cost", "11.00 EUR")]
    assert "11.00 EUR" in text_of(events)
    assert events[-1].name == "thread.run.completed"
    ((_, listed),) = outputs(post("/chat/stream", content='/my_orders {"status": "open"}'))
    assert json.loads(listed) == [{"number": "A-100", "owner": "anna", "status": "open"}]
    ((_, refused),) = outputs(post("/chat/stream", content='/my_orders {"status": "lost"}'))
    assert refused.startswith("Invalid arguments of my_orders: status:")


@pytest.mark.parametrize(
    ("answer", "heard", "status"),
    [("true", "Order A-100 is cancelled.", "cancelled"), ("no", "The user did not approve this call.", "open")],
)
def test_a_call_is_approved_or_not(post: Any, answer: str, heard: str, status: str) -> None:
    (run,) = objects_of(post("/chat/stream", content='/cancel_order {"number": "A-100"}'), "thread.run.requires_action")
    (call,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert call["function"] == {"name": "approval.cancel_order", "arguments": '{"number": "A-100"}'}
    tool_outputs = [{"tool_call_id": call["id"], "output": answer}]
    events = post(f"/threads/{run['thread_id']}/actions", runId=run["id"], toolCallOutputs=tool_outputs)
    assert [output for _, output in outputs(events)] == [heard]
    assert events[-1].name == "thread.run.completed"
    ((_, listed),) = outputs(post("/chat/stream", content="/my_orders"))
    assert json.loads(listed)[0] == {"number": "A-100", "owner": "anna", "status": status}
