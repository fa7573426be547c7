"""The app of `examples/host_app`, and browsers (of Flask's test client) that log in to it as people do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from examples.host_app import create_app
from examples.host_app.extensions import db
from flask_assistant_stream.testing.decode import decode_ndjson, text_of

ASSISTANT = "/support/assistant"
PASSWORDS = {"anna": "anna-demo", "bert": "bert-demo"}


def settings(where: Path) -> dict[str, Any]:
    return {
        "SECRET_KEY": "a test's secret",
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{where / 'shop.sqlite3'}",
        "ASSISTANT_STORE": f"sqlite:///{where / 'assistant.sqlite3'}",
        "ASSISTANT_ENGINE": "offline",
        "ASSISTANT_OFFLINE_DELAY_SECONDS": "0",
        "ASSISTANT_EXTRACTION_PROCESSES": 0,
    }


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = create_app(settings(tmp_path))
    yield app
    with app.app_context():
        db.engine.dispose()
    app.extensions["flask_assistant_stream"]["assistant_stream"].store.close()


def token_in(page: str) -> str:
    """Return the CSRF token of a page: of its first form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, page
    return found[1]


class Visitor:
    """Somebody with a browser.

    Attributes:
        client: Flask's test client.
        token: the CSRF token of the page that they look at.
    """

    def __init__(self, client: FlaskClient, name: str = "") -> None:
        self.client = client
        self.token = ""
        if name:
            self.log_in(name, PASSWORDS[name])

    def log_in(self, name: str, password: str) -> TestResponse:
        form = {"name": name, "password": password, "csrf_token": token_in(self.client.get("/login").text)}
        answer = self.client.post("/login", data=form, follow_redirects=True)
        self.token = token_in(answer.text)
        return answer

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        """POST JSON to the assistant with the token, as the page does."""
        return self.client.post(ASSISTANT + path, json=body or {}, headers={"X-CSRFToken": self.token, **headers})

    def get(self, path: str) -> TestResponse:
        """GET from the assistant."""
        return self.client.get(ASSISTANT + path)

    def ask(self, content: str, thread_id: str | None = None) -> str:
        """Send a message and return the text of its answer."""
        answer = self.post("/chat/stream", {"content": content, "threadId": thread_id})
        assert answer.status_code == 200, answer.text
        return text_of(decode_ndjson(answer.data))

    def threads(self) -> list[str]:
        return [thread["id"] for thread in self.get("/threads").get_json()["data"]]


Visit = Callable[..., Visitor]


@pytest.fixture
def visit(app: Flask) -> Visit:
    """Open a browser: `visit("anna")` logs in, `visit()` does not."""
    return lambda name="": Visitor(app.test_client(), name)
