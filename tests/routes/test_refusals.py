"""Bad input: each a JSON error with the right status and the field's name, CORS headers on it, nothing stored."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import request

from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.testing.scripted import text

from .conftest import FRONT_END, Site, build


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("refusals")
    site = build(folder, text("Hi."), max_content_chars=1000, api_keys={"key-a": "anna"})
    yield site
    site.registration.store.close()


@pytest.fixture(scope="module")
def thread(site: Site) -> dict[str, str]:
    run = site.chat()[-1].object()
    message = site.bodies(Kind.MESSAGE, run["thread_id"])[1]
    return {"thread": run["thread_id"], "run": run["id"], "message": message["id"]}


def refused(
    site: Site, method: str, path: str, status: int, param: str | None = None, **options: Any
) -> dict[str, Any]:
    """Make a request that must change nothing and return its error."""
    before = site.contents()
    headers = {"Origin": FRONT_END, **options.pop("headers", {})}
    response = site.request(method, path, headers=headers, **options)
    assert response.status_code == status, response.text
    assert response.content_type == "application/json"
    error = response.get_json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["param"], error["message"] != "") == (param, True)
    assert response.headers["X-Request-Id"]
    if headers["Origin"] == FRONT_END:
        assert response.headers["Access-Control-Allow-Origin"] == FRONT_END
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert site.contents() == before
    return dict(error)


NOT_OBJECTS = [b"{", b"[]", b'"hello"', b"null", b"content=hello", b'{"content": NaN}', b"[" * 100_000]
NOT_JSON = [b'{"a":' * 40_000, b'{"content": ' + b"1" * 5000 + b"}", b'{"content": "\xff"}', b"\xff\xfe{\x00}\x00"]
WITHOUT_CONTENT = [b"", b"   ", b"{}"]
BAD_PARTS = [b"[]", b'["x"]', b'[{"type": "text"}]', b'[{"type": "text", "text": " "}]']
BAD_PARTS += [b'[{"type": "image_url", "image_url": {"url": "https://x"}}]', b'[{"type": "text", "text": "\\udfff"}]']
BAD_CONTENT = [b"1e999999", b"null", b"1", b"true", b'{"text": "x"}', b'""', b'" \\n\\t "', *BAD_PARTS]
BAD_CONTENT += [b'"a\\u0000b"', b'"a\\ud800b"', b'"\\udc00\\ud800"']
BAD_CONTENT += [b'"' + b"x" * 1001 + b'"', b'"' + b"\\ud83d\\ude00" * 1001 + b'"']
BODIES: list[tuple[bytes, str | None]] = [
    *((body, None) for body in NOT_OBJECTS + NOT_JSON),
    *((body, "content") for body in WITHOUT_CONTENT),
    *((b'{"content": %s}' % content, "content") for content in BAD_CONTENT),
    *((b'{"content": "hi", "assistantId": %s}' % id, "assistantId") for id in (b"5", b'""')),
    (b'{"content": "hi", "attachments": "file_1"}', "attachments"),
    (b'{"content": "hi", "attachments": ["file_1"]}', "attachments[0]"),
    (b'{"content": "hi", "attachments": [{}]}', "attachments[0].file_id"),
    (b'{"content": "hi", "attachments": [{"file_id": "f", "tools": [{"type": "x"}]}]}', "attachments[0].tools[0].type"),
]
BAD_IDS = [b"5", b'["thread_x"]', b'"thread\\u0000"', b'"%s"' % (b"t" * 200)]


def shown(body: Any) -> str:
    return repr(body)[:60]


@pytest.mark.parametrize(("body", "param"), BODIES, ids=shown)
@pytest.mark.parametrize("path", ["/chat/stream", "/threads/{thread}/messages"])
def test_bodies_of_messages(site: Site, thread: dict[str, Any], path: str, body: bytes, param: str | None) -> None:
    refused(site, "POST", path.format(**thread), 400, param, data=body)


@pytest.mark.parametrize("thread_id", BAD_IDS, ids=shown)
def test_thread_ids_in_a_body(site: Site, thread_id: bytes) -> None:
    refused(site, "POST", "/chat/stream", 400, "threadId", data=b'{"content": "hi", "threadId": %s}' % thread_id)


def test_a_text_of_the_limits_length_is_accepted_in_characters(site: Site, thread: dict[str, Any]) -> None:
    error = refused(site, "POST", "/chat/stream", 404, json={"content": "😀" * 1000, "threadId": "thread_unknown"})
    assert "thread" in error["message"].lower()


OUTPUT = b'{"runId": "{run}", "toolCallOutputs": [{"tool_call_id": "c", "output": %s}]}'


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", "runId"),
        (b'{"runId": "{run}"}', "toolCallOutputs"),
        (b'{"runId": 5, "toolCallOutputs": [{"tool_call_id": "call_1"}]}', "runId"),
        (b'{"runId": "{run}", "toolCallOutputs": []}', "toolCallOutputs"),
        (b'{"runId": "{run}", "toolCallOutputs": {"a": "b"}}', "toolCallOutputs"),
        (b'{"runId": "{run}", "toolCallOutputs": [{}]}', "toolCallOutputs[0].tool_call_id"),
        (OUTPUT % b"{}", "toolCallOutputs[0].output"),
        (OUTPUT % b'"\\u0000"', "toolCallOutputs[0].output"),
        (b'{"runId": "{run}", "toolCallOutputs": [{"tool_call_id": "call_1"}]}', None),  # it waits for nothing
    ],
    ids=shown,
)
def test_bodies_of_actions(site: Site, thread: dict[str, Any], body: bytes, param: str | None) -> None:
    data = body.replace(b"{run}", thread["run"].encode())
    refused(site, "POST", f"/threads/{thread['thread']}/actions", 400, param, data=data)


BAD_TITLES = [b"5", b'"%s"' % (b"x" * 201), b'"\\u0000"', b'"\\ud800"']
BAD_METADATA = [b"[]", b'"x"', b'{"a": 1}', b'{"a": null}', b'{"k\\u0000": "v"}', b'{"k": "\\udead"}']
BAD_METADATA += [b'{"%s": "v"}' % (b"k" * 65), b'{"k": "%s"}' % (b"v" * 513)]
BAD_METADATA += [b"{%s}" % b",".join(b'"%d":""' % n for n in range(17))]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        *((b'{"title": %s}' % title, "title") for title in BAD_TITLES),
        *((b'{"metadata": %s}' % metadata, "metadata") for metadata in BAD_METADATA),
        (b"[1]", None),
    ],
    ids=shown,
)
@pytest.mark.parametrize(("method", "path"), [("PATCH", "/threads/{thread}"), ("POST", "/threads")])
def test_bodies_of_threads(
    site: Site, thread: dict[str, Any], method: str, path: str, body: bytes, param: str | None
) -> None:
    refused(site, method, path.format(**thread), 400, param, data=body)


LIMITS = ["0", "101", "-1", "ten", "1.5", "", "%D9%A1", "99999999999999999999"]
PLACES = ["after=", "after=a%00b", "after=unknown", "before=unknown", "before=" + "x" * 200]


@pytest.mark.parametrize("query", [*(f"limit={limit}" for limit in LIMITS), "order=up", "order=", *PLACES])
@pytest.mark.parametrize("path", ["/threads", "/threads/{thread}/messages"])
def test_queries_of_lists(site: Site, thread: dict[str, Any], path: str, query: str) -> None:
    refused(site, "GET", f"{path.format(**thread)}?{query}", 400, query.partition("=")[0])


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "", "9007199254740992", "1" * 30, "%00"])
def test_places_in_a_run(site: Site, thread: dict[str, Any], after: str) -> None:
    refused(site, "GET", f"/threads/{thread['thread']}/runs/{thread['run']}/stream?after={after}", 400, "after")


@pytest.mark.parametrize("number", ["-1", "x", "1.2", "1" * 30])
def test_last_event_ids(site: Site, thread: dict[str, Any], number: str) -> None:
    url = f"/threads/{thread['thread']}/runs/{thread['run']}/stream"
    refused(site, "GET", url, 400, "Last-Event-ID", headers={"Last-Event-ID": number})


STREAMS = [
    ("POST", "/chat/stream"),
    ("POST", "/threads/{thread}/messages"),
    ("POST", "/threads/{thread}/messages/{message}/fork"),
    ("POST", "/threads/{thread}/actions"),
    ("GET", "/threads/{thread}/runs/{run}/stream"),
]


@pytest.mark.parametrize(("method", "path"), STREAMS)
def test_formats(site: Site, thread: dict[str, Any], method: str, path: str) -> None:
    body: Any = {} if method == "GET" else {"json": {"content": "hi", "runId": thread["run"]}}
    path = path.format(**thread)
    error = refused(site, method, f"{path}?format=xml", 400, "format", **body)
    assert "ndjson" in error["message"]
    assert "sse" in error["message"]
    error = refused(site, method, path, 406, headers={"Accept": "application/xml"}, **body)
    assert "application/x-ndjson" in error["message"]


OF_A_THREAD = [
    ("GET", "/threads/{thread}"),
    ("PATCH", "/threads/{thread}"),
    ("DELETE", "/threads/{thread}"),
    ("GET", "/threads/{thread}/messages"),
    ("POST", "/threads/{thread}/messages"),
    ("POST", "/threads/{thread}/messages/{message}/fork"),
    ("GET", "/threads/{thread}/messages/{message}/alternatives"),
    ("PUT", "/threads/{thread}/line"),
    ("POST", "/threads/{thread}/actions"),
    ("GET", "/threads/{thread}/runs/{run}/stream"),
    ("POST", "/threads/{thread}/runs/{run}/cancel"),
]
FULL = {
    "content": "hi",
    "line_id": "line_0",
    "title": "x",
    "runId": "run_x",
    "toolCallOutputs": [{"tool_call_id": "call_x"}],
}


@pytest.mark.parametrize(("method", "path"), OF_A_THREAD)
def test_threads_of_another_owner_are_like_unknown_ones(
    site: Site, thread: dict[str, Any], method: str, path: str
) -> None:
    body: Any = {} if method == "GET" else {"json": {**FULL, "runId": thread["run"]}}
    for thread_id in ("x", "%00", "..", "a" * 500, "%F0%9F%98%80", "%FF"):
        refused(site, method, path.format(**{**thread, "thread": thread_id}), 404, **body)
    foreign = refused(site, method, path.format(**thread), 404, user="ben", **body)
    unknown = refused(site, method, path.format(**{**thread, "thread": "thread_unknown"}), 404, **body)
    assert foreign["message"].replace(thread["thread"], "ID") == unknown["message"].replace("thread_unknown", "ID")
    assert {**foreign, "message": ""} == {**unknown, "message": ""}


def test_unknown_ids_in_a_body(site: Site, thread: dict[str, Any]) -> None:
    refused(site, "POST", "/chat/stream", 404, json={"content": "hi", "threadId": "thread_unknown"})
    refused(site, "POST", "/chat/stream", 404, user="ben", json={"content": "hi", "threadId": thread["thread"]})
    refused(site, "POST", "/chat/stream", 404, "assistantId", json={"content": "hi", "assistantId": "asst_unknown"})


ALL = [*OF_A_THREAD, ("POST", "/chat/stream"), ("GET", "/threads"), ("POST", "/threads"), ("POST", "/")]


@pytest.mark.parametrize(("method", "path"), ALL)
def test_nobody(site: Site, thread: dict[str, Any], method: str, path: str) -> None:
    body: Any = {} if method == "GET" else {"json": FULL}
    error = refused(site, method, path.format(**thread), 401, user="nobody", **body)
    assert error["code"] == "invalid_api_key"
    # The host's function sees the key of a request; here it does not know it either.
    refused(site, method, path.format(**thread), 401, user="nobody", headers={"Authorization": "Bearer wrong"}, **body)


@pytest.mark.parametrize(("method", "path"), [one for one in ALL if one[0] != "GET"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_foreign_origins(site: Site, thread: dict[str, Any], method: str, path: str, origin: str) -> None:
    error = refused(site, method, path.format(**thread), 403, json=FULL, headers={"Origin": origin})
    assert "ASSISTANT_CORS_ORIGINS" in error["message"]


@pytest.mark.parametrize("content", [b"", b'{"title": "cut"}'])
@pytest.mark.parametrize("terminated", [True, False])
def test_a_body_that_is_cut_off(site: Site, content: bytes, terminated: bool) -> None:
    """Even one that would be valid: a connection that ends is not the end of a body."""
    environ: dict[str, Any] = {"CONTENT_LENGTH": "100", **({"wsgi.input_terminated": True} if terminated else {})}
    refused(site, "POST", "/threads", 400, input_stream=BytesIO(content), environ_overrides=environ)


def test_a_body_that_a_hook_of_the_host_has_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under gunicorn, without a limit: the stream is then the server's own."""

    class Input:
        def __init__(self, content: bytes) -> None:
            self._content = BytesIO(content)

        def read(self, size: int = -1) -> bytes:
            return self._content.read(size)

    site = build(tmp_path, text("Hi."))

    @site.app.before_request
    def read() -> None:
        request.get_data()

    content, served = b'{"title": "read"}', site.app.wsgi_app

    def gunicorn(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "POST":
            environ |= {"wsgi.input": Input(content), "wsgi.input_terminated": True}
        return served(environ, start_response)

    monkeypatch.setattr(site.app, "wsgi_app", gunicorn)
    answer = site.request("POST", "/threads", data=content)
    assert answer.status_code == 200, answer.text
    assert site.get(f"/threads/{answer.get_json()['threadId']}").get_json()["title"] == "read"
    site.registration.store.close()


def test_a_body_over_the_limit_in_bytes(site: Site, tmp_path: Path) -> None:
    for path in ("/chat/stream", "/threads"):
        refused(site, "POST", path, 413, data=b'{"content": "' + b"x" * 300_000 + b'"}')
    body = BytesIO(b'{"content": "hi"}' + b" " * 300_000)
    refused(site, "POST", "/chat/stream", 413, input_stream=body, environ_overrides={"wsgi.input_terminated": True})
    site = build(tmp_path, config={"MAX_CONTENT_LENGTH": 100})
    refused(site, "POST", "/chat/stream", 413, data=b'{"content": "' + b"x" * 200 + b'"}')
    site.registration.store.close()
