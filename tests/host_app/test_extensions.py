"""Eight extensions in one app, and the assistant among them: each does its work, and none disturbs a stream."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from examples.host_app import create_app
from examples.host_app.extensions import db
from examples.host_app.models import ApiKey, Order, digest_of
from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from tests.host_app.conftest import ASSISTANT, Visit, settings
from tests.server_process import GEVENT, ServerProcess, serving

KEY = "sk-shop-of-a-program-of-anna"
GERMAN = {"Accept-Language": "de-AT,de;q=0.9"}
BROWSER = {"Accept-Encoding": "gzip, deflate, br, zstd"}


@pytest.fixture
def program(app: Flask) -> dict[str, str]:
    """Give anna a key; return its header."""
    with app.app_context():
        db.session.add(ApiKey(digest=digest_of(KEY), user_id=1))
        db.session.commit()
    return {"Authorization": f"Bearer {KEY}"}


# -- Flask-SQLAlchemy and Flask-Babel in tools ------------------------------------------------------------------


def test_a_tool_speaks_the_visitors_language_and_names_the_page(visit: Visit) -> None:
    anna = visit("anna")
    for headers, price in ((GERMAN, "1.049,50\xa0€"), ({"Accept-Language": "en"}, "€1,049.50")):
        page = anna.client.get("/", headers=headers).text
        answer = text_of(decode_ndjson(anna.post("/chat/stream", {"content": "/my_orders"}, **headers).data))
        assert price in page
        assert price in answer
        assert "http://localhost/" in answer


# -- keys in the app's database ---------------------------------------------------------------------------------


def test_a_program_with_a_key_is_its_user(app: Flask, visit: Visit, program: dict[str, str]) -> None:
    sent = app.test_client().post(f"{ASSISTANT}/chat/stream", json={"content": "/my_orders"}, headers=program)
    assert "A-100" in text_of(decode_ndjson(sent.data))
    assert visit("anna").threads() == [sent.headers["X-Thread-Id"]]
    assert visit("bert").threads() == []


def test_a_wrong_key_is_nobody_even_with_a_login(visit: Visit) -> None:
    bert = visit("bert")
    answer = bert.client.post(f"{ASSISTANT}/threads", json={}, headers={"Authorization": "Bearer sk-guessed"})
    assert (answer.status_code, bert.threads()) == (401, [])


def test_a_key_opens_nothing_else(app: Flask, program: dict[str, str]) -> None:
    assert app.test_client().post("/logout", headers=program).status_code == 400  # the CSRF check
    assert app.test_client().get("/", headers=program).status_code == 302


# -- Flask-WTF --------------------------------------------------------------------------------------------------


def test_tests_of_the_shop_switch_the_check_off(tmp_path: Path) -> None:
    app = create_app({**settings(tmp_path), "WTF_CSRF_ENABLED": False})
    client = app.test_client()
    assert client.post("/login", data={"name": "anna", "password": "anna-demo"}).headers["Location"] == "/"
    assert client.post(f"{ASSISTANT}/threads", json={}).status_code == 200
    app.extensions["flask_assistant_stream"]["assistant_stream"].store.close()
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("path", ["/nowhere", f"{ASSISTANT}/nowhere"])
def test_a_post_to_an_unknown_url_is_not_found(visit: Visit, path: str) -> None:
    assert visit("anna").client.post(path).status_code == 404


# -- Flask-Limiter ----------------------------------------------------------------------------------------------


def test_the_page_loads_its_files_more_often_than_the_default_limit_allows(visit: Visit) -> None:
    anna = visit("anna")
    addresses = {part.split('"')[0] for part in anna.client.get("/support").text.split('="') if "/ui/" in part}
    assert addresses
    statuses = [anna.client.get(address).status_code for _ in range(61) for address in addresses]
    assert {*statuses} == {200}


def test_programs_have_a_limit_of_their_own(app: Flask, visit: Visit, program: dict[str, str]) -> None:
    app.config.update(PROGRAM_LIMIT="2 per hour", SUPPORT_LIMIT="1 per hour")
    client = app.test_client()
    answers = [client.get(f"{ASSISTANT}/v1/assistants", headers=program) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "error" in answers[2].get_json()
    assert int(answers[2].headers["Retry-After"]) > 0
    assert client.post(f"{ASSISTANT}/threads", json={}, headers=program).status_code == 200
    assert visit("anna").ask("hello")


# -- Flask-Caching ----------------------------------------------------------------------------------------------


def test_a_tool_may_cache_and_streams_are_never_cached(app: Flask, visit: Visit) -> None:
    anna = visit("anna")
    sent = [anna.post("/chat/stream", {"content": "/our_items"}) for _ in range(2)]
    assert len({answer.headers["X-Run-Id"] for answer in sent}) == 2
    assert {answer.headers["Cache-Control"] for answer in sent} == {"no-cache, no-transform"}
    with app.app_context():
        db.session.query(Order).delete()
        db.session.commit()
    assert "Kettle" in anna.ask("/our_items")
    assert "Kettle" not in anna.ask("/my_orders")


# -- Flask-Talisman ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/support", f"{ASSISTANT}/"])
def test_its_policy_allows_what_the_chat_needs(visit: Visit, path: str) -> None:
    headers = visit("anna").client.get(path).headers
    assert "img-src 'self' data: blob:" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "same-origin"


def test_downloads_keep_their_own_policy(visit: Visit) -> None:
    anna = visit("anna")
    file = {"file": (io.BytesIO(b"<script>alert(1)</script>"), "a.html")}
    uploaded = anna.client.post(f"{ASSISTANT}/files", data=file, headers={"X-CSRFToken": anna.token}).get_json()
    downloaded = anna.get(f"/files/{uploaded['fileId']}")
    assert downloaded.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_plain_http_leads_to_https_except_for_health_checks(tmp_path: Path) -> None:
    app = create_app({**settings(tmp_path), "HTTPS": True})
    client = app.test_client()
    assert client.get("/login").headers["Location"] == "https://localhost/login"
    assert client.get(f"{ASSISTANT}/threads").headers["Location"] == f"https://localhost{ASSISTANT}/threads"
    assert client.get(f"{ASSISTANT}/health").status_code == 200
    assert client.get(f"{ASSISTANT}/health/ready").status_code == 200
    app.extensions["flask_assistant_stream"]["assistant_stream"].store.close()
    with app.app_context():
        db.engine.dispose()


# -- Flask-Compress ---------------------------------------------------------------------------------------------


def test_pages_and_lists_are_compressed_and_streams_are_not(visit: Visit) -> None:
    anna = visit("anna")
    streams = [
        anna.post("/chat/stream", {"content": "hello " * 300}, Accept=kind, **BROWSER)
        for kind in ("application/x-ndjson", "text/event-stream")
    ]
    assert [answer.headers.get("Content-Encoding") for answer in streams] == [None, None]
    assert all(b"thread.run.completed" in answer.data for answer in streams)
    path = f"{ASSISTANT}/threads/{streams[0].headers['X-Thread-Id']}/messages"
    for address in ("/support", path):
        assert anna.client.get(address, headers=BROWSER).headers["Content-Encoding"] in ("zstd", "br", "gzip")


# -- a real server ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Serve the shop on a gevent worker; anna's program has a key, and answers take a while."""
    where = tmp_path_factory.mktemp("shop")
    database = where / "shop.sqlite3"
    environment = {
        "FLASK_SECRET_KEY": "a test's secret",
        "FLASK_SQLALCHEMY_DATABASE_URI": f"sqlite:///{database}",
        "ASSISTANT_ENGINE": "offline",
        "ASSISTANT_OFFLINE_DELAY_SECONDS": "0.05",
    }
    with serving((*GEVENT, "examples.host_app:create_app()"), where, prefix=ASSISTANT, **environment) as running:
        with sqlite3.connect(database) as connection:
            connection.execute("INSERT INTO api_keys (digest, user_id) VALUES (?, 1)", (digest_of(KEY),))
        connection.close()
        yield running


@pytest.mark.parametrize("kind", ["application/x-ndjson", "text/event-stream"])
def test_words_arrive_while_the_run_goes_on(server: ServerProcess, kind: str) -> None:
    key = {"Authorization": f"Bearer {KEY}"}
    headers = {**key, "Accept": kind, **BROWSER}
    with server.opened("/chat/stream", {"content": "hello " * 1000}, headers=headers) as stream:
        lines = (line for line in stream.lines() if b"thread.message.delta" in line)
        for _ in range(3):
            next(lines)
        assert server.get(f"/v1{stream.run_path}", headers=key).json["status"] == "in_progress"
        assert server.post(f"{stream.run_path}/cancel", headers=key).status == 200
        assert b"thread.run.cancelled" in stream.read_bytes()


def test_tools_of_a_real_worker_speak_the_visitors_language(server: ServerProcess) -> None:
    events = server.chat("/my_orders", headers={"Authorization": f"Bearer {KEY}", **GERMAN}).events
    assert "1.049,50\xa0€" in text_of(events)
    assert f"{server.origin}/" in text_of(events)
