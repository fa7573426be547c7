"""The quickstart's page in the proxied set-up, on gunicorn's gevent workers: what it sends and expects.

The names follow `docs/spec/clients.md`: `test_sent_…`, `test_expected_…`, `test_proxies_…`. The page's own API routes
are gone and `/api` leads to `examples/quickstart_host.py`; `tests/v1` has the SDK set-up. The page's client, openai
4.46.0, reads the responses.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream import Settings
from flask_assistant_stream.engines.response_items import ResponseItems, container_file_citation
from flask_assistant_stream.testing.decode import text_of
from tests.fake_upstream import CITED, UpstreamProcess
from tests.nginx import nginx
from tests.node_clients import NodeDecoder, python_decode_sse
from tests.quickstart_page import THROUGH_NEXT, Browser
from tests.server_process import GEVENT, PREFIX, ServerProcess, serving
from tests.stack.conftest import Serve
from tests.stack.faces import tails
from tests.stack.uploads import upload
from tests.store_troubles import Killed, Locked, Trouble

HOST = (*GEVENT, "--pythonpath", "examples", "quickstart_host:create_app()")
PATIENCE = 30.0
CALL = "@@script:call@@"
TEXT_PLAIN = {"Content-Type": "text/plain;charset=UTF-8"}
STALLED = "@@script:stall?after=5@@"


@pytest.fixture(scope="module")
def host(serve: Serve, played: UpstreamProcess) -> ServerProcess:
    """The example on two workers."""
    played.control_files(containers=[["cntr_1", "cfile_table", "a,b\n1,2\n"], ["cntr_1", "cfile_plot", "a plot"]])
    return serve((*HOST, "--workers", "2"))


@pytest.fixture(scope="module")
def tight(serve: Serve) -> ServerProcess:
    """The example, impatient: two streams, one run per thread, and functions that must be quick."""
    limits = {"MAX_STREAMS": "2", "BUSY_THREAD": "reject", "RUN_EXPIRES_SECONDS": "0.5", "HEARTBEAT_SECONDS": "0.2"}
    return serve(HOST, **{f"ASSISTANT_{key}": value for key, value in limits.items()})


def soon(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def run_on(server: ServerProcess, thread_id: str) -> dict[str, Any]:
    """Return the newest run of a thread, as it is stored."""
    run: dict[str, Any] = server.get(f"/v1/threads/{thread_id}/runs?limit=1").json["data"][0]
    return run


def test_sent_a_thread_is_created_without_body_and_content_type(host: ServerProcess) -> None:
    assert host.request("POST", "").json == {"assistantId": "asst_default"}, "the set-up page, without a body"
    assert host.request("POST", "/threads").json["threadId"].startswith("thread_")
    assert host.post("/threads", {}).json["threadId"].startswith("thread_"), "as its own routes do"


def test_sent_messages_and_deletions_are_text_plain(host: ServerProcess) -> None:
    path = f"/threads/{host.post('/threads').json['threadId']}/messages"
    assert host.post(path, b'{"content":"hello"}', headers=TEXT_PLAIN).run["status"] == "completed"
    file_id = upload(host, "notes.txt", b"The sky is green.").json["fileId"]
    gone = host.request("DELETE", "/files", json.dumps({"fileId": file_id}).encode(), headers=TEXT_PLAIN)
    assert gone.json["deleted"] is True


@pytest.mark.parametrize("output", [{}, {"output": ""}, {"output": None}], ids=["missing", "empty", "null"])
def test_sent_outputs_may_be_missing_or_empty(host: ServerProcess, output: dict[str, Any]) -> None:
    run = host.chat(CALL).run
    (asked,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    body = {"runId": run["id"], "toolCallOutputs": [{**output, "tool_call_id": asked["id"]}]}
    answer = host.post(f"/threads/{run['thread_id']}/actions", body, headers={"Content-Type": "application/json"})
    assert answer.run["status"] == "completed"
    assert text_of(answer.events) == "The tools said:"


@pytest.mark.parametrize("functions", [False, True], ids=["no functions", "not this function"])
def test_sent_a_page_that_does_not_know_the_function(browser: Browser, host: ServerProcess, functions: bool) -> None:
    tab = browser.open(host.origin, functions=functions).say("@@script:call?name=unknown_to_the_page@@")
    assert (tab.enabled, tab.answers) == (True, ["The tools said:"])


def test_sent_files_come_in_one_field(browser: Browser, host: ServerProcess) -> None:
    tab = browser.open(host.origin).do("upload", filename="returns.md", content="27 days").do("poll")
    (file,) = [file for file in tab.state["files"] if file["filename"] == "returns.md"]
    assert file.keys() == {"file_id", "filename", "status"}
    tab.do("remove", fileId=file["file_id"]).do("poll")
    assert file not in tab.state["files"]
    assert {status for *_, status in tab.statuses} == {200}


def test_sent_polling_costs_nothing(browser: Browser, host: ServerProcess, played: UpstreamProcess) -> None:
    """Once nothing is being indexed, no tab's polling sends a request upstream."""
    tabs = [browser.open(host.origin) for _ in range(3)]
    tabs[0].do("poll").do("upload", filename="kept.txt", content="The sky is green.")
    soon(lambda: all(file["status"] == "completed" for tab in tabs for file in tab.do("poll").state["files"]))
    before = played.told_files()["counts"]
    for tab in tabs * 20:
        tab.do("poll")
    assert played.told_files()["counts"] == before
    assert {status for tab in tabs for *_, status in tab.statuses} == {200}, "no limit on how often"


def test_sent_any_type_no_token_no_cookie(host: ServerProcess) -> None:
    """Directly from another origin."""
    headers = {"Accept": "*/*", "Origin": "http://localhost:3000"}
    created = host.post("/threads", headers=headers)
    assert created.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    sent = host.post(f"/threads/{created.json['threadId']}/messages", {"content": "hello"}, headers=headers)
    assert sent.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
    assert sent.run["status"] == "completed"
    assert "Set-Cookie" not in created.headers
    assert "Set-Cookie" not in sent.headers


def test_sent_the_forwarded_host_is_the_origin(host: ServerProcess, server: ServerProcess) -> None:
    """Next's rewrites send the target's name as the Host, no X-Forwarded-For and -Proto."""
    page = {"X-Forwarded-Host": "chat.example", "Origin": "https://chat.example"}
    assert host.post("/threads", headers=page).status == 200
    assert host.post("/threads", headers={**page, "Origin": "https://evil.example"}).status == 403
    assert host.post("/threads", headers={"Origin": "https://chat.example"}).status == 403
    assert server.post("/threads", headers=THROUGH_NEXT).status == 200, "allowed by default, without ProxyFix"
    assert server.post("/threads", headers=page).status == 403, "without ProxyFix the header is not trusted"


HALF = "The sun is *shining*"


def test_expected_success(browser: Browser, host: ServerProcess) -> None:
    tab = browser.open(host.origin, functions=True).say("@@script:text?say=Hello.@@").say(CALL)
    assert tab.enabled
    output = 'The tools said: {"location":"San Francisco, CA","temperature":21,"conditions":"sunny"}'
    assert tab.answers == ["Hello.", output]


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        ("fail?after=4", [HALF, "The answer failed: The model broke."]),
        ("fail?after=0", ["The answer failed: The model broke."]),
        (
            "status?code=400&message=No+such+model.",
            ["The answer failed: The upstream answered 400 (Bad Request): No such"],
        ),
        ("error_nested?after=4", [HALF, "The answer failed: Slow down."]),
        ("incomplete", [HALF, "The answer ends here: it has reached its maximum length."]),
        ("incomplete?reason=content_filter", [HALF, "The answer ends here: it was cut off."]),
        ("reset?after=4", [HALF, "The answer failed: The upstream broke off during its response"]),
        ("clean_eof?after=4", [HALF, "The answer failed: The upstream"]),
        ("html", ["The answer failed: "]),
    ],
)
def test_expected_a_failure_is_shown_and_the_page_goes_on(
    browser: Browser, host: ServerProcess, script: str, shown: list[str]
) -> None:
    tab = browser.open(host.origin).say(f"@@script:{script}@@")
    assert tab.enabled
    assert len(tab.answers) == len(shown)
    assert all(text.startswith(begin) for text, begin in zip(tab.answers, shown, strict=True)), tab.answers
    assert tab.state["console"] == []
    assert run_on(host, tab.thread_id)["status"] in ("failed", "incomplete"), "the stored run keeps its status"
    assert tab.say("@@script:text?say=Better.@@").answers[-1] == "Better."


@pytest.mark.parametrize("script", ["fail?after=4", "incomplete", "reset?after=4"])
def test_expected_every_client_reads_it_and_resumes_at_any_number(
    node_version: str, node_decode: NodeDecoder, host: ServerProcess, script: str
) -> None:
    payload = host.chat(f"@@script:{script}@@").body
    decoded = node_decode(node_version, payload)
    assert (decoded.error, decoded.run_status) == (None, "completed")
    assert len(decoded.messages) == 2
    assert decoded.text == "".join(decoded.deltas)
    assert decoded.run is not None
    path = f"/threads/{decoded.run['thread_id']}/runs/{decoded.run['id']}/stream"
    for seq, tail in tails(payload):
        assert host.get(f"{path}?after={seq}").body == tail
    sse = python_decode_sse(host.get(f"{path}?format=sse").body)
    assert (sse.error, sse.run_status, sse.text) == (None, "completed", decoded.text)


def test_a_page_that_names_its_type_receives_endings_unchanged(host: ServerProcess) -> None:
    """It knows how runs end, and how errors look."""
    named = {"Accept": "application/x-ndjson"}
    assert host.chat("@@script:fail?after=4@@", headers=named).run["status"] == "failed"
    refused = host.post("/threads/thread_none/messages", {"content": "hello"}, headers=named)
    assert (refused.status, refused.json["error"]["type"]) == (404, "invalid_request_error")


def test_expected_without_compat_mode_the_page_is_dead(browser: Browser, server: ServerProcess) -> None:
    """The page shows nothing, cannot send any more, and crashes on an error of its files."""
    tab = browser.open(server.origin).say("@@script:fail?after=0@@")
    assert (tab.enabled, tab.answers) == (False, [])
    lost = browser.open(server.origin)
    assert server.request("DELETE", f"/threads/{lost.thread_id}").status == 200
    assert (lost.say("hello").enabled, lost.answers) == (False, [])
    tab = browser.open(server.origin)
    assert tab.do("poll").state["filesCrashed"] is False
    refused = browser.open(server.origin)
    refused.do("open", origin=server.origin, headers={**THROUGH_NEXT, "X-User": "nobody"})
    assert refused.do("poll").state["filesCrashed"] is True


def test_expected_cancelled_by_another_tab(browser: Browser, host: ServerProcess) -> None:
    tab = browser.open(host.origin).do("send", text=STALLED).do("shown", text="shining")
    host.post(f"/threads/{tab.thread_id}/runs/{run_on(host, tab.thread_id)['id']}/cancel")
    tab.do("settle")
    assert (tab.enabled, tab.answers[-1]) == (True, "The answer was stopped.")


def test_expected_expired(browser: Browser, tight: ServerProcess) -> None:
    """The page's function takes too long; the answer says so."""
    tab = browser.open(tight.origin, functions=True, holds=True).do("send", text=CALL).do("asked")
    assert not tab.enabled
    soon(lambda: run_on(tight, tab.thread_id)["status"] == "expired")
    tab.do("release").do("settle")
    assert tab.enabled
    assert "expired" in tab.answers[-1]
    run = run_on(tight, tab.thread_id)
    again = tight.get(f"/threads/{tab.thread_id}/runs/{run['id']}/stream")
    assert text_of(again.events).endswith("did not arrive in time.")


def test_expected_an_action_twice(browser: Browser, host: ServerProcess) -> None:
    tab = browser.open(host.origin, functions=True, holds=True).do("send", text=CALL).do("asked")
    run = run_on(host, tab.thread_id)
    assert host.answered(run, "rain").run["status"] == "completed"
    tab.do("release").do("settle")
    assert tab.enabled
    assert tab.answers[-1].startswith("This could not be answered: ")


def test_expected_a_busy_thread(browser: Browser, tight: ServerProcess) -> None:
    tab = browser.open(tight.origin)
    with tight.opened(f"/threads/{tab.thread_id}/messages", {"content": STALLED}) as other:
        other.read_until("thread.message.delta")
        assert tab.say("hello").enabled
        assert "already has an active run" in tab.answers[-1]
        assert tight.post(f"{other.run_path}/cancel").status == 200
        assert text_of(other.read_events()).endswith("The answer was stopped.")
    assert tab.say("@@script:text?say=Better.@@").answers[-1] == "Better."
    assert {status for *_, status in tab.statuses} == {200}


def test_expected_too_many_streams(browser: Browser, tight: ServerProcess) -> None:
    tab = browser.open(tight.origin)
    with ExitStack() as stack:
        streams = [stack.enter_context(tight.opened("/chat/stream", {"content": STALLED})) for _ in range(2)]
        for stream in streams:
            stream.read_until("thread.message.delta")
        assert tab.say("hello").enabled
        assert "limit of open streams" in tab.answers[-1]
        for stream in streams:
            tight.post(f"{stream.run_path}/cancel")
            stream.read_events()
    assert tab.say("@@script:text?say=Better.@@").answers[-1] == "Better."


def test_expected_the_thread_is_gone(browser: Browser, host: ServerProcess) -> None:
    tab = browser.open(host.origin)
    host.request("DELETE", f"/threads/{tab.thread_id}")
    assert tab.say("hello").enabled
    assert "No thread found" in tab.answers[-1]


@pytest.fixture
def trouble(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trouble]:
    trouble: Trouble = request.param(tmp_path)
    yield trouble
    trouble.close()


@pytest.mark.parametrize("trouble", [Locked], indirect=True)
def test_expected_a_locked_store(browser: Browser, played: UpstreamProcess, tmp_path: Path, trouble: Trouble) -> None:
    with serving(HOST, tmp_path / "host", store=trouble.url, upstream=played.base_url) as server:
        tab = browser.open(server.origin)
        trouble.begin(server)
        assert tab.say("hello").enabled
        assert tab.answers == ["This could not be answered: The store does not answer; try again in a moment."]
        trouble.end(server)
        assert tab.say("@@script:text?say=Better.@@").answers[-1] == "Better."


@pytest.mark.parametrize("trouble", [Killed], indirect=True)
def test_expected_the_store_dies_in_mid_answer(
    browser: Browser, played: UpstreamProcess, tmp_path: Path, trouble: Trouble
) -> None:
    settings = {"store": trouble.url, "ASSISTANT_LEASE_SECONDS": "2"}
    with serving(HOST, tmp_path / "host", upstream=played.base_url, **settings) as server:
        tab = browser.open(server.origin).do("send", text="@@script:text?n=20000&delay=0.01@@").do("shown", text="w20")
        trouble.begin(server)
        tab.do("settle")
        assert tab.enabled
        assert tab.answers[-1].startswith("The answer could not be read to its end")
        tab.do("poll")
        assert (tab.state["files"], tab.state["filesCrashed"]) == ([], False)
        assert tab.statuses[-1] == ("GET", "/api/assistants/files", 503)
        trouble.end(server)
        soon(lambda: tab.say("@@script:text?say=Better.@@").answers[-1] == "Better.")


def recorded(folder: Path, write: Callable[[ResponseItems], Any]) -> str:
    """Write a stream of the upstream and return the message that plays it."""
    items = ResponseItems({"model": "m"}, now=lambda: 1_700_000_000.0)
    whole = [*items.begin(), *write(items), items.complete()]
    path = folder / "recorded.sse"
    path.write_text("".join(f"data: {json.dumps(item)}\n\n" for item in whole))
    return f"@@script:recording?path={path}@@"


def test_expected_text_that_comes_as_a_whole_is_sent_in_deltas(
    browser: Browser, host: ServerProcess, tmp_path: Path
) -> None:
    def without_deltas(items: ResponseItems) -> list[dict[str, Any]]:
        return [item for item in items.text(["All at once."]) if not item["type"].endswith(".delta")]

    tab = browser.open(host.origin).say(recorded(tmp_path, without_deltas))
    assert (tab.enabled, tab.answers) == (True, ["All at once."])


@pytest.mark.parametrize("pieces", [["Here", " it is."], []], ids=["before its text", "without text"])
def test_expected_an_image_is_in_the_assistants_bubble(
    browser: Browser, host: ServerProcess, tmp_path: Path, pieces: list[str]
) -> None:
    def image_first(items: ResponseItems) -> Iterator[dict[str, Any]]:
        annotation = container_file_citation("cntr_1", "cfile_plot", "plot.png", 0, 0)
        cited = {"annotation_index": 0, "annotation": annotation}
        for item in items.text(pieces, [annotation]):
            if item["type"] == "response.output_text.annotation.added":
                continue
            yield item
            if item["type"] == "response.content_part.added":
                place = {key: item[key] for key in ("item_id", "output_index", "content_index")}
                yield {"type": "response.output_text.annotation.added", **place, **cited, "sequence_number": 0}

    tab = browser.open(host.origin).say(recorded(tmp_path, image_first)).do("look")
    image = "![cfile_plot](/api/files/cfile_plot)"
    assert [role for role, _ in tab.bubbles] == ["user", "assistant"]
    assert image not in tab.bubbles[0][1]
    assert tab.answers[0].count(image) == 1
    assert tab.answers[0].replace(f"\n{image}\n", "") == "".join(pieces)
    assert (tab.state["loaded"][0]["status"], tab.state["loaded"][0]["type"]) == (200, "image/png")


def test_expected_citations_are_shown_and_paths_replaced(browser: Browser, host: ServerProcess) -> None:
    tab = browser.open(host.origin).say("@@script:file_search@@").say("@@script:code_interpreter@@").do("look")
    assert tab.answers[0] == f"{CITED[:-1]}【1:0†food.txt】."
    assert [role for role, _ in tab.bubbles] == ["user", "assistant", "user", "code", "assistant"]
    assert tab.answers[1] == "Here is the table: /api/files/cfile_table\n![cfile_plot](/api/files/cfile_plot)\n"
    table, plot = tab.state["loaded"]
    assert (table["status"], table["length"]) == (200, len("a,b\n1,2\n"))
    assert (plot["status"], plot["type"]) == (200, "image/png")


@pytest.mark.parametrize("arguments", ["", "{broken", "[1]", '{"location":"Oslo"} and more'])
def test_expected_arguments_are_json_or_no_call(browser: Browser, host: ServerProcess, arguments: str) -> None:
    tab = browser.open(host.origin, functions=True).say(f"@@script:call?name=get_weather&arguments={arguments}@@")
    assert tab.enabled
    assert tab.state["console"] == []
    assert len(tab.answers) == 1, "the answer, or the reason why there is none"


def test_expected_downloads_have_names_of_any_script(host: ServerProcess) -> None:
    file_id = upload(host, "Größe 日本 🫖.txt", b"The sky is green.").json["fileId"]
    for origin_path in (f"{PREFIX}/files/{file_id}", f"/api/files/{file_id}"):
        answer = host.get(origin_path, outside=True)
        assert (answer.status, answer.body) == (200, b"The sky is green.")
        named = answer.headers["Content-Disposition"]
        assert named.isascii()
        assert named.endswith("filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%E6%97%A5%E6%9C%AC%20%F0%9F%AB%96.txt")
    missing = host.get("/api/files/file-unknown", outside=True)
    assert (missing.status, missing.json["error"]["type"]) == (404, "invalid_request_error")


def test_expected_what_it_passes_over(node_decode: NodeDecoder, host: ServerProcess) -> None:
    stream = host.chat("@@script:text?say=Hello.@@").body
    lines = stream.splitlines(keepends=True)
    assert lines[0].startswith(b'{"event":"thread.created"')
    title = b'{"event":"thread.title.updated","data":{"id":"thread_1","object":"thread.title","title":"Hi"},"seq":3}\n'
    vendor = b'{"event":"thread.run.x_reasoning.delta","data":{"id":"run_1","delta":"Hm."},"seq":4}\n'
    ping = b'{"event":"ping","data":null}\n'
    decoded = node_decode("4.46.0", b"\n".join([*lines[:5], title, vendor, ping, *lines[5:], ping, b"", title]))
    assert (decoded.error, decoded.text, decoded.run_status) == (None, "Hello.", "completed")


def test_proxies_streams_are_not_held_back(host: ServerProcess) -> None:
    run = host.chat(CALL).run
    thread = f"/threads/{run['thread_id']}"
    body = {"content": "hello"}
    answers = {
        "application/x-ndjson; charset=utf-8": [
            host.answered(run, "rain"),
            host.post(f"{thread}/messages", body),
            host.post("/chat/stream", body),
            host.get(f"{thread}/runs/{run['id']}/stream"),
            host.post("/threads/thread_unknown/messages", body),
        ],
        "text/event-stream; charset=utf-8": [
            host.post("/chat/stream?format=sse", body),
            host.post("/v1/threads/runs", {"assistant_id": "asst_default", "stream": True, "thread": {"messages": []}}),
        ],
    }
    for content_type, streams in answers.items():
        for answer in streams:
            assert (answer.status, answer.headers["Content-Type"]) == (200, content_type)
            assert answer.headers["Cache-Control"] == "no-cache, no-transform"
            assert answer.headers["X-Accel-Buffering"] == "no"


def test_proxies_heartbeats_come_well_within_30_seconds(browser: Browser, tight: ServerProcess) -> None:
    assert Settings().heartbeat_seconds <= 10
    tab = browser.open(tight.origin)
    with tight.opened(f"/threads/{tab.thread_id}/messages", {"content": STALLED}) as stream:
        stream.read_until("thread.message.delta")
        beats = (line for line in stream.lines() if line == b"\n")
        assert [next(beats), next(beats)] == [b"\n", b"\n"]
        tight.post(f"{stream.run_path}/cancel")
        stream.read_bytes()


@pytest.mark.nginx
def test_proxies_nginx_as_documented_lets_uploads_through(host: ServerProcess, tmp_path: Path) -> None:
    with nginx(host, tmp_path / "nginx", "1.1") as front:
        assert upload(front, "large.txt", b"The sky is green. " * 120_000).status == 200
        for origin, status in ((front.origin, 200), (host.origin, 403)):
            assert front.post("/threads", {}, origin=origin).status == status, "the port is part of an origin"
    page = (Path(__file__).parents[2] / "docs" / "front-ends.md").read_text()
    assert re.search(r"client_max_body_size", page)
