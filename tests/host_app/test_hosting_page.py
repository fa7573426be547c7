"""The snippets of docs/hosting.md make an app that does what the page says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_login import login_user

from flask_assistant_stream import Unauthorized
from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from tests.host_app.conftest import ASSISTANT, token_in
from tests.pages import DOCS, blocks, read

PAGE = DOCS / "hosting.md"


def python_of_the_app() -> list[str]:
    """Return the snippets that make the page's app; the others are files of their own."""
    return [block for block in blocks(PAGE, "python") if not block.startswith("# test_")]


@pytest.fixture
def names(tmp_path: Path) -> dict[str, Any]:
    """The names of the page's snippets."""
    names: dict[str, Any] = {"__name__": "app", "__file__": str(tmp_path / "app.py")}
    for block in python_of_the_app():
        exec(block, names)
    return names


@pytest.fixture
def app(names: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Flask]:
    """The page's app."""
    settings = {"SECRET_KEY": "secret", "ASSISTANT_STORE": f"sqlite:///{tmp_path / 'store.sqlite3'}"}
    for name, value in {**settings, "ASSISTANT_OFFLINE_DELAY_SECONDS": "0"}.items():
        monkeypatch.setenv(f"FLASK_{name}", value)
    monkeypatch.setenv("FLASK_ASSISTANT_ENGINE", "offline")
    monkeypatch.setenv("FLASK_ASSISTANT_API_KEYS", "sk-of-a-program=reports")
    app: Flask = names["create_app"]()
    app.template_folder = str(tmp_path)
    (tmp_path / "support.html").write_text(blocks(PAGE, "html")[0], encoding="utf-8")
    yield app
    app.extensions["flask_assistant_stream"]["assistant_stream"].store.close()


def log_in(client: FlaskClient, name: str) -> str:
    """Log in on the page's own form; return the token of the page with the chat."""
    token = token_in(client.get("/login").text)
    page = client.post("/login", data={"name": name, "csrf_token": token}, follow_redirects=True)
    found = re.search(r'data-csrf-token="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def test_it_does_what_the_page_says(app: Flask) -> None:
    anna = app.test_client()
    assert anna.get(f"{ASSISTANT}/threads").status_code == 401
    assert anna.get("/support").headers["Location"].startswith("/login")
    token = log_in(anna, "anna")

    def send(content: str, token: str) -> Any:
        headers = {"X-CSRFToken": token}
        return anna.post(f"{ASSISTANT}/chat/stream", json={"content": content}, headers=headers)

    refused = send("hello", "")
    assert refused.status_code == 400
    assert refused.get_json()["error"]["message"] == "The CSRF token is missing."
    answer = text_of(decode_ndjson(send("/my_orders", token).data))
    assert "A-100" in answer
    assert "B-200" not in answer
    answers = [send("again", token) for _ in range(20)]
    assert {answer.status_code for answer in answers[:19]} == {200}
    assert answers[19].status_code == 429
    assert int(answers[19].headers["Retry-After"]) > 0
    assert "Wait a minute" in answers[19].get_json()["error"]["message"]
    assert {anna.get(f"{ASSISTANT}/files").status_code for _ in range(61)} == {200}


def test_a_body_that_calls_itself_a_form_is_read_by_the_check(app: Flask) -> None:
    anna = app.test_client()
    kind = "application/x-www-form-urlencoded"
    headers = {"X-CSRFToken": log_in(anna, "anna"), "Content-Type": kind}
    answer = anna.post(f"{ASSISTANT}/chat/stream", data=json.dumps({"content": "hello"}), headers=headers)
    assert answer.status_code == 400
    assert answer.get_json()["error"]["message"].startswith("The body is a form")


@pytest.mark.parametrize(("header", "status"), [("Bearer sk-of-a-program", 200), ("Basic YTpi", 400)])
def test_programs_with_a_key_need_no_token(app: Flask, header: str, status: int) -> None:
    client = app.test_client()
    log_in(client, "anna")
    answer = client.post(f"{ASSISTANT}/threads", json={}, headers={"Authorization": header})
    assert answer.status_code == status


def test_the_view_that_the_page_names_is_one(app: Flask) -> None:
    named = set(re.findall(r"(?<!flask_)assistant_stream\.\w+", read(PAGE))) - {"assistant_stream.tool"}
    assert named
    assert [name for name in named if not any(view.startswith(name) for view in app.view_functions)] == []


def test_a_page_on_another_origin_sends_without_a_token(names: dict[str, Any], app: Flask) -> None:
    names["allow_another_origin"](app)
    app.register_blueprint(names["assistant"], name="other", url_prefix="/other")
    anna = app.test_client()
    log_in(anna, "anna")
    for origin, status in (("https://chat.example.com", 200), ("https://evil.example", 403)):
        assert anna.post("/other/threads", headers={"Origin": origin}).status_code == status


def test_a_users_key_is_the_user_and_a_wrong_one_nobody(names: dict[str, Any], app: Flask) -> None:
    key = names["new_key"]("anna")
    authenticate = names["user_of_key_or_login"]

    def owner(token: str) -> str:
        with app.test_request_context(headers={"Authorization": f"Bearer {token}"}) as context:
            login_user(names["User"]("bert"))
            return str(authenticate(context.request))

    assert owner(key) == "anna"
    with pytest.raises(Unauthorized):
        owner("sk-guessed")
    with app.test_request_context() as context:
        login_user(names["User"]("bert"))
        assert authenticate(context.request) == "bert"


def test_the_policy_for_talisman_is_that_of_the_page(names: dict[str, Any], app: Flask) -> None:
    names["add_talisman"](app)
    client = app.test_client()
    assert client.get(f"{ASSISTANT}/threads").status_code == 302
    assert client.get(f"{ASSISTANT}/health").status_code == 200
    policy = client.get("/login", base_url="https://localhost").headers["Content-Security-Policy"]
    shown = re.search(r"^default-src.*?(?=\n```)", read(PAGE), re.MULTILINE | re.DOTALL)
    assert shown is not None
    assert policy == shown[0].replace("\n", " ")


@pytest.mark.slow
def test_its_tests_pass(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("\n\n".join(python_of_the_app()), encoding="utf-8")
    (test,) = (block for block in blocks(PAGE, "python") if block.startswith("# test_"))
    (tmp_path / "test_support.py").write_text(test, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout
    assert "2 passed" in result.stdout
    assert not (tmp_path / "instance").exists()
