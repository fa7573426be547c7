"""A page on another origin with the script of docs/setup.md, in Chromium: a listed one chats, others do nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, session
from playwright.sync_api import Browser, Page
from werkzeug.serving import make_server

from flask_assistant_stream import create_assistant_blueprint, session_owner
from flask_assistant_stream.csrf import CSRFProtect
from flask_assistant_stream.testing.scripted import ScriptedEngine, text
from tests.pages import DOCS, blocks

pytestmark = pytest.mark.browser

PREFIX = "/api/assistants"
SAID = "The text of a page that only a listed origin reads."


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve an app; yield its origin."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def page_for(host: dict[str, str]) -> Flask:
    """Make a front-end: the script of the set-up page, for the API that `host` names later."""
    app = Flask("page")

    @app.get("/")
    def show() -> str:
        (script,) = (block for block in blocks(DOCS / "setup.md", "js") if "credentials" in block)
        script = script.replace("https://shop.example.com/api/assistants", host["api"])
        return f"<!doctype html><script type=module>{script}\nwindow.send = send;</script>"

    return app


@pytest.fixture
def host(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Serve a host with a CSRF check, a listed front-end and another one; yield their origins."""
    origins: dict[str, str] = {}
    with ExitStack() as stack:
        for name in ("listed", "foreign"):
            origins[name] = stack.enter_context(served(page_for(origins)))
        app = Flask("host", instance_path=str(tmp_path))
        app.secret_key = "a test's secret"
        assistant = create_assistant_blueprint(
            engine=ScriptedEngine(text(SAID)), authenticate=session_owner, cors_origins=[origins["listed"]]
        )
        csrf = CSRFProtect()
        csrf.init_app(app)
        csrf.exempt(assistant)
        app.register_blueprint(assistant)
        app.add_url_rule("/", "index", view_func=lambda: "A page of the host")
        app.add_url_rule("/change", "change", view_func=lambda: str(session), methods=["POST"])
        origins["host"] = stack.enter_context(served(app))
        origins["api"] = origins["host"] + PREFIX
        yield origins


@pytest.fixture
def page(chromium: Browser, host: dict[str, str]) -> Iterator[Page]:
    """A tab of a visitor with a session at the host."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{host['api']}/threads")
    yield page
    context.close()


def threads(page: Page, host: dict[str, str]) -> list[Any]:
    """Return the visitor's threads, as the host's own pages would see them."""
    page.goto(f"{host['api']}/threads")
    found: list[Any] = json.loads(page.inner_text("body"))["data"]
    return found


SEND = "send('hello').then(async (r) => [await r.text(), r.headers.get('X-Thread-Id')], () => null)"


def test_a_listed_page_chats_as_the_visitor(page: Page, host: dict[str, str]) -> None:
    page.goto(host["listed"])
    page.wait_for_function("'send' in window")
    stream, thread = page.evaluate(SEND)
    assert "thread.run.completed" in stream
    assert [one["id"] for one in threads(page, host)] == [thread]


def test_any_other_page_does_nothing(page: Page, host: dict[str, str]) -> None:
    page.goto(host["foreign"])
    page.wait_for_function("'send' in window")
    assert page.evaluate(SEND) is None
    blind = "{method: 'POST', mode: 'no-cors', credentials: 'include', body: JSON.stringify({content: 'hello'})}"
    page.evaluate(f"fetch('{host['api']}/chat/stream', {blind}).then(() => 1)")
    assert threads(page, host) == []


def test_the_rest_of_the_app_stays_checked(page: Page, host: dict[str, str]) -> None:
    page.goto(host["host"])
    assert page.evaluate("fetch('/change', {method: 'POST'}).then((r) => r.status)") == 400
