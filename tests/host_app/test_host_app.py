"""An app with a login, CSRF protection, rate limits and a policy of its own keeps all of them with the assistant."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFProtect

from examples.host_app.extensions import db
from examples.host_app.models import Order, User
from flask_assistant_stream import create_assistant_blueprint, shared_owner
from flask_assistant_stream.testing.scripted import ScriptedEngine, text
from tests.host_app.conftest import ASSISTANT, Visit, token_in


def error_of(answer: Any) -> dict[str, Any]:
    """Return the error of an answer, which must be one of the shape that front-ends know."""
    assert answer.mimetype == "application/json", answer.text
    error: dict[str, Any] = answer.get_json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


# -- login ------------------------------------------------------------------------------------------------------


def test_the_pages_need_a_login_and_the_assistant_says_so_in_json(visit: Visit) -> None:
    stranger = visit()
    for page in ("/", "/support"):
        assert stranger.client.get(page).headers["Location"].startswith("/login")
    refused = stranger.get("/threads")
    assert refused.status_code == 401
    assert error_of(refused)["message"] == "Log in first."
    stranger.token = token_in(stranger.client.get("/login").text)
    assert stranger.post("/chat/stream", {"content": "hello"}).status_code == 401


def test_a_wrong_password_lets_nobody_in(visit: Visit) -> None:
    for name in ("anna", "nobody"):
        stranger = visit()
        assert "Name or password is wrong." in stranger.log_in(name, "guess").text
        assert stranger.client.get("/").status_code == 302


def test_passwords_are_not_kept(app: Flask, visit: Visit) -> None:
    visit("anna")
    with app.app_context():
        assert [user.password for user in db.session.query(User) if "anna-demo" in user.password] == []


def test_after_the_logout_the_assistant_is_shut(visit: Visit) -> None:
    anna = visit("anna")
    anna.ask("hello")
    anna.client.post("/logout", data={"csrf_token": anna.token})
    assert anna.get("/threads").status_code == 401


# -- owners -----------------------------------------------------------------------------------------------------


def test_users_do_not_see_each_other(visit: Visit) -> None:
    anna, bert = visit("anna"), visit("bert")
    assert "offline engine" in anna.ask("hello")
    (thread,) = anna.threads()
    assert bert.threads() == []
    assert bert.get(f"/threads/{thread}/messages").status_code == 404
    assert bert.post(f"/threads/{thread}/messages", {"content": "mine?"}).status_code == 404
    assert anna.threads() == [thread]


def test_a_tool_reads_the_database_for_the_user_who_asks(visit: Visit) -> None:
    anna, bert = visit("anna").ask("/my_orders"), visit("bert").ask("/my_orders")
    assert "A-100" in anna
    assert "A-101" in anna
    assert "B-200" not in anna
    assert "B-200" in bert
    assert "A-10" not in bert


def test_a_tool_that_changes_something_asks_first_and_changes_what_is_the_users(app: Flask, visit: Visit) -> None:
    for name, status in (("bert", "open"), ("anna", "cancelled")):
        visitor = visit(name)
        asked = visitor.post("/chat/stream", {"content": '/cancel_order {"number": "A-100"}'})
        run, thread = asked.headers["X-Run-Id"], asked.headers["X-Thread-Id"]
        call = asked.get_data(as_text=True).split('"call_')[1].split('"')[0]
        outputs = [{"tool_call_id": f"call_{call}", "output": "true"}]
        assert visitor.post(f"/threads/{thread}/actions", {"runId": run, "toolCallOutputs": outputs}).data
        with app.app_context():
            order = db.session.get(Order, "A-100")
        assert order is not None
        assert order.status == status


# -- CSRF -------------------------------------------------------------------------------------------------------


def test_a_post_without_the_token_is_refused_in_json_and_stores_nothing(visit: Visit) -> None:
    anna = visit("anna")
    for token in ("", "wrong"):
        refused = anna.post("/chat/stream", {"content": "hello"}, **{"X-CSRFToken": token})
        assert refused.status_code == 400
        assert "CSRF" in error_of(refused)["message"]
    file = {"file": (io.BytesIO(b"Something."), "a.md")}
    assert anna.client.post(f"{ASSISTANT}/files", data=file).status_code == 400
    assert anna.threads() == []
    assert anna.get("/files").get_json() == []


def test_with_the_token_messages_uploads_and_deletions_are_taken(visit: Visit) -> None:
    anna = visit("anna")
    header = {"X-CSRFToken": anna.token}
    file = {"file": (io.BytesIO(b"Every kettle has a warranty of 37 months."), "warranty.md")}
    uploaded = anna.client.post(f"{ASSISTANT}/files", data=file, headers=header)
    assert uploaded.status_code == 200, uploaded.text
    assert "37 months" in anna.ask("How long is the warranty of a kettle?")
    (thread,) = anna.threads()
    assert anna.client.delete(f"{ASSISTANT}/threads/{thread}", headers=header).status_code == 200
    assert anna.client.delete(f"{ASSISTANT}/files", json=uploaded.get_json(), headers=header).status_code == 200
    assert (anna.threads(), anna.get("/files").get_json()) == ([], [])


def test_under_tls_the_referrer_is_looked_at_and_the_page_lets_it_be_sent(visit: Visit) -> None:
    anna = visit("anna")
    address = {"base_url": "https://shop.example"}
    header = {"X-CSRFToken": _token_under_tls(anna.client)}
    refused = anna.client.post(f"{ASSISTANT}/threads", json={}, headers=header, **address)
    assert "referrer" in error_of(refused)["message"]
    header["Referer"] = "https://shop.example/support"
    assert anna.client.post(f"{ASSISTANT}/threads", json={}, headers=header, **address).status_code == 200
    for page in ("/support", f"{ASSISTANT}/"):
        assert anna.client.get(page).headers["Referrer-Policy"] == "same-origin"


def _token_under_tls(client: FlaskClient) -> str:
    """Log in over TLS, whose cookies are another host's to the client."""
    address: dict[str, Any] = {"base_url": "https://shop.example"}
    referrer = {"Referer": "https://shop.example/login"}
    form = {"name": "anna", "password": "anna-demo", "csrf_token": token_in(client.get("/login", **address).text)}
    return token_in(client.post("/login", data=form, headers=referrer, follow_redirects=True, **address).text)


# -- rate limits ------------------------------------------------------------------------------------------------


def test_who_sends_too_much_gets_429_with_retry_after_and_stores_nothing(app: Flask, visit: Visit) -> None:
    app.config["SUPPORT_LIMIT"] = "2 per hour"
    anna, bert = visit("anna"), visit("bert")
    anna.ask("one")
    anna.post("/threads")  # every POST counts, whichever it is
    refused = anna.post("/chat/stream", {"content": "three"})
    assert refused.status_code == 429
    assert "Wait a minute" in error_of(refused)["message"]
    assert error_of(refused)["code"] == "rate_limit_exceeded"
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert len(anna.threads()) == 2
    assert bert.ask("I have sent nothing yet.")


def test_uploads_count_too(app: Flask, visit: Visit) -> None:
    app.config["SUPPORT_LIMIT"] = "1 per hour"
    anna = visit("anna")
    statuses = []
    for name in ("a.md", "b.md"):
        file = {"file": (io.BytesIO(b"Something."), name)}
        answer = anna.client.post(f"{ASSISTANT}/files", data=file, headers={"X-CSRFToken": anna.token})
        statuses.append(answer.status_code)
    assert statuses == [200, 429]
    assert [file["filename"] for file in anna.get("/files").get_json()] == ["a.md"]


def test_polling_and_stopping_are_not_limited(app: Flask, visit: Visit) -> None:
    app.config["SUPPORT_LIMIT"] = "1 per hour"
    anna = visit("anna")
    sent = anna.post("/chat/stream", {"content": "hello"})
    run, thread = sent.headers["X-Run-Id"], sent.headers["X-Thread-Id"]
    assert sent.data
    assert {anna.get("/files").status_code for _ in range(70)} == {200}  # the app's own default is 60 per minute
    assert anna.post("/chat/stream", {"content": "more"}).status_code == 429
    stopped = anna.post(f"/threads/{thread}/runs/{run}/cancel")
    assert (stopped.status_code, "completed" in error_of(stopped)["message"]) == (400, True)  # not 429


def test_what_the_csrf_check_refuses_is_not_counted(app: Flask, visit: Visit) -> None:
    app.config["SUPPORT_LIMIT"] = "1 per hour"
    anna = visit("anna")
    for _ in range(3):
        assert anna.post("/chat/stream", {"content": "?"}, **{"X-CSRFToken": ""}).status_code == 400
    assert anna.ask("hello")


def test_the_shops_own_pages_keep_the_default_limit(visit: Visit) -> None:
    anna = visit("anna")
    statuses = [anna.client.get("/").status_code for _ in range(61)]
    assert statuses[0] == 200
    assert statuses[-1] == 429


# -- pages ------------------------------------------------------------------------------------------------------


def test_the_chat_stands_in_the_shops_layout_under_its_policy(visit: Visit) -> None:
    page = visit("anna").client.get("/support")
    assert "Log out anna" in page.text
    assert f'data-base="{ASSISTANT}"' in page.text
    assert "data-csrf-token=" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "style=" not in page.text
    assert "<script>" not in page.text


# -- single views -----------------------------------------------------------------------------------------------


def test_extensions_tell_the_assistants_views_apart(tmp_path: Path) -> None:
    """A limit on one view and an exemption of another one concern those alone."""
    app = Flask("host", instance_path=str(tmp_path))
    app.secret_key = "a test's secret"
    app.register_blueprint(
        create_assistant_blueprint(engine=ScriptedEngine(text("yes")), authenticate=shared_owner("anna"))
    )
    csrf, limiter = CSRFProtect(), Limiter(get_remote_address, storage_uri="memory://")
    csrf.init_app(app)
    limiter.init_app(app)
    views: dict[str, Any] = app.view_functions
    views["assistant_stream.list_threads"] = limiter.limit("1 per hour")(views["assistant_stream.list_threads"])
    csrf.exempt(views["assistant_stream.create_thread"])
    client = app.test_client()
    assert [client.get("/api/assistants/threads").status_code for _ in range(2)] == [200, 429]
    assert [client.get("/api/assistants/files").status_code for _ in range(2)] == [200, 200]
    assert client.post("/api/assistants/threads").status_code == 200
    assert client.post("/api/assistants/chat/stream", json={"content": "?"}).status_code == 400
