"""JSON errors below the prefix and nowhere else, CORS, request ids, log records."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import abort, got_request_exception, redirect
from flask_cors import CORS

from flask_assistant_stream.errors import StoreError, UpstreamError
from flask_assistant_stream.testing.scripted import text

from .conftest import FRONT_END, MakeSite, Site, fail_with, run_of


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site(text("Hi."))


@pytest.mark.parametrize("path", ["/nowhere", "/threads/a/b/c/d", "/chat", "/v2/threads", "/a%00b", "/%FF"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH", "PUT", "TRACE", "BREW"])
def test_unknown_paths(site: Site, method: str, path: str) -> None:
    response = site.request(method, path, headers={"Origin": FRONT_END})
    assert response.status_code == 404
    assert "Unknown request URL" in response.get_json()["error"]["message"]
    assert response.headers["Access-Control-Allow-Origin"] == FRONT_END


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/chat/stream", {"POST", "OPTIONS"}),
        ("PUT", "/threads", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("BREW", "/threads/x", {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}),
        ("GET", "/", {"POST", "OPTIONS"}),
        ("GET", "", {"POST", "OPTIONS"}),
        ("POST", "/health", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_unknown_methods(site: Site, method: str, path: str, allow: set[str]) -> None:
    response = site.request(method, path)
    assert response.status_code == 405
    assert response.get_json()["error"]["type"] == "invalid_request_error"
    assert set(response.headers["Allow"].split(", ")) == allow


def test_a_slash_at_the_end_and_head_and_options(site: Site) -> None:
    assert site.get("/threads/").status_code == 200
    assert site.request("DELETE", "/threads/").status_code == 405
    response = site.request("HEAD", "/threads")
    assert (response.status_code, response.data) == (200, b"")
    response = site.request("OPTIONS", "/threads")
    assert response.status_code == 204
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}
    for method in ("HEAD", "OPTIONS"):
        assert site.request(method, "/nowhere").status_code == 404


def test_the_rest_of_the_app_is_as_it_was(site: Site) -> None:
    client = site.app.test_client()
    for path in ("/nowhere", "/api/nowhere", "/api/assistantsx"):
        response = client.get(path, headers={"Origin": FRONT_END})
        assert response.status_code == 404
        assert response.content_type.startswith("text/html")
        assert "Access-Control-Allow-Origin" not in response.headers
        assert "X-Request-Id" not in response.headers


PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,last-event-id,idempotency-key,"
    "x-stainless-os,traceparent,x-csrftoken",
}


@pytest.mark.parametrize("path", ["/chat/stream", "/threads", "/nowhere"])
def test_preflights(site: Site, path: str) -> None:
    response = site.request("OPTIONS", path, user="nobody", headers={"Origin": FRONT_END, **PREFLIGHT})
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (204, FRONT_END)
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    allowed = response.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert sorted(allowed) == sorted(PREFLIGHT["Access-Control-Request-Headers"].split(","))
    assert "Origin" in response.headers["Vary"]


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:3001", "http://localhost:30000", "null"])
def test_other_origins_get_no_headers(site: Site, origin: str) -> None:
    for method, headers in (("OPTIONS", PREFLIGHT), ("GET", {})):
        response = site.request(method, "/threads", headers={"Origin": origin, **headers})
        assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


def test_a_stream_has_the_headers_and_lets_the_page_read_the_ids(site: Site) -> None:
    response = site.post("/chat/stream", {"content": "hi"}, headers={"Origin": FRONT_END})
    assert response.headers["Access-Control-Allow-Origin"] == FRONT_END
    exposed = response.headers["Access-Control-Expose-Headers"]
    assert {"X-Request-Id", "X-Thread-Id", "X-Run-Id"} <= set(exposed.split(", "))


@pytest.mark.parametrize(
    ("options", "headers", "allowed"),
    [
        ({}, {}, None),
        ({"cors_origins": "none"}, {"Origin": FRONT_END}, None),
        ({"cors_origins": ["http://[::1]:3000"]}, {"Origin": "http://[::1]:3000"}, "http://[::1]:3000"),
    ],
)
def test_configured_origins(make_site: MakeSite, options: Any, headers: Any, allowed: str | None) -> None:
    response = make_site(**options).get("/threads", headers=headers)
    assert response.headers.get("Access-Control-Allow-Origin") == allowed


def test_cors_of_the_host_is_not_added_to_ours(site: Site) -> None:
    CORS(site.app, origins=["https://other.example"])
    headers = site.get("/threads", headers={"Origin": FRONT_END}).headers
    assert headers.getlist("Access-Control-Allow-Origin") == [FRONT_END]


def test_the_store_is_away(site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("get", "list", "insert", "start"):
        monkeypatch.setattr(site.registration.store, name, fail_with(StoreError("mongodb://db:27017 refused")))
    for method, path in (("GET", "/threads"), ("POST", "/threads"), ("POST", "/chat/stream")):
        response = site.request(method, path, json={"content": "hi"}, headers={"Origin": FRONT_END})
        assert response.status_code == 503
        assert (response.headers.get("x-should-retry") == "false") is (response.request.method != "GET")
        assert response.headers["Retry-After"]
        assert response.get_json()["error"]["code"] == "store_unavailable"
        assert response.headers["Access-Control-Allow-Origin"] == FRONT_END
        assert "mongodb" not in response.text
    assert "refused" in caplog.text


def test_a_surprise_is_a_500_that_says_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[Exception] = []
    monkeypatch.setattr(site.registration.store, "list", fail_with(KeyError("the user's words")))
    with got_request_exception.connected_to(lambda _, exception: sent.append(exception), site.app):
        response = site.get("/threads", headers={"Origin": FRONT_END, "X-Request-Id": "req-42"})
    assert response.status_code == 500
    assert response.get_json()["error"]["message"] == "Internal error; request id req-42."
    assert response.headers["Access-Control-Allow-Origin"] == FRONT_END
    assert [type(error) for error in sent] == [KeyError]
    assert "KeyError" in caplog.text
    assert "fail_with" in caplog.text or "failing" in caplog.text  # where
    assert "the user's words" not in caplog.text


def test_a_hosts_mistake_is_in_the_log_only(make_site: MakeSite, caplog: pytest.LogCaptureFixture) -> None:
    site = make_site(authenticate=lambda request: 7.5)
    response = site.get("/threads")
    assert response.status_code == 500
    assert "authenticate" not in response.text
    assert "authenticate returned float" in caplog.text


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (UpstreamError("The upstream does not answer."), 502, None),
        (UpstreamError("Slow down.", status=429, retry_after=1.2), 429, "2"),
    ],
)
def test_an_upstream_that_fails_a_request(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: UpstreamError, status: int, retry_after: str | None
) -> None:
    monkeypatch.setattr(site.registration.vector_stores, "get", fail_with(error))
    monkeypatch.setattr(site.registration.vector_stores, "create", fail_with(error))
    for method, path in (("GET", "/v1/vector_stores/vs_1"), ("POST", "/v1/vector_stores")):
        response = site.request(method, path, headers={"Origin": FRONT_END})
        assert response.status_code == status
        expected = {"message": error.message, "type": "server_error", "param": None, "code": "upstream_error"}
        assert response.get_json() == {"error": expected}
        assert response.headers.get("Retry-After") == retry_after
        assert response.headers.get("x-should-retry") == (None if method == "GET" else "false")
        assert response.headers["Access-Control-Allow-Origin"] == FRONT_END


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "invalid_request_error"), (403, "invalid_request_error"), (503, "server_error")]
)
def test_what_a_host_aborts_with_becomes_json(make_site: MakeSite, status: int, kind: str) -> None:
    site = make_site(authenticate=lambda request: abort(status, "Because."))
    response = site.get("/threads")
    assert response.status_code == status
    assert response.get_json()["error"] == {"message": "Because.", "type": kind, "param": None, "code": None}


def test_a_response_a_host_aborts_with_is_unchanged(make_site: MakeSite) -> None:
    response = make_site(authenticate=lambda request: abort(redirect("/login"))).get("/threads")
    assert (response.status_code, response.headers["Location"]) == (302, "/login")


def test_a_hosts_before_request_still_gets_json(site: Site) -> None:
    site.app.before_request_funcs[None] = [lambda: abort(403)]
    response = site.get("/threads", headers={"Origin": FRONT_END})
    assert response.status_code == 403
    assert response.get_json()["error"]["message"]
    assert response.headers["Access-Control-Allow-Origin"] == FRONT_END
    assert response.headers["X-Request-Id"]


def test_unauthorized_has_a_header(site: Site) -> None:
    assert site.get("/threads", user="nobody").headers["WWW-Authenticate"] == "Bearer"


def test_request_ids(site: Site) -> None:
    ids = {site.get(path).headers["X-Request-Id"] for path in ("/threads", "/threads", "/nowhere", "/health")}
    assert len(ids) == 4
    assert all(id.startswith("req_") for id in ids)
    for valid in ("abc-123", "5f2f0b8e-9a3e-4a9e-8a3c-0d9f8c1c2b3a", "Root=1-5e:x"):
        assert site.get("/threads", headers={"X-Request-Id": valid}).headers["X-Request-Id"] == valid
    for invalid in ("", "a b", "x" * 200, "<script>", "é"):
        assert site.get("/threads", headers={"X-Request-Id": invalid}).headers["X-Request-Id"].startswith("req_")


def test_a_request_has_one_record_without_content(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "flask_assistant_stream")
    run = run_of(site.chat("my secret words"))
    record: Any
    (record,) = [record for record in caplog.records if record.name == "flask_assistant_stream.requests"]
    assert record.levelno == logging.INFO
    assert (record.method, record.route, record.status) == ("POST", "/api/assistants/chat/stream", 200)
    assert (record.thread_id, record.run_id) == (run["thread_id"], run["id"])
    assert record.request_id.startswith("req_")
    assert len(record.owner) == 12
    for part in (record.request_id, record.owner, run["id"], run["thread_id"], "POST", "200"):
        assert part in record.getMessage()
    assert "my secret words" not in caplog.text
    assert "anna" not in caplog.text


def test_a_refused_key_is_not_in_the_log(make_site: MakeSite, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    site = make_site(authenticate=None, api_keys={"hunter2": "anna"})
    assert site.get("/threads", headers={"Authorization": "Bearer hunter3"}).status_code == 401
    assert site.get("/threads", headers={"Authorization": "Bearer hunter2"}).status_code == 200
    assert "hunter" not in caplog.text
