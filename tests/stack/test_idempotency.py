"""Requests repeated under their key, through real gunicorn gevent workers, on both stores."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import openai
import pytest

from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from tests.fake_upstream import UpstreamProcess
from tests.server_process import PREFIX, Answer, ServerProcess, gunicorn, run_of, serving
from tests.stack.app import API_KEY

AT_ONCE = 50
LEASE = 2.0
PATIENCE = 60.0
SLOW = "@@script:text?n=60&delay=0.02@@"

Pair = tuple[ServerProcess, ServerProcess]


@pytest.fixture(scope="module")
def pair(module_store: str, played: UpstreamProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Yield two servers with a worker each on one store, so that a test chooses the worker."""
    where = tmp_path_factory.mktemp("pair")
    settings = {"store": module_store, "upstream": played.base_url, "ASSISTANT_LEASE_SECONDS": str(LEASE)}
    with (
        serving(gunicorn("--workers", "1"), where / "one", **settings) as one,
        serving(gunicorn("--workers", "1"), where / "two", **settings) as two,
    ):
        yield one, two


@pytest.fixture
def workers(store_url: str, tmp_path: Path, played: UpstreamProcess) -> Iterator[ServerProcess]:
    """Yield a server with two workers."""
    settings = {"store": store_url, "upstream": played.base_url}
    with serving(gunicorn("--workers", "2"), tmp_path, **settings) as running:
        wait_for(lambda: len(running.workers) >= 2)
        yield running


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def named(key: str, user: str = "") -> dict[str, str]:
    """Return the headers of a request; each test has an owner of its own, named like its key."""
    return {"Idempotency-Key": key, "X-User": user or key}


def data(server: ServerProcess, path: str, user: str) -> list[dict[str, Any]]:
    """Return a list of an owner."""
    return cast(list[dict[str, Any]], server.get(path, headers={"X-User": user}).json["data"])


def assert_one_run(server: ServerProcess, thread_id: str, user: str) -> None:
    messages = data(server, f"/threads/{thread_id}/messages?order=asc", user)
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert len(data(server, f"/v1/threads/{thread_id}/runs", user)) == 1


@pytest.fixture
def said() -> str:
    """A text that no other test says."""
    return uuid.uuid4().hex


def at_once(pair: Pair, path: str, body: object, key: str) -> list[Answer]:
    """Send a request 50 times at the same time, to each worker in turn; return the answers, read to their ends."""
    barrier = threading.Barrier(AT_ONCE)

    def send(number: int) -> Answer:
        barrier.wait(PATIENCE)
        return pair[number % 2].post(path, body, headers=named(key))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(send, range(AT_ONCE), timeout=2 * PATIENCE))
    assert {answer.status for answer in answers} == {200}, [a.body for a in answers if a.status != 200][:1]
    assert len({answer.headers["X-Run-Id"] for answer in answers}) == 1
    assert len({without_heartbeats(answer.body) for answer in answers}) == 1
    return answers


def without_heartbeats(body: bytes) -> bytes:
    return b"".join(line for line in body.splitlines(keepends=True) if line.strip())


def asked_upstream(played: UpstreamProcess, said: str) -> int:
    """Count the requests upstream that hold a text."""
    return sum(said in str(request["body"]["input"]) for request in played.told()["requests"])


def serving_pids(server: ServerProcess, path: str) -> set[str]:
    """Return which processes have answered a path."""
    return set(re.findall(rf"^(\d+) INFO \S+: POST \S*{path} ", server.log, re.MULTILINE))


def test_fifty_at_once_are_one_run(pair: Pair, played: UpstreamProcess, said: str) -> None:
    started = time.monotonic()
    answers = at_once(pair, "/chat/stream", {"content": f"{said} {SLOW}"}, said)
    seconds = time.monotonic() - started
    assert run_of(answers[0].events)["status"] == "completed"
    assert asked_upstream(played, said) == 1
    thread_id = answers[0].headers["X-Thread-Id"]
    assert [thread["id"] for thread in data(pair[0], "/threads", said)] == [thread_id], "no orphan thread"
    assert_one_run(pair[0], thread_id, said)
    print(f"{AT_ONCE} at once on 2 workers: 1 run, {seconds:.2f} s")


def test_fifty_at_once_on_an_existing_thread(pair: Pair, played: UpstreamProcess, said: str) -> None:
    thread_id = pair[0].post("/threads", headers={"X-User": said}).json["threadId"]
    at_once(pair, f"/threads/{thread_id}/messages", {"content": f"{said} {SLOW}"}, said)
    assert asked_upstream(played, said) == 1
    assert_one_run(pair[0], thread_id, said)


def test_fifty_answers_at_once_are_one(pair: Pair, played: UpstreamProcess, said: str) -> None:
    run = pair[0].chat("@@script:call@@", headers={"X-User": said}).run
    (asked,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    body = {"runId": run["id"], "toolCallOutputs": [{"tool_call_id": asked["id"], "output": said}]}
    answers = at_once(pair, f"/threads/{run['thread_id']}/actions", body, said)
    assert text_of(answers[0].events) == f"The tools said: {said}"
    assert asked_upstream(played, said) == 1


def test_again_after_the_end_on_both_workers(workers: ServerProcess, played: UpstreamProcess, said: str) -> None:
    path = "/chat/stream"
    first = workers.post(path, {"content": said}, headers=named(said))
    deadline = time.monotonic() + PATIENCE
    while len(serving_pids(workers, path)) < 2 and time.monotonic() < deadline:
        assert workers.post(path, {"content": said}, headers=named(said)).body == first.body
    assert len(serving_pids(workers, path)) == 2, "both workers were asked"
    assert asked_upstream(played, said) == 1
    of_ben = workers.post(path, {"content": said}, headers=named(said, "ben"))
    assert of_ben.headers["X-Run-Id"] != first.headers["X-Run-Id"]
    assert asked_upstream(played, said) == 2
    refused = workers.post(path, {"content": "else"}, headers=named(said))
    assert (refused.status, refused.json["error"]["code"]) == (400, "idempotency_key_reused")


def test_again_while_it_runs_and_resumed(pair: Pair, played: UpstreamProcess, said: str) -> None:
    """A repeat on any worker in the middle of the run gets the whole stream; a resume continues after any number."""
    one, two = pair
    body = {"content": f"{said} {SLOW}"}
    with one.opened("/chat/stream", body, headers=named(said)) as stream:
        stream.read_until("thread.message.delta")
        with two.opened("/chat/stream", body, headers=named(said)) as other:
            other.read_until("thread.message.delta")
            broke_off = other.events[-1].seq
        resumed = two.get(f"{other.run_path}/stream?after={broke_off}", headers={"X-User": said}).events
        repeats = [server.post("/chat/stream", body, headers=named(said)) for server in pair]
        whole = without_heartbeats(stream.read_bytes())
    assert {without_heartbeats(answer.body) for answer in repeats} == {whole}
    assert other.run_path == stream.run_path
    assert [*other.events, *resumed] == decode_ndjson(whole)
    assert asked_upstream(played, said) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_official_client(pair: Pair, played: UpstreamProcess, said: str) -> None:
    options: Any = {"assistant_id": "asst_default", "extra_headers": {"Idempotency-Key": said}}
    with openai.OpenAI(base_url=f"{pair[0].origin}{PREFIX}/v1", api_key=API_KEY, max_retries=0) as client:
        thread: Any = {"messages": [{"role": "user", "content": said}]}
        assert len({client.beta.threads.create_and_run(thread=thread, **options).id for _ in range(3)}) == 1
        with pytest.raises(openai.BadRequestError) as refused:
            client.beta.threads.create_and_run(**options)
    assert refused.value.code == "idempotency_key_reused"
    wait_for(lambda: asked_upstream(played, said))
    assert asked_upstream(played, said) == 1


def test_its_worker_is_killed_in_between(pair: Pair, played: UpstreamProcess, said: str) -> None:
    """The other worker ends the run; a repeat returns that run and sends nothing upstream."""
    one, two = pair
    body = {"content": f"{said} @@script:stall?after=3@@"}
    with one.opened("/chat/stream", body, headers=named(said)) as stream:
        stream.read_until("thread.message.delta")
        time.sleep(0.5)  # what clients received half a second ago is stored
        (pid,) = one.workers
        os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    answer = two.post("/chat/stream", body, headers=named(said))
    seconds = time.monotonic() - killed
    assert answer.headers["X-Run-Id"] == stream.headers["X-Run-Id"]
    assert answer.run["status"] == "failed"
    assert seconds < LEASE + 1 + 4, "within the lease + 1 s, on a busy machine"
    assert answer.events[: len(stream.events)] == stream.events
    assert asked_upstream(played, said) == 1
    assert len(data(two, "/threads", said)) == 1
    assert two.post("/chat/stream", body, headers=named(said)).body == without_heartbeats(answer.body)
    print(f"killed: the repeat had the end after {seconds:.2f} s, the lease is {LEASE:g} s")
