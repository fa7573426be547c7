"""Answering a required action, as the quickstart's page does."""

from __future__ import annotations

from typing import Any

import pytest

from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from flask_assistant_stream.testing.scripted import call, calls, text

from .conftest import MakeSite, Site, run_of

TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}]


def waiting(site: Site) -> tuple[str, str, list[str]]:
    """Return thread, run and call ids of a run that waits."""
    run = run_of(site.chat("weather?"))
    assert run["status"] == "requires_action"
    return run["thread_id"], run["id"], [c["id"] for c in run["required_action"]["submit_tool_outputs"]["tool_calls"]]


def site_of(make_site: MakeSite, *scripts: Any) -> Site:
    return make_site(*scripts, assistants=[{"id": "asst_default", "tools": TOOLS}])


@pytest.mark.parametrize("output", [{"output": "sunny"}, {"output": ""}, {"output": None}, {}])
def test_the_run_goes_on_with_or_without_an_output(make_site: MakeSite, output: dict[str, Any]) -> None:
    site = site_of(make_site, call("get_weather"), text("Take a hat."))
    thread_id, run_id, (call_id,) = waiting(site)
    body = {"runId": run_id, "toolCallOutputs": [{"tool_call_id": call_id, **output}]}
    events = decode_ndjson(site.post(f"/threads/{thread_id}/actions", body).data)
    assert text_of(events) == "Take a hat."
    assert run_of(events)["status"] == "completed"
    assert events[0].seq > 1  # the numbers of the run go on
    assert (output.get("output") or "") in str(site.engine.requests[1])


def test_all_calls_must_be_answered(make_site: MakeSite) -> None:
    site = site_of(make_site, calls(("get_weather", {"city": "a"}), ("get_weather", {"city": "b"})), text("Hats."))
    thread_id, run_id, ids = waiting(site)
    some = {"runId": run_id, "toolCallOutputs": [{"tool_call_id": ids[0], "output": "x"}]}
    assert site.post(f"/threads/{thread_id}/actions", some).status_code == 400
    full = {"runId": run_id, "toolCallOutputs": [{"tool_call_id": one, "output": "x"} for one in ids]}
    assert site.post(f"/threads/{thread_id}/actions", full).status_code == 200
    assert site.post(f"/threads/{thread_id}/actions", full).status_code == 400


def test_rejected_outputs(make_site: MakeSite) -> None:
    site = make_site(call("get_weather"), assistants=[{"id": "asst_default", "tools": TOOLS}], max_content_chars=10)
    thread_id, run_id, (call_id,) = waiting(site)
    output, too_long = ({"tool_call_id": call_id, "output": value} for value in ("x", "x" * 11))
    for outputs, param in (([output, output], "[1].tool_call_id"), ([too_long], "[0].output")):
        response = site.post(f"/threads/{thread_id}/actions", {"runId": run_id, "toolCallOutputs": outputs})
        assert response.status_code == 400
        assert response.get_json()["error"]["param"] == f"toolCallOutputs{param}"
    other = site.new_thread()
    body = {"runId": run_id, "toolCallOutputs": [{"tool_call_id": call_id}]}
    assert site.post(f"/threads/{other}/actions", body).status_code == 404
    assert site.post(f"/threads/{thread_id}/actions", body, user="ben").status_code == 404
