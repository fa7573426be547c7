"""Bad input over HTTP: status, shape, field, CORS headers, nothing stored. `tests/routes` has the details."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.server_process import PREFIX, Answer, ServerProcess
from tests.stack.conftest import Serve

from .app import API_KEY

FRONT_END = "http://localhost:3000"
MAX_CHARS = 1000
MAX_BYTES = 100_000


@pytest.fixture(scope="module")
def strict(serve: Serve) -> ServerProcess:
    return serve(ASSISTANT_MAX_CONTENT_CHARS=str(MAX_CHARS), FLASK_MAX_CONTENT_LENGTH=str(MAX_BYTES))


@pytest.fixture(scope="module")
def thread(strict: ServerProcess) -> dict[str, str]:
    """Return the ids of a thread with a run that waits for tool outputs."""
    run = strict.chat("@@script:call@@").run
    (call,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    message = strict.messages(run["thread_id"])[0]
    return {"thread": run["thread_id"], "run": run["id"], "call": call["id"], "message": message["id"]}


def stored(server: ServerProcess) -> Any:
    """Return everything that the users of these tests see."""
    seen = []
    for user in ("anna", "ben"):
        headers = {"X-User": user}
        for thread in server.get("/threads?limit=100", headers=headers).json["data"]:
            messages = server.get(f"/threads/{thread['id']}/messages?limit=100", headers=headers).json["data"]
            seen.append((user, thread, messages))
    return seen


def refused(
    server: ServerProcess, method: str, path: str, status: int, param: str | None, body: object = None, **options: Any
) -> dict[str, Any]:
    before = stored(server)
    answer = server.request(method, path, body, **{"origin": FRONT_END, **options})
    assert stored(server) == before
    assert answer.status == status, answer.body
    if options.get("origin", FRONT_END) == FRONT_END:
        assert answer.headers["Access-Control-Allow-Origin"] == FRONT_END
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    return error_of(answer, param)


def error_of(answer: Answer, param: str | None = None) -> dict[str, Any]:
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"]
    error: dict[str, Any] = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert error["param"] == param
    return error


BODIES: dict[str, tuple[bytes, int, str | None]] = {
    "no body": (b"", 400, "content"),
    "cut off": (b'{"content": "he', 400, None),
    "no object": (b'["hello"]', 400, None),
    "no JSON": (b"content=hello", 400, None),
    "no UTF-8": (b'{"content": "\xff"}', 400, None),
    "a number": (b'{"content": 5}', 400, "content"),
    "null": (b'{"content": null}', 400, "content"),
    "empty": (b'{"content": ""}', 400, "content"),
    "blank": (b'{"content": " \\n "}', 400, "content"),
    "NUL": (b'{"content": "a\\u0000b"}', 400, "content"),
    "a lone surrogate": (b'{"content": "a\\ud83d"}', 400, "content"),
    "too long": (json.dumps({"content": "x" * (MAX_CHARS + 1)}).encode(), 400, "content"),
    "too deep": (b'{"a":' * 10_000, 400, None),
    "too many bytes": (b'{"content": "hi", "more": "' + b"x" * MAX_BYTES + b'"}', 413, None),
    "a thread that is a number": (b'{"content": "hi", "threadId": 7}', 400, "threadId"),
    "an unknown thread": (b'{"content": "hi", "threadId": "thread_unknown"}', 404, None),
    "an unknown assistant": (b'{"content": "hi", "assistantId": "asst_unknown"}', 404, "assistantId"),
    "attachments without a file": (b'{"content": "hi", "attachments": [{}]}', 400, "attachments[0].file_id"),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies(name: str, strict: ServerProcess, thread: dict[str, str]) -> None:
    body, status, param = BODIES[name]
    refused(strict, "POST", "/chat/stream", status, param, body)


def test_chunked_bodies(strict: ServerProcess, thread: dict[str, str]) -> None:
    refused(strict, "POST", "/chat/stream", 400, "content", iter([b'{"cont', b'ent": 5}']))
    refused(strict, "POST", "/chat/stream", 413, None, iter([b'{"content": "hi"}', *[b" " * 1000] * 101]))
    answer = strict.post("/chat/stream", iter([b'{"content": "@@scri', b'pt:text@@"}']))
    assert answer.run["status"] == "completed"


ACTIONS = "/threads/{thread}/actions"


def outputs(call: str, output: object) -> dict[str, Any]:
    return {"runId": "{run}", "toolCallOutputs": [{"tool_call_id": call, "output": output}]}


REQUESTS: dict[str, tuple[str, str, int, str | None, object]] = {
    "format": ("POST", "/chat/stream?format=xml", 400, "format", {"content": "hi"}),
    "limit": ("GET", "/threads?limit=101", 400, "limit", None),
    "order": ("GET", "/threads/{thread}/messages?order=up", 400, "order", None),
    "cursor": ("GET", "/threads/{thread}/messages?after=msg_unknown", 400, "after", None),
    "number": ("GET", "/threads/{thread}/runs/{run}/stream?after=x", 400, "after", None),
    "run of no thread": ("GET", "/threads/thread_unknown/runs/{run}/stream", 404, None, None),
    "unknown run": ("POST", "/threads/{thread}/runs/run_unknown/cancel", 404, None, None),
    "title": ("PATCH", "/threads/{thread}", 400, "title", {"title": 5}),
    "metadata": ("PATCH", "/threads/{thread}", 400, "metadata", {"metadata": {"a": 1}}),
    "no run": ("POST", ACTIONS, 400, "runId", {"toolCallOutputs": [{"tool_call_id": "c"}]}),
    "no outputs": ("POST", ACTIONS, 400, "toolCallOutputs", {"runId": "{run}"}),
    "unknown call": ("POST", ACTIONS, 400, "toolCallOutputs", outputs("call_other", "x")),
    "a number as output": ("POST", ACTIONS, 400, "toolCallOutputs[0].output", outputs("{call}", 5)),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests(name: str, strict: ServerProcess, thread: dict[str, str]) -> None:
    method, path, status, param, body = REQUESTS[name]
    refused(strict, method, filled(path, thread), status, param, filled(body, thread))


def filled(template: Any, thread: dict[str, str]) -> Any:
    """Return a path or a body with the ids of a thread."""
    text = json.dumps(template)
    for name, value in thread.items():
        text = text.replace(f"{{{name}}}", value)
    return json.loads(text)


OF_A_THREAD = {
    "get": ("GET", "/threads/{thread}", None),
    "patch": ("PATCH", "/threads/{thread}", {"title": "mine"}),
    "delete": ("DELETE", "/threads/{thread}", None),
    "history": ("GET", "/threads/{thread}/messages", None),
    "message": ("POST", "/threads/{thread}/messages", {"content": "hi"}),
    "fork": ("POST", "/threads/{thread}/messages/{message}/fork", {"content": "hi"}),
    "alternatives": ("GET", "/threads/{thread}/messages/{message}/alternatives", None),
    "switch": ("PUT", "/threads/{thread}/line", {"line_id": "line_0"}),
    "stream": ("GET", "/threads/{thread}/runs/{run}/stream", None),
    "cancel": ("POST", "/threads/{thread}/runs/{run}/cancel", None),
    "actions": ("POST", ACTIONS, outputs("{call}", "x")),
}


@pytest.mark.parametrize("name", OF_A_THREAD)
def test_a_thread_of_another_owner_is_unknown(name: str, strict: ServerProcess, thread: dict[str, str]) -> None:
    method, path, body = OF_A_THREAD[name]
    messages = []
    for ids in (thread, {**thread, "thread": "thread_none"}):
        error = refused(strict, method, filled(path, ids), 404, None, filled(body, thread), headers={"X-User": "ben"})
        messages.append(error["message"].replace(ids["thread"], ""))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("name", OF_A_THREAD)
def test_without_credentials(name: str, strict: ServerProcess, thread: dict[str, str]) -> None:
    method, path, _ = OF_A_THREAD[name]
    for headers in ({"X-User": "nobody"}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {API_KEY}x"}):
        error = refused(strict, method, filled(path, thread), 401, None, headers=headers)
        assert error["code"] == "invalid_api_key"


def test_a_right_key_is_an_owner_of_its_own(strict: ServerProcess, thread: dict[str, str]) -> None:
    key = {"Authorization": f"Bearer {API_KEY}"}
    assert strict.get(f"/threads/{thread['thread']}", headers=key).status == 404
    assert strict.chat("@@script:text@@", headers=key).run["status"] == "completed"
    assert len(strict.get("/threads", headers=key).json["data"]) == 1


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:3001", "null"])
def test_foreign_origins(origin: str, strict: ServerProcess, thread: dict[str, str]) -> None:
    error = refused(strict, "POST", "/chat/stream", 403, None, {"content": "hi"}, origin=origin)
    assert "ASSISTANT_CORS_ORIGINS" in error["message"]
    assert strict.post("/chat/stream", {"content": "@@script:text@@"}, origin=strict.origin).status == 200


def test_a_preflight(strict: ServerProcess) -> None:
    headers = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = strict.request("OPTIONS", "/chat/stream", origin=FRONT_END, headers=headers)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == FRONT_END
    assert {"POST", "PUT", "PATCH"} < {*answer.headers["Access-Control-Allow-Methods"].split(", ")}
    assert answer.headers["Access-Control-Allow-Headers"] == "content-type"


def test_a_client_that_goes_away_in_its_request_stores_nothing(strict: ServerProcess, thread: dict[str, str]) -> None:
    before, place = stored(strict), urlsplit(strict.origin)
    with socket.create_connection((place.hostname or "", place.port or 0)) as sock:
        head = f"POST {PREFIX}/chat/stream HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 100\r\n\r\n"
        sock.sendall(head.encode() + b'{"content": "hi')
        sock.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        assert answer.status == 400
        assert json.load(answer)["error"]["type"] == "invalid_request_error"
    assert stored(strict) == before


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "BREW"])
@pytest.mark.parametrize("path", ["/nowhere", "/threads/a/b/c", "/v1/chat/completions", "/%FF", "/a%00b"])
def test_unknown_paths_below_the_prefix(method: str, path: str, strict: ServerProcess) -> None:
    answer = strict.request(method, path, origin=FRONT_END)
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (404, FRONT_END)
    error_of(answer)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("GET", "/chat/stream", {"POST", "OPTIONS"}), ("PUT", "/threads", {"GET", "HEAD", "POST", "OPTIONS"})],
)
def test_unknown_methods_below_the_prefix(method: str, path: str, allow: set[str], strict: ServerProcess) -> None:
    answer = strict.request(method, path, origin=FRONT_END)
    error_of(answer)
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == allow


@pytest.mark.parametrize("path", ["/nowhere", "/api/nowhere", f"{PREFIX}x"])
def test_outside_the_prefix_the_app_answers_as_it_did(path: str, strict: ServerProcess) -> None:
    answer = strict.get(path, outside=True, origin=FRONT_END)
    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "X-Request-Id" not in answer.headers
    assert strict.get("/", outside=True).body == b"The app that was here before."
    assert strict.post("/", outside=True).status == 405
