"""Flask-WTF's check with the assistant in the app: who needs a token, and who must not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, session

from flask_assistant_stream import create_assistant_blueprint, session_owner
from flask_assistant_stream.csrf import CSRFProtect
from flask_assistant_stream.extension import AssistantBlueprint
from flask_assistant_stream.testing.scripted import ScriptedEngine, text

PREFIX = "/api/assistants"
KEY = {"Authorization": "Bearer sk-of-a-program"}
UNKNOWN = {"Authorization": "Bearer sk-of-nobody"}
PAGE = "https://chat.example"

MakeApp = Callable[..., Flask]


@pytest.fixture
def csrf() -> CSRFProtect:
    return CSRFProtect()


@pytest.fixture
def make_app(csrf: CSRFProtect, tmp_path: Path) -> MakeApp:
    """Return a function that makes a host whose routes, beside and below the assistant's, read the session."""

    def change() -> str:
        return str(session.get("user", "nobody"))

    def make(prepare: Callable[[AssistantBlueprint], Any] = lambda assistant: None, **settings: Any) -> Flask:
        app = Flask("host", instance_path=str(tmp_path))
        app.config.update(SECRET_KEY="a test's secret", **settings)
        csrf.init_app(app)
        assistant = create_assistant_blueprint(
            engine=ScriptedEngine(text("yes")),
            authenticate=session_owner,
            api_keys={"sk-of-a-program": "reports"},
            cors_origins=[PAGE],
        )
        below = Blueprint("below", __name__)
        for place in (app, assistant, below):
            place.add_url_rule("/change", f"change_in_{place.name}", change, methods=["POST"])
        assistant.register_blueprint(below, url_prefix="/below")
        prepare(assistant)
        app.register_blueprint(assistant)
        return app

    return make


def error_of(answer: Any) -> str:
    return str(answer.get_json()["error"]["message"])


def test_a_request_with_the_cookie_needs_a_token(make_app: MakeApp) -> None:
    client = make_app().test_client()
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer "}, {"Authorization": "Bearer"}):
        answer = client.post(f"{PREFIX}/threads", headers=headers)
        assert (answer.status_code, error_of(answer)) == (400, "The CSRF token is missing.")


@pytest.mark.parametrize("path", ["/threads", "/v1/threads"])
def test_a_program_with_a_key_needs_none(make_app: MakeApp, path: str) -> None:
    client = make_app().test_client()
    assert client.post(PREFIX + path, json={}, headers=KEY).status_code == 200
    assert client.post(PREFIX + path, json={}, headers=UNKNOWN).status_code == 401


@pytest.mark.parametrize("path", ["/change", f"{PREFIX}/change", f"{PREFIX}/below/change"])
def test_the_header_opens_no_route_of_the_host(make_app: MakeApp, path: str) -> None:
    """They may ignore the header and believe the cookie."""
    client = make_app().test_client()
    for headers in (KEY, UNKNOWN):
        assert client.post(path, headers=headers).status_code == 400


@pytest.mark.parametrize("path", ["/nowhere", f"{PREFIX}/nowhere"])
def test_a_post_to_an_unknown_url_is_not_found(make_app: MakeApp, path: str) -> None:
    assert make_app().test_client().post(path).status_code == 404


@pytest.mark.parametrize("setting", ["WTF_CSRF_ENABLED", "WTF_CSRF_CHECK_DEFAULT"])
def test_the_settings_of_flask_wtf_hold(make_app: MakeApp, setting: str) -> None:
    client = make_app(**{setting: False}).test_client()
    for path in ("/change", f"{PREFIX}/change", f"{PREFIX}/threads"):
        assert client.post(path).status_code == 200


def test_the_assistant_can_be_exempt_alone(csrf: CSRFProtect, make_app: MakeApp) -> None:
    client = make_app(csrf.exempt).test_client()
    assert client.post(f"{PREFIX}/threads").status_code == 200
    assert client.post("/change").status_code == 400


def test_a_view_of_the_host_can_be_exempt(csrf: CSRFProtect, make_app: MakeApp) -> None:
    app = make_app()
    csrf.exempt(app.view_functions["change_in_host"])
    assert app.test_client().post("/change").status_code == 200


def test_a_page_of_another_origin_sends_to_an_exempt_assistant(csrf: CSRFProtect, make_app: MakeApp) -> None:
    """Its Origin replaces the token: browsers send it, and no page can choose it."""
    client = make_app(csrf.exempt).test_client()

    def send(origin: str) -> Any:
        address = {"base_url": "https://shop.example"}
        return client.post(f"{PREFIX}/chat/stream", json={"content": "hi"}, headers={"Origin": origin}, **address)

    sent = send(PAGE)
    assert sent.status_code == 200
    assert sent.headers["Access-Control-Allow-Origin"] == PAGE
    assert sent.headers["Access-Control-Allow-Credentials"] == "true"
    assert send("https://shop.example").status_code == 200
    for foreign in ("https://evil.example", "null", "http://chat.example"):
        assert send(foreign).status_code == 403


def test_the_header_of_a_foreign_page_is_no_key(make_app: MakeApp) -> None:
    client = make_app().test_client()
    foreign = {**UNKNOWN, "Origin": "https://evil.example"}
    assert client.post(f"{PREFIX}/threads", headers=foreign).status_code == 403
    preflight = {"Origin": foreign["Origin"], "Access-Control-Request-Method": "POST"}
    preflight["Access-Control-Request-Headers"] = "authorization"
    answer = client.options(f"{PREFIX}/threads", headers=preflight)
    assert "Access-Control-Allow-Origin" not in answer.headers
