"""Tools build links and speak the visitor's language; nothing else of the request reaches them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g, request, session, url_for
from flask_babel import Babel, format_decimal

from flask_assistant_stream import create_assistant_blueprint, session_owner
from flask_assistant_stream.testing.decode import decode_ndjson, objects_of
from flask_assistant_stream.testing.scripted import ScriptedEngine, call, text

LANGUAGES = ["en", "de", "no"]


def links() -> list[str]:
    """Return an order's addresses and a price."""
    return [url_for("order", number=7), url_for("order", number=7, _external=True), format_decimal(1234.5)]


async def links_later() -> list[str]:
    """Return the same."""
    await asyncio.sleep(0)
    return links()


def visitor() -> list[Any]:
    """Return what a tool must not get from the request."""
    seen = [request.method, dict(request.cookies), request.get_data(as_text=True), dict(session)]
    return [*seen, "Authorization" in request.headers, g.get("user")]


MakeClient = Callable[..., Any]


@pytest.fixture
def make_client(tmp_path: Path) -> MakeClient:
    def make(*scripts: Any, **settings: Any) -> Any:
        app = Flask("host", instance_path=str(tmp_path))
        app.config.update(SECRET_KEY="a test's secret", **settings)
        Babel(app, locale_selector=lambda: request.accept_languages.best_match(LANGUAGES))
        app.before_request(lambda: setattr(g, "user", "anna"))
        app.add_url_rule("/orders/<int:number>", "order", lambda number: str(number))
        blueprint = create_assistant_blueprint(
            engine=ScriptedEngine(*scripts), authenticate=session_owner, tools=[links, links_later, visitor]
        )
        blueprint.tool(requires_approval=True, name="links_on_approval")(links)
        app.register_blueprint(blueprint)
        return app.test_client()

    return make


def outputs(answer: Any) -> list[str]:
    """Return the outputs of the calls of a stream."""
    steps = objects_of(decode_ndjson(answer.data), "thread.run.step.completed")
    calls = [call for step in steps for call in step["step_details"].get("tool_calls", ())]
    return [call["function"]["output"] for call in calls]


def ask(client: Any, **options: Any) -> Any:
    return client.post("/api/assistants/chat/stream", json={"content": "?"}, **options)


@pytest.mark.parametrize("tool", ["links", "links_later"])
def test_a_tool_has_the_address_and_the_language_of_the_request(make_client: MakeClient, tool: str) -> None:
    client = make_client(call(tool, {}), text("done"))
    answer = ask(client, base_url="https://shop.example:8443/de", headers={"Accept-Language": "de-AT,de;q=0.9"})
    assert outputs(answer) == ['["/de/orders/7","https://shop.example:8443/de/orders/7","1.234,5"]']


def test_the_request_that_continues_a_run_counts(make_client: MakeClient) -> None:
    client = make_client(call("links_on_approval", {}), text("done"))
    begun = ask(client, headers={"Accept-Language": "de"})
    (run,) = objects_of(decode_ndjson(begun.data), "thread.run.requires_action")
    (asked,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    body = {"runId": run["id"], "toolCallOutputs": [{"tool_call_id": asked["id"], "output": "true"}]}
    path = f"/api/assistants/threads/{run['thread_id']}/actions"
    answer = client.post(path, json=body, headers={"Accept-Language": "en"})
    assert outputs(answer) == ['["/orders/7","http://localhost/orders/7","1,234.5"]']


def test_a_tool_sees_neither_cookies_nor_session_nor_body(make_client: MakeClient) -> None:
    client = make_client(text("a session"), call("visitor", {}), text("done"))
    assert ask(client).status_code == 200
    assert outputs(ask(client, headers={"Authorization": "Basic YTpi"})) == ['["GET",{},"",{},false,null]']
