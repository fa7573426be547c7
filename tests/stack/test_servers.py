"""The same app on every kind of server: greenlets or threads, one process or several, made before a fork or after."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from flask_assistant_stream.testing.decode import text_of
from tests.fake_upstream import ANSWER, UpstreamProcess
from tests.server_process import EXAMPLE, FACTORY, FLASK_RUN, GTHREAD, ServerProcess, gunicorn, serving, texts
from tests.translation.checker import check

PATCHED_EARLY = "from gevent import monkey\nmonkey.patch_all()\n"
"""What gunicorn's documentation puts into the configuration file for gevent with preload."""

COMMANDS = {
    "gthread": (*GTHREAD, FACTORY),
    "flask run": FLASK_RUN,
    "the example app": EXAMPLE,
    "two gevent workers": gunicorn("--workers", "2"),
    "gevent, preloaded": gunicorn("--preload", "--workers", "2"),
    "gevent, preloaded and patched": gunicorn("--preload", "--workers", "2", "--config", "{folder}/patched.py"),
    "gthread, preloaded": (*GTHREAD, "--preload", "--workers", "2", FACTORY),
}


@pytest.fixture(scope="module", params=COMMANDS)
def served(
    request: pytest.FixtureRequest, played: UpstreamProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("served")
    (folder / "patched.py").write_text(PATCHED_EARLY)
    command = tuple(part.format(folder=folder) for part in COMMANDS[request.param])
    with serving(command, folder, upstream=played.base_url) as server:
        assert server.chat("hello").run["status"] == "completed"  # else nothing below is worth its time-out
        yield server


def test_a_conversation(served: ServerProcess) -> None:
    first = served.chat("hello")
    check(first.events)
    assert text_of(first.events) == ANSWER
    thread_id = first.run["thread_id"]
    asked = served.chat("@@script:call@@", threadId=thread_id)
    assert asked.run["status"] == "requires_action"
    answered = served.answered(asked.run, "21 °C")
    check(asked.events + answered.events)
    answers = [text for role, text in texts(served.messages(thread_id)) if role == "assistant"]
    assert answers == [ANSWER, "The tools said: 21 °C"]
    path = f"/threads/{thread_id}/runs/{asked.run['id']}/stream"
    for _ in range(4):  # any worker
        assert served.get(path).events == asked.events + answered.events


def test_many_at_once(served: ServerProcess) -> None:
    """All are answered side by side: every stream has begun before the first one ends."""
    with ExitStack() as stack:
        asked = {"content": "@@script:text?n=20&delay=0.02@@"}
        streams = [stack.enter_context(served.opened("/chat/stream", asked)) for _ in range(8)]
        for stream in streams:
            stream.read_until("thread.message.delta")
        for stream in streams:
            assert text_of(stream.read_events()) == "".join(f" w{i}" for i in range(20))


def test_stopped_from_elsewhere(served: ServerProcess) -> None:
    with served.opened("/chat/stream", {"content": "@@script:stall?after=5@@"}) as stream:
        stream.read_until("thread.message.delta")
        assert served.post(f"{stream.run_path}/cancel").status == 200
        events = stream.read_events()
    assert check(events).names[-1] == "thread.run.cancelled"
    assert served.chat("hello", threadId=stream.headers["X-Thread-Id"]).run["status"] == "completed"


def test_a_message_ends_the_run_before_it(served: ServerProcess) -> None:
    with served.opened("/chat/stream", {"content": "@@script:stall?after=5@@"}) as stream:
        stream.read_until("thread.message.delta")
        assert served.chat("hello", threadId=stream.headers["X-Thread-Id"]).run["status"] == "completed"
        assert check(stream.read_events()).names[-1] == "thread.run.cancelled"


def test_many_messages_at_once_on_one_thread(served: ServerProcess) -> None:
    """A rejected message is not stored and cancels no run: the last message that began is answered."""
    thread_id = served.post("/threads").json["threadId"]
    body = {"content": "@@script:text?n=5&delay=0.02@@", "threadId": thread_id}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: served.post("/chat/stream", body), range(8)))
    begun = [answer.run["status"] for answer in answers if answer.status == 200]
    assert set(begun) <= {"completed", "cancelled"}
    assert "completed" in begun
    for answer in answers:
        assert answer.status == 200 or "try again" in answer.json["error"]["message"]
    assert [role for role, _ in texts(served.messages(thread_id))].count("user") == len(begun)


def test_a_reader_that_left_comes_back_to_the_rest(served: ServerProcess) -> None:
    with served.opened("/chat/stream", {"content": "@@script:text?n=30&delay=0.02@@"}) as stream:
        stream.read_until("thread.message.delta")
    seen = stream.events
    rest = served.get(f"{stream.run_path}/stream?after={seen[-1].seq}").events
    assert check(seen + rest).names[-1] == "thread.run.completed"
    assert text_of(seen + rest) == "".join(f" w{i}" for i in range(30))


@pytest.mark.parametrize("served", ["gevent, preloaded", "gthread, preloaded"], indirect=True)
def test_a_preloaded_app_runs_in_its_workers(served: ServerProcess) -> None:
    answers = [served.get("/processes", outside=True).json for _ in range(20)]
    assert {answer["built_in"] for answer in answers} == {served.process.pid}
    run = served.chat("hello").run
    (executed_in,) = re.findall(rf"^(\d+) INFO \S+: run started .*run_id={run['id']}\b", served.log, re.MULTILINE)
    assert int(executed_in) != served.process.pid


def test_a_preloaded_app_on_mongodb(mongodb_url: str, tmp_path: Path, played: UpstreamProcess) -> None:
    command = gunicorn("--preload", "--workers", "2")
    with serving(command, tmp_path, store=mongodb_url, upstream=played.base_url) as server:
        for _ in range(4):  # any worker
            assert server.chat("hello").run["status"] == "completed"


ONE_AT_A_TIME = "serves one request at a time"


def test_only_a_server_of_one_request_at_a_time_is_warned_about(served: ServerProcess) -> None:
    assert ONE_AT_A_TIME not in served.log


def test_gunicorns_default_worker_is_warned_about(played: UpstreamProcess, tmp_path: Path) -> None:
    with serving(("gunicorn", "--bind", "127.0.0.1:0", FACTORY), tmp_path, upstream=played.base_url) as server:
        for _stream in range(2):
            server.chat("hello")
        assert server.log.count(ONE_AT_A_TIME) == 1
