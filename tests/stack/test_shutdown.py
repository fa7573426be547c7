"""Real servers that stop, with the shipped hooks and configuration file."""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.stores.sqlite import SQLiteStore
from flask_assistant_stream.testing.decode import text_of
from flask_assistant_stream.translation.translator import UNFINISHED, Ending
from tests.fake_upstream import UpstreamProcess
from tests.server_process import FACTORY, PREFIX, ROOT, OpenStream, ServerProcess, run_of, serving, texts
from tests.translation.checker import check

CONF = str(ROOT / "examples" / "gunicorn.conf.py")
INTERRUPTED = {"code": "server_error", "message": UNFINISHED[Ending.INTERRUPTED]}
LEASE = 15.0
"""The default: a message would wait so long behind a run that no worker ended."""
STREAMS = 12
STALL = "@@script:stall?after=3@@"
PATIENCE = 30.0

both_kinds = pytest.mark.parametrize("kind", ["gevent", "gthread"])
each_kind_and_store = pytest.mark.parametrize(
    ("kind", "store_url"), [("gevent", "sqlite"), ("gthread", "mongodb")], indirect=["store_url"]
)
"""How a worker ends and where runs are stored do not depend on each other."""

Serve = Callable[..., AbstractContextManager[ServerProcess]]


@pytest.fixture
def store_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a store: SQLite, unless the test says otherwise."""
    url: str = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url")
    return url


@pytest.fixture
def serve(store_url: str, tmp_path: Path, played: UpstreamProcess) -> Serve:
    return partial(serving, where=tmp_path, store=store_url, upstream=played.base_url)


def command(kind: str, *arguments: str, seconds: float) -> tuple[str, ...]:
    """Return the command of gunicorn with the shipped file; the command line has what a test changes."""
    options = ("--bind", "127.0.0.1:0", "--workers", "2", "--worker-class", kind, "--graceful-timeout", f"{seconds:g}")
    threads = ("--threads", "32") if kind == "gthread" else ()
    return ("gunicorn", "--config", CONF, *options, *threads, *arguments, FACTORY)


@contextmanager
def streams(server: ServerProcess, content: str, count: int = STREAMS, **body: Any) -> Iterator[list[OpenStream]]:
    """Open streams and read each up to the first piece of text."""
    with ExitStack() as stack:
        asked = {"content": content, **body}
        opened = [stack.enter_context(server.opened("/chat/stream", asked)) for _ in range(count)]
        for stream in opened:
            stream.read_until("thread.message.delta")
        yield opened


def read_all(opened: list[OpenStream], begun: float) -> tuple[list[list[Event]], float]:
    """Read streams to their ends; return their events and the seconds from `begun` to the last end."""
    with ThreadPoolExecutor(len(opened)) as pool:
        answers = list(pool.map(OpenStream.read_events, opened))
    return answers, time.monotonic() - begun


def signalled(server: ServerProcess, number: int = signal.SIGTERM) -> float:
    """Send a signal and return when."""
    server.process.send_signal(number)
    return time.monotonic()


def ended(server: ServerProcess, begun: float) -> float:
    """Wait for the server's end and return the seconds since `begun`."""
    assert server.process.wait(PATIENCE) == 0
    return time.monotonic() - begun


def talk(server: ServerProcess, body: dict[str, Any], refused: list[str]) -> str:
    """Send a message, again as long as it is refused, and return how its run ended."""
    deadline = time.monotonic() + PATIENCE
    while (answer := server.post("/chat/stream", body)).status == 503 and time.monotonic() < deadline:
        assert answer.headers["x-should-retry"] == "true"
        refused.append(answer.headers["Retry-After"])
        time.sleep(0.05)
    return str(answer.run["status"])


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assert_interrupted(events: list[Event]) -> dict[str, Any]:
    """Check that a stream ends with the interruption, once; return the run."""
    fold = check(events, gaps=True)
    run = run_of(events)
    assert (run["status"], run["last_error"]) == ("failed", INTERRUPTED)
    assert fold.names[-1] == "thread.run.failed"
    return run


def assert_goes_on(server: ServerProcess, runs: list[dict[str, Any]], received: dict[str, list[Event]]) -> float:
    """Check interrupted runs on a restarted server; return the seconds of the slowest next message."""
    slowest = 0.0
    for run in runs:
        thread_id, path = run["thread_id"], f"/threads/{run['thread_id']}/runs/{run['id']}/stream"
        whole = server.get(path).events
        assert_interrupted(whole)
        if seen := received.get(run["id"]):
            assert whole == seen
            for after in (0, len(seen) // 2, len(seen) - 1, len(seen)):
                assert server.get(f"{path}?after={seen[after - 1].seq if after else 0}").events == seen[after:]
        assert texts(server.messages(thread_id))[1:] == [("assistant", text_of(whole))]
        assert server.messages(thread_id)[-1]["status"] == "incomplete"
        begun = time.monotonic()
        assert server.chat("And now?", threadId=thread_id).run["status"] == "completed"
        slowest = max(slowest, time.monotonic() - begun)
    return slowest


def test_the_file_starts_a_server_as_it_is(serve: Serve) -> None:
    with serve(("gunicorn", "--config", CONF, "--bind", "127.0.0.1:0", FACTORY)) as server:
        assert len(server.workers) == 4
        assert server.chat("Hello").run["status"] == "completed"
        assert ended(server, signalled(server)) < 5, "there is nothing to wait for"
        assert "Using worker: gevent" in server.log


def test_every_line_of_the_file_says_why() -> None:
    set_here = runpy.run_path(CONF)
    assert set_here["timeout"] > set_here["graceful_timeout"]
    parts = Path(CONF).read_text().split("\n\n")[1:]
    assert all(part.startswith("# ") and len(re.findall("^(?!#).+", part.strip(), re.M)) == 1 for part in parts)


@each_kind_and_store
def test_with_enough_time_all_runs_complete(kind: str, serve: Serve) -> None:
    with serve(command(kind, seconds=20)) as server:
        with streams(server, "@@script:text?n=30&delay=0.04@@") as opened:
            begun = signalled(server)
            answers, last = read_all(opened, begun)
        took = ended(server, begun)
    for events in answers:
        assert check(events).names[-1] == "thread.run.completed"
        assert text_of(events) == "".join(f" w{i}" for i in range(30))
    print(f"{kind}: {STREAMS} of {STREAMS} complete, the last after {last:.2f} s, gone after {took:.2f} s")
    assert took < 20


@each_kind_and_store
def test_with_too_little_time_all_runs_are_interrupted(kind: str, serve: Serve) -> None:
    seconds = 3
    with serve(command(kind, seconds=seconds)) as server:
        with streams(server, STALL) as opened, streams(server, STALL, 1) as (left,):
            path = left.run_path
            left.leave()
            begun = signalled(server)
            answers, last = read_all(opened, begun)
        took = ended(server, begun)
    runs = [assert_interrupted(events) for events in answers]
    assert last < seconds, "ended before the process is killed"
    assert all(text_of(events) == "The sun is" for events in answers)
    with serve(command(kind, seconds=seconds)) as server:
        unread = run_of(server.get(f"{path}/stream").events)
        received = {run["id"]: events for run, events in zip(runs, answers, strict=True)}
        slowest = assert_goes_on(server, [*runs, unread], received)
    print(f"{kind}: {len(runs)} of {STREAMS} ended after {last:.2f} s of {seconds}, gone after {took:.2f} s")
    print(f"next message answered within {slowest:.2f} s")
    assert slowest < LEASE / 3


@both_kinds
def test_runs_without_readers_are_waited_for(kind: str, serve: Serve) -> None:
    """gunicorn waits for connections only; runs without readers end all the same."""
    with serve(command(kind, seconds=15)) as server:
        with streams(server, "@@script:text?n=30&delay=0.06@@", 3) as opened:
            paths = [stream.run_path for stream in opened]
        took = ended(server, signalled(server))
    with serve(command(kind, seconds=15)) as server:
        for path in paths:
            assert run_of(server.get(f"{path}/stream").events)["status"] == "completed"
    print(f"{kind}: 3 runs without readers complete, gone after {took:.2f} s")
    assert 1 < took < 13


def test_a_tool_that_hangs_does_not_hold_up_the_end(serve: Serve) -> None:
    asked = {"content": "@@script:call?name=hang&arguments={}@@", "assistantId": "asst_slow"}
    with serve(command("gevent", seconds=3)) as server:
        with server.opened("/chat/stream", asked) as stream:
            stream.read_until("thread.run.step.delta")
            begun = signalled(server)
            ((events,), last) = read_all([stream], begun)
        ended(server, begun)
    run = assert_interrupted(events)
    assert last < 3
    with serve(command("gevent", seconds=3)) as server:
        assert server.chat("And now?", threadId=run["thread_id"]).run["status"] == "completed"


def test_an_upstream_that_does_not_answer_does_not_hold_up_the_end(
    serve: Serve, tmp_path: Path, played: UpstreamProcess
) -> None:
    with serve(command("gevent", seconds=3)) as server:
        with server.opened("/chat/stream", {"content": f"@@script:stall_head@@ {tmp_path.name}"}) as stream:
            wait_for(lambda: tmp_path.name in str(played.told()["requests"]))
            begun = signalled(server)
            ((events,), last) = read_all([stream], begun)
        ended(server, begun)
    assert_interrupted(events)
    assert last < 3


@both_kinds
@pytest.mark.parametrize("numbers", [(signal.SIGINT,), (signal.SIGTERM, signal.SIGINT)], ids=["INT", "TERM, INT"])
def test_an_impatient_end_interrupts_at_once(kind: str, numbers: tuple[int, ...], serve: Serve) -> None:
    with serve(command(kind, seconds=25)) as server:
        with streams(server, STALL, 4) as opened:
            for number in numbers:
                time.sleep(0.3)  # the second comes while the first is being done
                begun = signalled(server, number)
            answers, last = read_all(opened, begun)
        took = ended(server, begun)
    runs = [assert_interrupted(events) for events in answers]
    print(f"{kind}, {len(numbers)} signals: told after {last:.2f} s, gone after {took:.2f} s")
    assert last < 3
    with serve(command(kind, seconds=25)) as server:
        assert assert_goes_on(server, runs, {}) < LEASE / 3


@both_kinds
def test_a_second_sigterm_changes_nothing(kind: str, serve: Serve) -> None:
    with serve(command(kind, seconds=20)) as server:
        with streams(server, "@@script:text?n=20&delay=0.05@@", 4) as opened:
            begun = signalled(server)
            time.sleep(0.2)
            signalled(server)
            answers, _ = read_all(opened, begun)
        ended(server, begun)
    assert all(run_of(events)["status"] == "completed" for events in answers)


@pytest.mark.parametrize(
    ("kind", "number"),
    [*product(("gevent", "gthread"), (signal.SIGTERM, signal.SIGQUIT)), ("gthread", signal.SIGABRT)],
)
def test_one_worker_that_ends_leaves_no_open_run(kind: str, number: int, serve: Serve) -> None:
    """gunicorn sends SIGABRT to a worker whose loop was blocked for `timeout` seconds.

    With gevent it breaks off any greenlet, with a stack trace of gunicorn's own.
    """
    with serve(command(kind, "--workers", "1", seconds=3)) as server:
        with streams(server, STALL, 3) as opened:
            begun = time.monotonic()
            os.kill(server.workers[0], number)
            answers, last = read_all(opened, begun)
        for run in [assert_interrupted(events) for events in answers]:
            assert talk(server, {"content": "And now?", "threadId": run["thread_id"]}, []) == "completed"
        assert last < 3
    print(f"{kind}, {signal.Signals(number).name} to a worker: told after {last:.2f} s")


def test_a_worker_that_has_served_its_requests(serve: Serve) -> None:
    with serve(command("gevent", "--workers", "1", "--max-requests", "4", seconds=3)) as server:
        first = server.workers
        with streams(server, STALL, 1) as (stream,):
            thread_id = stream.headers["X-Thread-Id"]
            for _ in range(4):
                server.get("/health")
            assert_interrupted(stream.read_events())
        wait_for(lambda: server.workers not in ([], first))
        assert talk(server, {"content": "And now?", "threadId": thread_id}, []) == "completed"


def test_a_worker_that_follows_a_killed_one_sweeps_without_being_asked(serve: Serve, sqlite_url: str) -> None:
    with serve(command("gevent", "--workers", "1", seconds=3), ASSISTANT_LEASE_SECONDS="1") as server:
        with streams(server, STALL, 1) as (stream,):
            thread_id = stream.headers["X-Thread-Id"]
            os.kill(server.workers[0], signal.SIGKILL)
        store = SQLiteStore(sqlite_url)
        wait_for(lambda: store.list(Kind.RUN, "anna", parent=thread_id).records[0].body["status"] == "failed")
        assert len(store.list(Kind.RUN, "anna", parent=thread_id).records) == 1
        store.close()


@both_kinds
def test_preloaded(kind: str, serve: Serve) -> None:
    with serve(command(kind, "--preload", seconds=3)) as server:
        with streams(server, STALL, 4) as opened:
            begun = signalled(server)
            answers, last = read_all(opened, begun)
        ended(server, begun)
    assert len([assert_interrupted(events) for events in answers]) == 4
    assert last < 3


def test_admission_while_a_server_drains(serve: Serve) -> None:
    """A request on a connection that was open before gets an answer: a new run is for another process.

    gevent alone: gthread workers keep such connections for two seconds only.
    """
    message = json.dumps({"content": "Hello"})
    asked = [
        ("POST", "/chat/stream", message, 503),
        ("GET", "/health/ready", None, 503),
        ("GET", "/health", None, 200),
        ("GET", "/threads", None, 200),
    ]
    with serve(command("gevent", seconds=5)) as server:
        kept = [server.connect() for _ in asked]
        for connection in kept:
            connection.request("GET", f"{PREFIX}/health")
            assert connection.getresponse().read() == b'{"status":"ok"}'
        with streams(server, STALL, 8) as opened:  # both workers have something to wait for
            begun = signalled(server)
            time.sleep(1.5)  # they stop and accept no new connections
            for connection, (method, path, body, status) in zip(kept, asked, strict=True):
                connection.request(method, PREFIX + path, body)
                answer = connection.getresponse()
                said = json.loads(answer.read())
                assert answer.status == status, said
                if method == "POST":
                    assert said["error"]["code"] == "shutting_down"
                    assert (answer.headers["Retry-After"], answer.headers["x-should-retry"]) == ("1", "true")
                connection.close()
            read_all(opened, begun)
        ended(server, begun)


@each_kind_and_store
def test_a_rolling_reload_loses_no_request(kind: str, serve: Serve) -> None:
    """SIGHUP: new workers start, the old ones end their runs. A client that repeats rejected requests loses nothing."""
    refused: list[str] = []

    def talk_on(server: ServerProcess) -> list[str]:
        return [talk(server, {"content": "@@script:text?n=10&delay=0.02@@"}, refused) for _ in range(8)]

    with serve(command(kind, seconds=10)) as server:
        before = server.workers
        with streams(server, "@@script:text?n=40&delay=0.05@@", 4) as opened, ThreadPoolExecutor(4) as pool:
            talks = [pool.submit(talk_on, server) for _ in range(4)]
            time.sleep(0.3)
            begun = signalled(server, signal.SIGHUP)
            answers, _ = read_all(opened, begun)
            ends = [end for talk in talks for end in talk.result(PATIENCE)]
        wait_for(lambda: len(server.workers) == 2 and not set(before) & set(server.workers))
        rolled = time.monotonic() - begun
    assert [run_of(events)["status"] for events in answers] == ["completed"] * 4
    assert ends == ["completed"] * 32
    print(f"{kind}: 36 of 36 complete over a reload of {rolled:.1f} s, {len(refused)} sent again, 0 broken off")
