"""Real servers that are told to end, with the hooks and the configuration file that are shipped."""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
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
"""The default: what a message would have to wait for if nobody had ended the run before it."""
STREAMS = 12
STALL = "@@script:stall?after=3@@"
PATIENCE = 30.0

both_kinds = pytest.mark.parametrize("kind", ["gevent", "gthread"])
each_kind_and_store = pytest.mark.parametrize(
    ("kind", "store_url"), [("gevent", "sqlite"), ("gthread", "mongodb")], indirect=["store_url"]
)
"""How a worker ends and where runs are stored do not depend on each other."""


def command(kind: str, *arguments: str, seconds: float) -> tuple[str, ...]:
    """Return what starts gunicorn with the shipped file; what a test needs otherwise is on the command line."""
    given = ("--bind", "127.0.0.1:0", "--workers", "2", "--worker-class", kind, "--graceful-timeout", f"{seconds:g}")
    threads = ("--threads", "32") if kind == "gthread" else ()
    return ("gunicorn", "--config", CONF, *given, *threads, *arguments, FACTORY)


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

    def read(stream: OpenStream) -> tuple[list[Event], float]:
        return stream.read_events(), time.monotonic() - begun

    with ThreadPoolExecutor(len(opened)) as pool:
        answers = list(pool.map(read, opened))
    return [events for events, _ in answers], max(seconds for _, seconds in answers)


def tell(server: ServerProcess, number: int = signal.SIGTERM) -> float:
    """Send a signal and return when."""
    server.process.send_signal(number)
    return time.monotonic()


def ended(server: ServerProcess, begun: float) -> float:
    """Wait for the server's end and return the seconds since it was told."""
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


def assert_goes_on(server: ServerProcess, runs: list[dict[str, Any]], told: dict[str, list[Event]]) -> float:
    """Check what a restarted server knows of interrupted runs; return how long the slowest next message took."""
    slowest = 0.0
    for run in runs:
        thread_id, path = run["thread_id"], f"/threads/{run['thread_id']}/runs/{run['id']}/stream"
        whole = server.get(path).events
        assert_interrupted(whole)
        if seen := told.get(run["id"]):
            assert whole == seen
            for after in (0, len(seen) // 2, len(seen) - 1, len(seen)):
                assert server.get(f"{path}?after={seen[after - 1].seq if after else 0}").events == seen[after:]
        assert texts(server.messages(thread_id))[1:] == [("assistant", text_of(whole))]
        assert server.messages(thread_id)[-1]["status"] == "incomplete"
        begun = time.monotonic()
        assert server.chat("And now?", threadId=thread_id).run["status"] == "completed"
        slowest = max(slowest, time.monotonic() - begun)
    return slowest


# -- the file ----------------------------------------------------------------------------------------------


def test_the_file_starts_a_server_as_it_is(sqlite_url: str, tmp_path: Path, played: UpstreamProcess) -> None:
    starts = ("gunicorn", "--config", CONF, "--bind", "127.0.0.1:0", FACTORY)
    with serving(starts, tmp_path, store=sqlite_url, upstream=played.base_url) as server:
        assert len(server.workers) == 4
        assert server.chat("Hello").run["status"] == "completed"
        begun = tell(server)
        assert ended(server, begun) < 5, "nothing is waited for"
        assert "Using worker: gevent" in server.log


def test_every_line_of_the_file_says_why() -> None:
    set_here = runpy.run_path(CONF)
    assert set_here["timeout"] > set_here["graceful_timeout"]
    parts = Path(CONF).read_text().split("\n\n")[1:]
    assert all(part.startswith("# ") and len(re.findall("^(?!#).+", part.strip(), re.M)) == 1 for part in parts)


# -- enough time, too little -------------------------------------------------------------------------------


@each_kind_and_store
def test_with_enough_time_all_runs_complete(kind: str, store_url: str, tmp_path: Path, played: UpstreamProcess) -> None:
    starts = command(kind, seconds=20)
    with serving(starts, tmp_path, store=store_url, upstream=played.base_url) as server:
        with streams(server, "@@script:text?n=30&delay=0.04@@") as opened:
            begun = tell(server)
            answers, last = read_all(opened, begun)
        took = ended(server, begun)
    for events in answers:
        assert check(events).names[-1] == "thread.run.completed"
        assert text_of(events) == "".join(f" w{i}" for i in range(30))
    print(f"{kind}: {STREAMS} of {STREAMS} complete, the last after {last:.2f} s, gone after {took:.2f} s")
    assert took < 20


@each_kind_and_store
def test_with_too_little_time_all_runs_are_interrupted(
    kind: str, store_url: str, tmp_path: Path, played: UpstreamProcess
) -> None:
    seconds, settings = 3, {"store": store_url, "upstream": played.base_url}
    with serving(command(kind, seconds=seconds), tmp_path, **settings) as server:
        with streams(server, STALL) as opened, streams(server, STALL, 1) as (left,):
            path = left.run_path
            left.leave()
            begun = tell(server)
            answers, last = read_all(opened, begun)
        took = ended(server, begun)
    runs = [assert_interrupted(events) for events in answers]
    assert last < seconds, "told before the process is killed"
    assert all(text_of(events) == "The sun is" for events in answers)
    with serving(command(kind, seconds=seconds), tmp_path, **settings) as server:
        unread = run_of(server.get(f"{path}/stream").events)
        told = {run["id"]: events for run, events in zip(runs, answers, strict=True)}
        slowest = assert_goes_on(server, [*runs, unread], told)
    print(
        f"{kind}: {len(runs)} of {STREAMS} told after {last:.2f} s of {seconds}, gone after {took:.2f} s, "
        f"next message answered within {slowest:.2f} s"
    )
    assert slowest < LEASE / 3


@both_kinds
def test_runs_without_readers_are_waited_for(
    kind: str, sqlite_url: str, tmp_path: Path, played: UpstreamProcess
) -> None:
    """gunicorn waits for connections only; the runs of those who left end all the same."""
    settings = {"store": sqlite_url, "upstream": played.base_url}
    with serving(command(kind, seconds=15), tmp_path, **settings) as server:
        with streams(server, "@@script:text?n=30&delay=0.06@@", 3) as opened:
            paths = [stream.run_path for stream in opened]
        begun = tell(server)
        took = ended(server, begun)
    with serving(command(kind, seconds=15), tmp_path, **settings) as server:
        for path in paths:
            assert run_of(server.get(f"{path}/stream").events)["status"] == "completed"
    print(f"{kind}: 3 runs without readers complete, gone after {took:.2f} s")
    assert 1 < took < 13


def test_a_tool_that_hangs_does_not_hold_up_the_end(sqlite_url: str, tmp_path: Path, played: UpstreamProcess) -> None:
    settings = {"store": sqlite_url, "upstream": played.base_url}
    script = "@@script:call?name=hang&arguments={}@@"
    with serving(command("gevent", seconds=3), tmp_path, **settings) as server:
        asked = {"content": script, "assistantId": "asst_slow"}
        with server.opened("/chat/stream", asked) as stream:
            stream.read_until("thread.run.step.delta")
            begun = tell(server)
            ((events,), last) = read_all([stream], begun)
        ended(server, begun)
    run = assert_interrupted(events)
    assert last < 3
    with serving(command("gevent", seconds=3), tmp_path, **settings) as server:
        assert server.chat("And now?", threadId=run["thread_id"]).run["status"] == "completed"


def test_an_upstream_that_does_not_answer_does_not_hold_up_the_end(
    sqlite_url: str, tmp_path: Path, played: UpstreamProcess
) -> None:
    with serving(command("gevent", seconds=3), tmp_path, store=sqlite_url, upstream=played.base_url) as server:
        with server.opened("/chat/stream", {"content": f"@@script:stall_head@@ {tmp_path.name}"}) as stream:
            wait_for(lambda: tmp_path.name in str(played.told()["requests"]))
            begun = tell(server)
            ((events,), last) = read_all([stream], begun)
        ended(server, begun)
    assert_interrupted(events)
    assert last < 3


# -- other ways to end -------------------------------------------------------------------------------------


@both_kinds
@pytest.mark.parametrize("numbers", [(signal.SIGINT,), (signal.SIGTERM, signal.SIGINT)], ids=["INT", "TERM, INT"])
def test_an_impatient_end_interrupts_at_once(
    kind: str, numbers: tuple[int, ...], sqlite_url: str, tmp_path: Path, played: UpstreamProcess
) -> None:
    settings = {"store": sqlite_url, "upstream": played.base_url}
    with serving(command(kind, seconds=25), tmp_path, **settings) as server:
        with streams(server, STALL, 4) as opened:
            for number in numbers:
                time.sleep(0.3)  # the second comes while the first is being done
                begun = tell(server, number)
            answers, last = read_all(opened, begun)
        took = ended(server, begun)
    runs = [assert_interrupted(events) for events in answers]
    print(f"{kind}, {len(numbers)} signals: told after {last:.2f} s, gone after {took:.2f} s")
    assert last < 3
    with serving(command(kind, seconds=25), tmp_path, **settings) as server:
        assert assert_goes_on(server, runs, {}) < LEASE / 3


@both_kinds
def test_a_second_sigterm_changes_nothing(kind: str, sqlite_url: str, tmp_path: Path, played: UpstreamProcess) -> None:
    with serving(command(kind, seconds=20), tmp_path, store=sqlite_url, upstream=played.base_url) as server:
        with streams(server, "@@script:text?n=20&delay=0.05@@", 4) as opened:
            begun = tell(server)
            time.sleep(0.2)
            tell(server)
            answers, _ = read_all(opened, begun)
        ended(server, begun)
    assert all(run_of(events)["status"] == "completed" for events in answers)


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("gevent", signal.SIGTERM),
        ("gevent", signal.SIGQUIT),
        ("gthread", signal.SIGTERM),
        ("gthread", signal.SIGQUIT),
        ("gthread", signal.SIGABRT),
    ],
)
def test_one_worker_that_ends_leaves_no_open_run(
    kind: str, number: int, sqlite_url: str, tmp_path: Path, played: UpstreamProcess
) -> None:
    """SIGABRT is what a worker gets whose loop was blocked for `timeout` seconds.

    With gevent it breaks off whatever greenlet it meets, with a stack trace of gunicorn's own.
    """
    settings = {"store": sqlite_url, "upstream": played.base_url}
    with serving(command(kind, "--workers", "1", seconds=3), tmp_path, **settings) as server:
        with streams(server, STALL, 3) as opened:
            begun = time.monotonic()
            os.kill(server.workers[0], number)
            answers, last = read_all(opened, begun)
        for run in [assert_interrupted(events) for events in answers]:
            assert talk(server, {"content": "And now?", "threadId": run["thread_id"]}, []) == "completed"
        assert last < 3
    print(f"{kind}, {signal.Signals(number).name} to a worker: told after {last:.2f} s")


def test_a_worker_that_has_served_its_requests(sqlite_url: str, tmp_path: Path, played: UpstreamProcess) -> None:
    starts = command("gevent", "--workers", "1", "--max-requests", "4", seconds=3)
    with serving(starts, tmp_path, store=sqlite_url, upstream=played.base_url) as server:
        first = server.workers
        with streams(server, STALL, 1) as (stream,):
            thread_id = stream.headers["X-Thread-Id"]
            for _ in range(4):
                server.get("/health")
            assert_interrupted(stream.read_events())
        wait_for(lambda: server.workers not in ([], first))
        assert talk(server, {"content": "And now?", "threadId": thread_id}, []) == "completed"


def test_a_worker_that_follows_a_killed_one_sweeps_without_being_asked(
    sqlite_url: str, tmp_path: Path, played: UpstreamProcess
) -> None:
    settings = {"store": sqlite_url, "upstream": played.base_url, "ASSISTANT_LEASE_SECONDS": "1"}
    with serving(command("gevent", "--workers", "1", seconds=3), tmp_path, **settings) as server:
        with streams(server, STALL, 1) as (stream,):
            thread_id = stream.headers["X-Thread-Id"]
            os.kill(server.workers[0], signal.SIGKILL)
        store = SQLiteStore(sqlite_url)
        wait_for(
            lambda: [run.body["status"] for run in store.list(Kind.RUN, "anna", parent=thread_id).records] == ["failed"]
        )
        store.close()


@both_kinds
def test_preloaded(kind: str, sqlite_url: str, tmp_path: Path, played: UpstreamProcess) -> None:
    starts = command(kind, "--preload", seconds=3)
    with serving(starts, tmp_path, store=sqlite_url, upstream=played.base_url) as server:
        with streams(server, STALL, 4) as opened:
            begun = tell(server)
            answers, last = read_all(opened, begun)
        ended(server, begun)
    assert len([assert_interrupted(events) for events in answers]) == 4
    assert last < 3


# -- meanwhile ---------------------------------------------------------------------------------------------


def test_admission_while_a_server_drains(sqlite_url: str, tmp_path: Path, played: UpstreamProcess) -> None:
    """What is sent on a connection that was open before gets an answer: a new run is for another process.

    gevent alone: gthread workers keep such connections for two seconds only.
    """
    message = json.dumps({"content": "Hello"})
    asked = [
        ("POST", "/chat/stream", message, 503),
        ("GET", "/health/ready", None, 503),
        ("GET", "/health", None, 200),
        ("GET", "/threads", None, 200),
    ]
    with serving(command("gevent", seconds=5), tmp_path, store=sqlite_url, upstream=played.base_url) as server:
        kept = [server.connect() for _ in asked]
        for connection in kept:
            connection.request("GET", f"{PREFIX}/health")
            assert connection.getresponse().read() == b'{"status":"ok"}'
        with streams(server, STALL, 8) as opened:  # both workers have something to wait for
            begun = tell(server)
            time.sleep(1.5)  # they are told, and take no new connections any more
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
def test_a_rolling_reload_loses_no_request(kind: str, store_url: str, tmp_path: Path, played: UpstreamProcess) -> None:
    """SIGHUP: new workers start, the old ones end their runs. A client that repeats what was refused loses nothing."""
    refused: list[str] = []

    def talk_on(server: ServerProcess) -> list[str]:
        return [talk(server, {"content": "@@script:text?n=10&delay=0.02@@"}, refused) for _ in range(8)]

    with serving(command(kind, seconds=10), tmp_path, store=store_url, upstream=played.base_url) as server:
        before = server.workers
        with (
            streams(server, "@@script:text?n=40&delay=0.05@@", 4) as opened,
            ThreadPoolExecutor(4) as pool,
        ):
            talks = [pool.submit(talk_on, server) for _ in range(4)]
            time.sleep(0.3)
            begun = tell(server, signal.SIGHUP)
            answers, _ = read_all(opened, begun)
            ends = [end for talk in talks for end in talk.result(PATIENCE)]
        wait_for(lambda: len(server.workers) == 2 and not set(before) & set(server.workers))
        rolled = time.monotonic() - begun
    assert [run_of(events)["status"] for events in answers] == ["completed"] * 4
    assert ends == ["completed"] * 32
    print(f"{kind}: 36 of 36 complete over a reload of {rolled:.1f} s, {len(refused)} sent again, 0 broken off")
