"""Clients that go, that do not read, that are too many, and that send a thing again."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from flask_assistant_stream.engines.response_items import ResponseItems
from tests.chaos.conftest import Serve
from tests.chaos.reading import PATIENCE, Reading, Refused, whole_run
from tests.chaos.scorecard import LONG, Scorecard, amount
from tests.fake_upstream import FakeUpstream, Reply, Stall, Step
from tests.server_process import PREFIX

SLACK = 4.0
"""What a machine that others use may add; the figure is printed."""
SEND_TIMEOUT = 2.0
SILENT = {"ASSISTANT_HEARTBEAT_SECONDS": "120", "ASSISTANT_ON_DISCONNECT": "cancel"}


def test_clients_that_have_gone(serve: Serve, scorecard: Scorecard) -> None:
    """Nothing is being written to them: the upstream is silent, and the next heartbeat far."""
    clients = amount(10, 50)
    with FakeUpstream(validate=False) as upstream, serve(upstream=upstream.base_url, **SILENT) as server:
        readings = [Reading(server).ask("@@script:stall?after=3@@") for _ in range(clients)]
        for reading in readings:
            reading.read_until(lambda frame: frame.said.endswith(" is"))
        left = time.monotonic()
        for reading in readings:
            reading.drop()
        for _ in readings:
            assert upstream.gone.acquire(timeout=PATIENCE)
        slowest = time.monotonic() - left
        endings = Counter(whole_run(reading).names[-1] for reading in readings)
    holds = "noticed within 1 s, and the run cancelled as configured"
    scorecard.note("clients gone, upstream silent", holds, clients=clients, slowest_upstream_let_go=slowest)
    assert endings == {"thread.run.cancelled": clients}
    assert slowest < 1.0 + SLACK


def test_a_client_that_does_not_read(serve: Serve, scorecard: Scorecard) -> None:
    settings = {**SILENT, "ASSISTANT_SEND_TIMEOUT_SECONDS": f"{SEND_TIMEOUT:g}"}
    with FakeUpstream(validate=False) as upstream, serve(upstream=upstream.base_url, **settings) as server:
        first = Reading(server).ask("hello")
        first.read_to_end()
        before, peak, began = first.server.resident_kilobytes(first.workers[0]), 0, time.monotonic()
        with socket.socket() as client:
            place, content = urlsplit(server.origin), b'{"content": "Tell me everything"}'
            upstream.play(Reply(everything()))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((place.hostname, place.port))
            lines = [f"POST {PREFIX}/chat/stream HTTP/1.1", f"Host: {place.netloc}", f"Content-Length: {len(content)}"]
            client.sendall("\r\n".join([*lines, "", ""]).encode() + content)
            while not upstream.gone.acquire(timeout=0.05):
                peak = max(peak, first.server.resident_kilobytes(first.workers[0]) - before)
                assert time.monotonic() < began + PATIENCE
            freed = time.monotonic() - began
        another = Reading(server).ask("hello")
        another.read_to_end()
    scorecard.note(
        "a client that does not read an answer of 8 MB",
        f"disconnected within the send time-out ({SEND_TIMEOUT:g} s) + 1 s; memory bounded",
        **{"from the request to the end": freed, "memory at most": f"+{peak / 1024:.1f} MB"},
    )
    assert another.names[-1] == "thread.run.completed"
    assert SEND_TIMEOUT < freed < SEND_TIMEOUT + 1 + SLACK
    assert peak < 64 * 1024, "kB"


def everything() -> Iterator[Step]:
    """Script an answer that is larger than what any socket buffers, and then silence."""
    items = ResponseItems({"model": "a-model"}, now=time.time)
    yield from items.begin()
    for item in items.text("x" * 10_000 for _ in range(800)):
        if item["type"] == "response.output_text.done":
            yield Stall()
        yield item


def test_more_streams_than_are_admitted(serve: Serve, scorecard: Scorecard) -> None:
    admitted, asking, refusals = 20, 30, list[int]()
    with FakeUpstream(validate=False) as upstream:
        settings = {**SILENT, "upstream": upstream.base_url, "ASSISTANT_MAX_STREAMS": str(admitted)}
        with serve("--graceful-timeout", "1", **settings) as server, ThreadPoolExecutor(asking) as pool:

            def begin(_: int) -> Reading | None:
                try:
                    return Reading(server).ask("@@script:stall?after=3@@")
                except Refused as refused:
                    refusals.append(refused.args[0])
                    return None

            begun = [reading for reading in pool.map(begin, range(asking)) if reading]
            refused = server.post("/chat/stream", {"content": "hello"})
            assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
            assert refusals == [503] * (asking - admitted)
            started = time.monotonic()
            assert server.get("/health").status == 200
            health = time.monotonic() - started
            assert len(server.get("/threads?limit=100").json["data"]) == len(begun), "of the others nothing was stored"
            for reading in begun:
                reading.drop()
            freed = time.monotonic()
            while server.post("/chat/stream", {"content": "hello"}).status == 503:
                assert time.monotonic() < freed + PATIENCE
            again = time.monotonic() - freed
    figures = {
        "asked for": asking,
        "admitted": len(begun),
        "`/health` meanwhile": health,
        "admitted again after": again,
    }
    scorecard.note(f"more streams than ASSISTANT_MAX_STREAMS ({admitted})", "503 and Retry-After, no hang", **figures)
    assert len(begun) == admitted


@pytest.mark.parametrize("store", ["sqlite_url", "mongodb_url"] if LONG else ["sqlite_url"])
def test_one_idempotency_key(store: str, serve: Serve, request: pytest.FixtureRequest, scorecard: Scorecard) -> None:
    """Fifty times the same request at once, over two workers."""
    kind, headers = "SQLite" if store == "sqlite_url" else "MongoDB protocol", {"Idempotency-Key": "again"}
    store_url = request.getfixturevalue(store)
    body = {"content": "@@script:text?n=20&delay=0.02@@"}
    with (
        FakeUpstream(validate=False) as upstream,
        serve("--workers", "2", store=store_url, upstream=upstream.base_url) as server,
        ThreadPoolExecutor(50) as pool,
    ):
        sent = [pool.submit(server.post, "/chat/stream", body, headers=headers) for _ in range(50)]
        answers = [one.result() for one in sent]
        threads = server.get("/threads?limit=100").json["data"]
        history = server.messages(threads[0]["id"])
    runs = {answer.headers["X-Run-Id"] for answer in answers}
    figures = {"requests": len(answers), "runs": len(runs), "upstream calls": len(upstream.requests)}
    scorecard.note(f"50 submits with one idempotency key, {kind}", "1 run, 1 upstream call", **figures)
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body.replace(b"\n\n", b"\n").lstrip(b"\n") for answer in answers}) == 1
    assert (len(runs), len(upstream.requests), len(threads), len(history)) == (1, 1, 1, 2)
