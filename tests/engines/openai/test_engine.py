"""The engine against a real HTTP server: framings, faults, refusals, retries, kept connections, TLS and closing."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from flask_assistant_stream.engines.base import Engine, Item
from flask_assistant_stream.engines.openai import engine as openai_engine
from flask_assistant_stream.engines.openai import response_body
from flask_assistant_stream.engines.openai.engine import OpenAIEngine
from flask_assistant_stream.engines.openai.response_body import KEEPALIVE
from flask_assistant_stream.errors import ConfigError, ContextOverflow, EngineError, UnusableInput
from flask_assistant_stream.profiles import LOADING_SECONDS, PROFILES
from flask_assistant_stream.testing.engine_suite import EngineSuite, collect, text_of
from flask_assistant_stream.upstream import Upstream
from tests.fake_upstream import ANSWER, RECORDINGS, FakeUpstream, Gate, Pause, Reply, Stall, error_reply, json_reply
from tests.waiting import soon

KEY = "sk-test-0123456789"
NAMELESS = {"type": "error", "error": {"message": "no", "code": "429"}}
INVALID = ["https://host:port/v1", "http://ho st/v1", "https://host/v 1"]
COMPLETED = {"type": "response.completed"}


def at(port: int) -> OpenAIEngine:
    """Return an engine for a loopback port that sends each request once."""
    return OpenAIEngine(Upstream(KEY, f"http://127.0.0.1:{port}/v1"), retries=0)


def asking(text: str) -> dict[str, Any]:
    message = {"type": "message", "role": "user", "content": text}
    return {"model": "gpt-test", "input": [message], "stream": True, "store": False}


def script(line: str) -> dict[str, Any]:
    return asking(f"please @@script:{line}@@")


@pytest.fixture
def engine(upstream: FakeUpstream) -> Iterator[OpenAIEngine]:
    with closing(OpenAIEngine(Upstream(KEY, upstream.base_url), retries=0)) as made:
        yield made


@pytest.fixture
def retrying(upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIEngine]:
    """An engine that tries three times without a pause, unless the upstream asks for one."""
    monkeypatch.setattr(openai_engine, "pause_before_retry", lambda attempt: 0.0)
    with closing(OpenAIEngine(Upstream(KEY, upstream.base_url))) as made:
        yield made


def until_error(engine: OpenAIEngine, request: dict[str, Any]) -> tuple[list[Item], EngineError]:
    """Return the items before the failure, and the failure."""
    items: list[Item] = []
    stream = engine.stream(request)
    with pytest.raises(EngineError) as caught:
        items.extend(item for read in stream for item in read)
    stream.close()
    return items, caught.value


def shown_to_visitors(error: EngineError, upstream: FakeUpstream) -> None:
    """Check that the message of an error names neither the address nor a setting."""
    for word in ("127.0.0.1", str(upstream.port), "OPENAI_", "ASSISTANT_", "://", KEY):
        assert word not in error.message


class TestSuite(EngineSuite):
    @pytest.fixture
    def engine(self, upstream: FakeUpstream) -> Iterator[Engine]:
        with closing(OpenAIEngine(Upstream(KEY, upstream.base_url))) as made:
            yield made

    @pytest.fixture
    def asked(self) -> dict[str, Any]:
        return script("text?delay=0.001")

    @pytest.fixture
    def slow(self) -> dict[str, Any]:
        return script("stall")


# ---- what goes out -------------------------------------------------------------------------------------------------
def sent(upstream: FakeUpstream, described: Upstream) -> Any:
    """Return the one request that an engine for this upstream sends."""
    engine = OpenAIEngine(described)
    collect(engine.stream(asking("Grüße \ud83d 🌞")))
    engine.close()
    (request,) = upstream.requests
    return request


def test_the_request_carries_key_headers_and_body(upstream: FakeUpstream) -> None:
    headers = {"X-Team": "blue", "user-agent": "mine"}
    described = Upstream(f" {KEY} ", upstream.base_url + "/", headers=headers, organization="org", project="proj")
    request = sent(upstream, described)
    assert (request.path, request.body) == ("/v1/responses", asking("Grüße \ud83d 🌞"))
    expected = {
        "authorization": f"Bearer {KEY}",
        "openai-organization": "org",
        "openai-project": "proj",
        "x-team": "blue",
        "user-agent": "mine",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "host": f"127.0.0.1:{upstream.port}",
    }
    assert {name: request.headers[name] for name in expected} == expected


def test_azure_gets_its_key_in_its_own_header(upstream: FakeUpstream) -> None:
    headers = sent(upstream, Upstream(KEY, upstream.base_url, profile=PROFILES["azure"])).headers
    assert headers["api-key"] == KEY
    assert "authorization" not in headers


def test_a_server_without_keys_gets_no_authorization_and_a_query_stays(upstream: FakeUpstream) -> None:
    request = sent(upstream, Upstream(None, upstream.base_url + "?api-version=preview"))
    assert "authorization" not in request.headers
    assert request.headers["user-agent"].startswith("flask-assistant-stream/")
    assert request.path == "/v1/responses?api-version=preview"


@pytest.mark.parametrize("url", ["ftp://host/v1", "host/v1", "https://", "https://user:pw@host/v1", *INVALID])
def test_a_base_url_that_cannot_work_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OpenAIEngine(Upstream(KEY, url))
    assert "base URL" in caught.value.message
    assert "pw" not in caught.value.message


@pytest.mark.parametrize("headers", [{"X-A": "1\r\nX-B: 2"}, {"X A": "1"}, {"X-A": "☃"}])
def test_a_header_that_cannot_be_sent_is_refused_at_once(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="header"):
        OpenAIEngine(Upstream(KEY, headers=headers))


def test_neither_key_nor_query_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        OpenAIEngine(Upstream("sk-first\nsk-second"))
    assert "sk-" not in caught.value.message
    engine = OpenAIEngine(Upstream(KEY, "https://host.example/v1?code=secret"))
    assert repr(engine) == "OpenAIEngine(host.example/v1/responses)"


def test_ping_misses_the_key_where_it_is_needed() -> None:
    assert OpenAIEngine(Upstream(None)).ping() == "OPENAI_API_KEY is not set."
    assert OpenAIEngine(Upstream(KEY)).ping() is None
    assert OpenAIEngine(Upstream(None, "http://127.0.0.1:11434/v1")).ping() is None


def test_streaming_does_not_import_the_official_package(upstream: FakeUpstream) -> None:
    code = (
        "import sys; from flask_assistant_stream.engines.openai import OpenAIEngine;"
        "from flask_assistant_stream.upstream import Upstream;"
        f"e = OpenAIEngine(Upstream('k', {upstream.base_url!r}));"
        "s = e.stream({'model': 'm', 'input': 'hello', 'stream': True}); n = sum(1 for _ in s); s.close(); e.close();"
        "assert n; assert 'openai' not in sys.modules and 'gevent' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=30)


# ---- what comes back -----------------------------------------------------------------------------------------------
FRAMINGS = ["framing=chunked", "framing=length", "framing=close"]
FORMS = ["cut=7", "newline=crlf", "newline=cr&cut=7", "events=0&done=1", "comments=1&delay=0.001"]


@pytest.mark.parametrize("form", [*FRAMINGS, *FORMS])
def test_every_framing_gives_the_same_text(engine: OpenAIEngine, form: str) -> None:
    items = collect(engine.stream(script(f"text?{form}")))
    assert (text_of(items), items[-1]["type"]) == (ANSWER, "response.completed")
    numbers = [item["sequence_number"] for item in items if item != KEEPALIVE]
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize(
    "name", sorted(p.relative_to(RECORDINGS).with_suffix("").as_posix() for p in RECORDINGS.rglob("*.sse")) or ["-"]
)
@pytest.mark.parametrize("form", ["", "&cut=7", "&framing=close"])
def test_recorded_streams_come_whole(engine: OpenAIEngine, name: str, form: str) -> None:
    if name == "-":
        pytest.skip("shared material is missing")
    lines = (RECORDINGS / f"{name}.sse").read_text().splitlines()
    recorded = [json.loads(line[5:]) for line in lines if line.startswith("data: {")]
    assert collect(engine.stream(script(f"recording?name={name}{form}"))) == recorded


def test_what_arrives_together_comes_in_one_list(upstream: FakeUpstream, engine: OpenAIEngine) -> None:
    together = b'data: {"type": "response.output_text.delta", "delta": "one"}\n\n' * 200
    upstream.play(Reply([together, {"type": "response.completed", "response": {}}]))
    stream = engine.stream(asking("hello"))
    reads = list(stream)
    stream.close()
    assert sum(len(read) for read in reads) == 201
    assert len(reads) < 20


def test_a_delta_comes_before_the_next_is_sent(upstream: FakeUpstream, engine: OpenAIEngine) -> None:
    gate = threading.Event()
    first = {"type": "response.output_text.delta", "delta": "one"}
    upstream.play(Reply([first, Gate(gate), {"type": "response.completed", "response": {}}]))
    stream = engine.stream(asking("hello"))
    reads = iter(stream)
    assert next(reads) == [first]
    gate.set()
    assert next(reads)[-1]["type"] == "response.completed"
    stream.close()


@pytest.mark.parametrize(
    ("parts", "framing", "items"),
    [
        (
            [b'data: [1]\n\ndata: null\n\ndata: "text"\n\ndata: [DONE]\n\ndata: 7\n\n', COMPLETED],
            "chunked",
            [COMPLETED],
        ),
        ([b": working\n\n", Pause(0.05), COMPLETED], "chunked", [KEEPALIVE, COMPLETED]),
        ([{"type": "response.created"}, b'data: {"type":"response.comp'], "close", [{"type": "response.created"}]),
        ([b'data: {"type":"response.completed"}\n'], "chunked", [COMPLETED]),
        ([b'data: {"error":{"message":"no","code":"429"}}\n\n'], "chunked", [NAMELESS]),
    ],
    ids=["no items", "comment", "cut-off event", "no blank line", "error without a type"],
)
def test_unusual_parts_of_a_stream(
    upstream: FakeUpstream, engine: OpenAIEngine, parts: list[Any], framing: str, items: list[Item]
) -> None:
    upstream.play(Reply(parts, framing=framing))
    assert collect(engine.stream(asking("hello"))) == items


def test_lone_surrogates_are_read(upstream: FakeUpstream, engine: OpenAIEngine) -> None:
    upstream.play(Reply([b'data: {"type":"response.output_text.delta","delta":"a\\ud83d"}\n\n']))
    assert text_of(collect(engine.stream(asking("hello")))) == "a\ud83d"


def test_the_iteration_ends_at_the_terminal_item(engine: OpenAIEngine) -> None:
    begun = time.monotonic()
    items = collect(engine.stream(script("late_eof")))
    assert items[-1]["type"] == "response.completed"
    assert time.monotonic() - begun < 1.0


def test_a_clean_end_without_a_terminal_item_just_ends(engine: OpenAIEngine) -> None:
    items = collect(engine.stream(script("clean_eof?framing=close")))
    assert items[-1]["type"] == "response.output_text.delta"


@pytest.mark.parametrize("fault", ["reset", "cut_off", "bad_json", "bad_utf8"])
@pytest.mark.parametrize("form", ["", "&delay=0.002", "&cut=7"])
def test_faults_in_the_stream_are_errors_and_keep_the_text_so_far(
    upstream: FakeUpstream, engine: OpenAIEngine, fault: str, form: str
) -> None:
    items, error = until_error(engine, script(f"{fault}?after=4{form}"))
    assert (text_of(items), error.code) == ("The sun is *shining*", "server_error")
    assert len(upstream.requests) == 1


def test_garbage_is_an_error() -> None:
    with raw_server(b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        _, error = until_error(at(port), asking("hello"))
    assert "not HTTP" in error.message
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    first = b'data: {"type":"response.created"}\n\n'
    with raw_server(head + b"%x\r\n%s\r\nzz\r\n" % (len(first), first)) as port:
        items, error = until_error(at(port), asking("hello"))
    assert items == [{"type": "response.created"}]
    assert "not HTTP" in error.message


def test_provisional_answers_are_passed_over() -> None:
    body = b'data: {"type":"response.completed"}\n\n'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(body)
    early = b"HTTP/1.1 103 Early Hints\r\nContent-Type: text/html\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    with raw_server(early + head + body) as port:
        engine = at(port)
        assert collect(engine.stream(asking("hello"))) == [{"type": "response.completed"}]
        engine.close()


class raw_server:  # noqa: N801 - reads as a statement
    """Answer one connection with given bytes and close it."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(self._answer)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65536)

    def __enter__(self) -> int:
        self._thread.start()
        return int(self._socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._thread.join(5)
        self._socket.close()


# ---- failures that the upstream tells ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("fail", ["response.failed"]),
        ("error_flat", ["error"]),
        ("error_nested", ["error", "response.failed"]),
        ("failed_then_error", ["response.failed", "error"]),
    ],
)
@pytest.mark.parametrize("form", ["", "?delay=0.002"])
def test_failures_come_as_items_however_late_the_reason_is(
    engine: OpenAIEngine, name: str, types: list[str], form: str
) -> None:
    items = collect(engine.stream(script(name + form)))
    assert [item["type"] for item in items][-len(types) :] == types


def test_after_a_failure_the_wait_is_short(
    upstream: FakeUpstream, engine: OpenAIEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_body, "FAILURE_SECONDS", 0.2)
    upstream.play(Reply([{"type": "error", "code": "x", "message": "y"}, Stall()]))
    begun = time.monotonic()
    assert [item["type"] for item in collect(engine.stream(asking("hello")))] == ["error"]
    assert 0.15 < time.monotonic() - begun < 2


# ---- refusals and retries ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("status?code=400&message=Bad+tool", "invalid_prompt", "Bad tool"),
        ("status?code=429&message=Slow+down", "rate_limit_exceeded", "Slow down"),
        ("status?code=503&message=Busy", "server_error", "Busy"),
        ("status?code=404&message=no+such+model", "server_error", "OPENAI_BASE_URL"),
        ("json_error", "server_error", "No model loaded."),
        ("html", "server_error", "web page (Sign in)"),
        ("html?code=502", "server_error", "web page (Sign in)"),
        ("redirect", "server_error", "elsewhere.invalid"),
    ],
)
def test_refusals_are_errors_with_the_upstreams_words(
    upstream: FakeUpstream, engine: OpenAIEngine, line: str, code: str, words: str
) -> None:
    items, error = until_error(engine, script(line))
    assert (items, error.code) == ([], code)
    assert words in error.message or words in error.detail
    assert f"127.0.0.1:{upstream.port}" in error.detail
    shown_to_visitors(error, upstream)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_said_neutrally(upstream: FakeUpstream, engine: OpenAIEngine, status: int) -> None:
    upstream.play(error_reply(status, f"Incorrect API key provided: {KEY}"))
    _, error = until_error(engine, asking("hello"))
    assert error.message == "The upstream rejected the credentials of this server."
    assert "OPENAI_API_KEY" in error.detail
    assert KEY not in error.detail
    assert "Incorrect" not in error.detail
    shown_to_visitors(error, upstream)


def test_an_echoed_key_is_taken_out(upstream: FakeUpstream) -> None:
    headers = {"api-key": "azure-secret", "X-Team": "blue"}
    engine = OpenAIEngine(Upstream(KEY, upstream.base_url, headers=headers), retries=0)
    upstream.play(error_reply(400, f"cannot use {KEY} or azure-secret of blue"))
    _, error = until_error(engine, asking("hello"))
    assert "cannot use … or … of blue" in error.message


def test_an_answer_at_once_counts_as_its_terminal_item(upstream: FakeUpstream, engine: OpenAIEngine) -> None:
    response: Item = {"object": "response", "status": "completed", "output": [], "error": None}
    upstream.play(json_reply(response))
    assert collect(engine.stream(asking("hello"))) == [{"type": "response.completed", "response": response}]


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_refusals_that_pass_are_tried_again(upstream: FakeUpstream, retrying: OpenAIEngine, status: int) -> None:
    upstream.play(error_reply(status), error_reply(status))
    assert text_of(collect(retrying.stream(asking("hello")))) == ANSWER
    assert len(upstream.requests) == 3


def test_retries_are_counted_and_a_stream_that_began_has_none(upstream: FakeUpstream, retrying: OpenAIEngine) -> None:
    upstream.play(*[error_reply(500)] * 3)
    until_error(retrying, asking("hello"))
    assert len(upstream.requests) == 3
    until_error(retrying, script("reset?after=0"))
    assert len(upstream.requests) == 4


@pytest.mark.parametrize(("status", "word", "requests"), [(400, "true", 2), (503, "false", 1), (400, None, 1)])
def test_the_upstream_says_whether_to_try_again(
    upstream: FakeUpstream, retrying: OpenAIEngine, status: int, word: str | None, requests: int
) -> None:
    upstream.play(error_reply(status, **({"x-should-retry": word} if word else {})))
    if requests == 1:
        until_error(retrying, asking("hello"))
    else:
        collect(retrying.stream(asking("hello")))
    assert len(upstream.requests) == requests


def test_the_pause_that_is_asked_for_is_kept(upstream: FakeUpstream, retrying: OpenAIEngine) -> None:
    upstream.play(error_reply(429, **{"retry-after-ms": "300"}))
    begun = time.monotonic()
    collect(retrying.stream(asking("hello")))
    assert time.monotonic() - begun >= 0.3


def test_too_long_a_pause_is_not_waited_for(upstream: FakeUpstream, retrying: OpenAIEngine) -> None:
    upstream.play(error_reply(429, "quota", **{"retry-after": "3600"}))
    begun = time.monotonic()
    _, error = until_error(retrying, asking("hello"))
    assert error.code == "rate_limit_exceeded"
    assert time.monotonic() - begun < 2
    assert len(upstream.requests) == 1


def test_close_interrupts_the_pause(upstream: FakeUpstream, retrying: OpenAIEngine) -> None:
    upstream.play(error_reply(503, **{"retry-after": "15"}))
    stream = retrying.stream(asking("hello"))
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(list, stream)
        soon(lambda: len(upstream.requests) == 1)
        stream.close()
        reading.result(2)


def test_pauses_grow_and_vary() -> None:
    for attempt, most in enumerate((0.5, 1.0, 2.0, 4.0, 8.0, 8.0)):
        pauses = [openai_engine.pause_before_retry(attempt) for _ in range(50)]
        assert all(most * 0.75 <= pause <= most for pause in pauses)
        assert len(set(pauses)) > 1


def test_connection_failures_are_tried_again(retrying: OpenAIEngine, upstream: FakeUpstream) -> None:
    upstream.play("stall_head")
    stream = retrying.stream(asking("hello"))
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(list, stream)
        soon(lambda: len(upstream.requests) == 1)
        upstream.drop_idle()
        items = reading.result(5)[-1]
    stream.close()
    assert (items[-1]["type"], len(upstream.requests)) == ("response.completed", 2)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    _, error = until_error(OpenAIEngine(Upstream(KEY, f"http://127.0.0.1:{port}/v1")), asking("hello"))
    assert all(word in error.message for word in ("upstream", "reached")), error.message
    assert all(word in error.detail for word in (f"127.0.0.1:{port}", "refused", "OPENAI_BASE_URL")), error.detail


def test_an_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_host(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_host)
    _, error = until_error(OpenAIEngine(Upstream(KEY, "http://upstream.invalid/v1")), asking("hello"))
    assert "upstream.invalid is unknown (DNS)" in error.detail


# ---- kept connections ----------------------------------------------------------------------------------------------
def test_a_connection_is_kept_for_the_next_request(upstream: FakeUpstream, engine: OpenAIEngine) -> None:
    for line in ("text", "call", "text?framing=length&delay=0.001"):
        collect(engine.stream(script(line)))
    assert {request.connection for request in upstream.requests} == {1}


@pytest.mark.parametrize("line", ["text?framing=close", "late_eof", "fail", "clean_eof", "cut_off"])
def test_a_connection_that_is_not_free_is_not_kept(upstream: FakeUpstream, engine: OpenAIEngine, line: str) -> None:
    stream = engine.stream(script(line))
    try:
        list(stream)
    except EngineError:
        assert line == "cut_off"
    stream.close()
    collect(engine.stream(asking("hello")))
    assert [request.connection for request in upstream.requests] == [1, 2]


def test_a_dead_connection_is_replaced(upstream: FakeUpstream, engine: OpenAIEngine) -> None:
    collect(engine.stream(asking("hello")))
    upstream.drop_idle()
    assert text_of(collect(engine.stream(asking("again")))) == ANSWER
    assert [request.connection for request in upstream.requests] == [1, 2]


def test_old_idle_connections_are_not_used(
    upstream: FakeUpstream, engine: OpenAIEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect(engine.stream(asking("hello")))
    monkeypatch.setattr("flask_assistant_stream.engines.openai.http_connect.IDLE_SECONDS", -1.0)
    collect(engine.stream(asking("hello")))
    assert [request.connection for request in upstream.requests] == [1, 2]


def test_only_so_many_are_kept(upstream: FakeUpstream, engine: OpenAIEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_assistant_stream.engines.openai.http_connect.MAX_IDLE", 1)
    for _ in range(2):
        pair = [engine.stream(asking("hello")) for _ in range(2)]
        for _ in itertools.zip_longest(*pair):
            pass
        for stream in pair:
            stream.close()
    assert len({request.connection for request in upstream.requests}) == 3


def test_a_forked_process_opens_its_own_connections(upstream: FakeUpstream) -> None:
    code = f"""
import os, sys
from flask_assistant_stream.engines.openai import OpenAIEngine
from flask_assistant_stream.upstream import Upstream
engine = OpenAIEngine(Upstream("k", {upstream.base_url!r}), retries=0)
def ask():
    stream = engine.stream({{"model": "m", "input": "hello", "stream": True}})
    assert [i for read in stream for i in read][-1]["type"] == "response.completed"
    stream.close()
ask()
child = os.fork()
ask()
engine.close()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    used = [request.connection for request in upstream.requests]
    assert (len(used), len(set(used))) == (3, 2)


# ---- closing -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("line", ["stall", "stall_head", "stall?after=0", "text?delay=1"])
def test_close_tells_the_upstream_at_once(upstream: FakeUpstream, engine: OpenAIEngine, line: str) -> None:
    stream = engine.stream(script(line))
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(list, stream)
        soon(lambda: len(upstream.requests) == 1)
        stream.close()
        assert upstream.gone.acquire(timeout=2)
        reading.result(2)


def test_leaving_the_loop_frees_the_connection(upstream: FakeUpstream, engine: OpenAIEngine) -> None:
    stream = engine.stream(script("stall"))
    for _ in stream:
        break
    stream.close()
    assert upstream.gone.acquire(timeout=2)


def test_nothing_is_handed_out_after_close(upstream: FakeUpstream, engine: OpenAIEngine) -> None:
    stream = engine.stream(script("text?n=3000&framing=length"))
    reads = iter(stream)
    next(reads)
    stream.close()
    assert list(reads) == []


# ---- TLS and proxies -----------------------------------------------------------------------------------------------
def test_tls_streams_and_keeps_its_connection(tls_upstream: FakeUpstream) -> None:
    engine = OpenAIEngine(Upstream(KEY, tls_upstream.base_url), retries=0)
    assert text_of(collect(engine.stream(script("text?n=2000")))).count("w") == 2000
    assert text_of(collect(engine.stream(script("text?delay=0.002")))) == ANSWER
    engine.close()
    assert {request.connection for request in tls_upstream.requests} == {1}


def test_close_wakes_a_tls_reader(tls_upstream: FakeUpstream) -> None:
    engine = OpenAIEngine(Upstream(KEY, tls_upstream.base_url), retries=0)
    stream = engine.stream(script("stall"))
    reads = iter(stream)
    next(reads)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(list, reads)
        stream.close()
        reading.result(2)


def test_an_untrusted_certificate_is_said_so(tls_upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    _, error = until_error(OpenAIEngine(Upstream(KEY, tls_upstream.base_url)), asking("hello"))
    assert "certificate" in error.detail
    assert "SSL_CERT_FILE" in error.detail


def test_plain_http_behind_https_is_said_so(upstream: FakeUpstream) -> None:
    url = upstream.base_url.replace("http:", "https:")
    _, error = until_error(OpenAIEngine(Upstream(KEY, url), retries=0), asking("hello"))
    assert "TLS" in error.detail


class Proxy:
    """A forwarding proxy on loopback: CONNECT and absolute targets go to one server, whatever name they give."""

    def __init__(self, target: int) -> None:
        self.heads: list[str] = []
        self._target = target
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client:
                self._serve(client)

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536)
        self.heads.append(head.partition(b"\r\n\r\n")[0].decode())
        with socket.create_connection(("127.0.0.1", self._target)) as server:
            if head.startswith(b"CONNECT"):
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                server.sendall(head.replace(b"http://upstream.test", b"", 1))
            back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
            back.start()
            self._copy(client, server)
            back.join(5)

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def stop(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.usefixtures("no_proxies")
def test_https_tunnels_through_the_proxy(tls_upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy(tls_upstream.port)
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@127.0.0.1:{proxy.port}")
    engine = OpenAIEngine(Upstream(KEY, "https://upstream.test/v1"), retries=0)
    assert text_of(collect(engine.stream(asking("hello")))) == ANSWER
    engine.close()
    proxy.stop()
    assert proxy.heads[0].startswith("CONNECT upstream.test:443")
    assert "Proxy-Authorization: Basic bWU6cEBzcw==" in proxy.heads[0]
    assert KEY not in proxy.heads[0]
    assert "proxy-authorization" not in tls_upstream.requests[0].headers


@pytest.mark.usefixtures("no_proxies")
def test_plain_http_is_forwarded_by_the_proxy_and_loopback_goes_past_it(
    upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(upstream.port)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    engine = OpenAIEngine(Upstream(KEY, "http://upstream.test/v1"), retries=0)
    assert text_of(collect(engine.stream(asking("hello")))) == ANSWER
    engine.close()
    proxy.stop()
    assert proxy.heads[0].startswith("POST http://upstream.test/v1/responses HTTP/1.1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with closing(OpenAIEngine(Upstream(KEY, upstream.base_url), retries=0)) as engine:
        assert text_of(collect(engine.stream(asking("hello")))) == ANSWER


@pytest.mark.usefixtures("no_proxies")
def test_a_proxy_that_cannot_be_used_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:hidden@127.0.0.1:9")
    _, error = until_error(OpenAIEngine(Upstream(KEY, "https://upstream.test/v1")), asking("hello"))
    assert "proxy" in error.detail
    assert "hidden" not in error.message + error.detail


# ---- refusals that another request avoids --------------------------------------------------------------------------
def test_a_full_context_is_an_error_of_its_own_and_is_not_retried(
    upstream: FakeUpstream, retrying: OpenAIEngine
) -> None:
    upstream.play(error_reply(500, "the request exceeds the available context size (4096 tokens)"))
    _, error = until_error(retrying, asking("hello"))
    assert isinstance(error, ContextOverflow)
    assert error.limit == 4096
    assert len(upstream.requests) == 1


def test_a_failure_before_the_first_output_is_an_error_of_its_own(upstream: FakeUpstream, engine: OpenAIEngine) -> None:
    created = {"type": "response.created", "response": {"id": "resp_1"}}
    upstream.play(Reply([created, {"type": "error", "error": {"code": "context_length_exceeded", "message": KEY}}]))
    items, error = until_error(engine, asking("hello"))
    assert [item["type"] for item in items] in ([], ["response.created"])
    assert isinstance(error, ContextOverflow)
    assert KEY not in error.message


def test_a_failure_after_the_first_output_stays_an_item(upstream: FakeUpstream, engine: OpenAIEngine) -> None:
    delta = {"type": "response.output_text.delta", "delta": "Well"}
    failure = {"type": "error", "error": {"code": "context_length_exceeded", "message": "too long"}}
    upstream.play(Reply([delta, failure]))
    assert [item["type"] for item in collect(engine.stream(asking("hello")))] == [delta["type"], "error"]


def test_a_dead_image_is_named_as_the_request_names_it(upstream: FakeUpstream, engine: OpenAIEngine) -> None:
    request = asking("hello")
    image = {"type": "input_image", "image_url": "https://bucket.example/cat.png?sig=1", "detail": "auto"}
    request["input"].insert(0, {"type": "message", "role": "user", "content": [image]})
    error = {"message": "Failed to download image.", "param": "input[0].content[0].image_url", "code": "invalid_value"}
    upstream.play(json_reply({"error": error}, 400))
    _, caught = until_error(engine, request)
    assert isinstance(caught, UnusableInput)
    assert caught.url == image["image_url"]


# ---- a refused key -------------------------------------------------------------------------------------------------
def test_a_refused_key_is_reported_until_a_request_succeeds_or_for_a_while(upstream: FakeUpstream) -> None:
    now = 0.0
    engine = OpenAIEngine(Upstream(KEY, upstream.base_url), retries=0, models=["gpt-test"], now=lambda: now)
    with closing(engine):
        for refusal in (error_reply(401), error_reply(403), error_reply(400, "No connected db.", "no_db_connection")):
            assert engine.ping() is None
            upstream.play(refusal)
            until_error(engine, asking("hello"))
            assert engine.ping() == "The upstream refused OPENAI_API_KEY."
            collect(engine.stream(asking("hello")))
        upstream.play(error_reply(401))
        until_error(engine, asking("hello"))
        now = openai_engine.REFUSED_SECONDS + 1
        assert engine.ping() is None


def test_a_model_that_a_client_names_does_not_make_the_server_unready(upstream: FakeUpstream) -> None:
    with closing(OpenAIEngine(Upstream(KEY, upstream.base_url), retries=0, models=["gpt-test"])) as engine:
        upstream.play(error_reply(403, "no access to this model"))
        until_error(engine, {**asking("hello"), "model": "theirs"})
        assert engine.ping() is None


def test_a_stream_has_begun_with_its_first_bytes(upstream: FakeUpstream, engine: OpenAIEngine) -> None:
    assert engine.first_seconds == 0
    gate = threading.Event()
    upstream.play(Reply([{"type": "response.created"}, Gate(gate), {"type": "response.completed"}]))
    stream = engine.stream(asking("hello"))
    assert not stream.begun
    reads = iter(stream)
    next(reads)
    assert stream.begun
    gate.set()
    list(reads)
    stream.close()
    loading = Upstream(KEY, upstream.base_url, profile=PROFILES["ollama"])
    assert OpenAIEngine(loading).first_seconds == LOADING_SECONDS
