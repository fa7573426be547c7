"""`python -m flask_assistant_stream` as a user runs it: a process, a port, an instance folder."""

from __future__ import annotations

import json
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.example_server import Answer, ExampleServer, clean_environment, example_server
from tests.fake_upstream import UpstreamProcess

pytestmark = pytest.mark.slow

CHAT = "/chat/stream"
HELLO = {"content": "hello"}
STOP_SECONDS = 5
"""What SIGTERM gives to runs."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleServer]:
    with example_server(tmp_path_factory.mktemp("instance")) as running:
        yield running


def thread_of(answer: Answer) -> str:
    return str(answer.data("thread.run.created")["thread_id"])


def texts(messages: Answer) -> list[tuple[str, str]]:
    """Return role and text of each message of a history."""
    return [(message["role"], message["content"][0]["text"]["value"]) for message in messages.json["data"]]


@pytest.mark.parametrize("sent_as", ["", "application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_a_message_streams_an_answer(server: ExampleServer, sent_as: str) -> None:
    """The last type is what curl, as the server prints it, sends with any body."""
    assert any(line.strip().startswith("curl -N -d") and server.url in line for line in server.printed)
    answer = server.post(CHAT, HELLO, **({"Content-Type": sent_as} if sent_as else {}))
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
    assert (answer.names[0], answer.names[-1]) == ("thread.created", "thread.run.completed")
    assert [event["seq"] for event in answer.events] == list(range(1, len(answer.events) + 1))


def test_the_declared_tool_waits_for_its_output(server: ExampleServer) -> None:
    asked = server.post(CHAT, {"content": '/get_weather {"location":"Paris"}'})
    assert asked.names[-1] == "thread.run.requires_action"
    run = asked.data("thread.run.requires_action")
    (call,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"location": "Paris"}
    outputs = [{"tool_call_id": call["id"], "output": "21 degrees"}]
    rest = server.post(f"/threads/{run['thread_id']}/actions", {"runId": run["id"], "toolCallOutputs": outputs})
    assert rest.names[-1] == "thread.run.completed"


def test_history_outlives_the_server(tmp_path: Path) -> None:
    with example_server(tmp_path) as first:
        thread = thread_of(first.post(CHAT, HELLO))
        second = first.post(CHAT, {"content": "and again", "threadId": thread})
        assert thread_of(second) == thread
        assert "thread.created" not in second.names
        before = texts(first.get(f"/threads/{thread}/messages?order=asc"))
        assert first.stop() == 0
    with example_server(tmp_path) as later:
        after = texts(later.get(f"/threads/{thread}/messages?order=asc"))
    assert [role for role, _ in after] == ["user", "assistant", "user", "assistant"]
    assert [text for role, text in after if role == "user"] == ["hello", "and again"]
    assert after == before


def test_the_api_key_is_printed_once_and_has_the_same_owner(tmp_path: Path) -> None:
    with example_server(tmp_path) as first:
        key = (tmp_path / "api_key").read_text()
        assert any(key in line for line in first.printed)
        assert f'  client = OpenAI(base_url="{first.url}/v1", api_key="{key}")\n' in first.printed
        thread = thread_of(first.post(CHAT, HELLO))
        assert first.get(f"/threads/{thread}", Authorization=f"Bearer {key}").status == 200
        assert first.get(f"/threads/{thread}", Authorization="Bearer wrong").status == 401
    with example_server(tmp_path) as second:
        assert second.get(f"/threads/{thread}", Authorization=f"Bearer {key}").status == 200
        assert not any(key in line for line in second.printed)


def test_the_instance_folder_is_for_its_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    with example_server(folder) as server:
        server.post(CHAT, HELLO)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {"api_key", "secret_key"} < set(modes), "the database is there as well"
    assert set(modes.values()) == {0o600}


def test_with_a_key_the_upstream_answers(tmp_path: Path, upstream_process: UpstreamProcess) -> None:
    settings = {"OPENAI_API_KEY": "sk-upstream", "OPENAI_BASE_URL": upstream_process.base_url, "ASSISTANT_MODEL": "m"}
    with example_server(tmp_path, ASSISTANT_TITLES="off", **settings) as server:
        answer = server.post(CHAT, {"content": "@@script:text@@"})
        assert answer.names[-1] == "thread.run.completed"
        (sent,) = upstream_process.told()["requests"]
        assert sent["path"] == "/v1/responses"
        assert [tool["name"] for tool in sent["body"]["tools"]] == ["get_weather", "current_time"]
        assert any(line.startswith("Engine openai") for line in server.printed)
        assert not any("sk-upstream" in line for line in server.printed)


def test_with_a_mongodb_uri_the_threads_are_there(tmp_path: Path, mongodb_url: str) -> None:
    with example_server(tmp_path, MONGODB_URI=mongodb_url) as first:
        thread = thread_of(first.post(CHAT, HELLO))
        assert any("store mongodb" in line for line in first.printed)
        assert first.stop() == 0
    assert {path.name for path in tmp_path.iterdir()} == {"api_key", "secret_key"}
    with example_server(tmp_path, MONGODB_URI=mongodb_url) as second:
        assert texts(second.get(f"/threads/{thread}/messages?order=asc"))[0] == ("user", "hello")


def test_a_host_name_that_is_not_this_machine_is_refused(server: ExampleServer) -> None:
    """A page elsewhere that rebinds its own name to 127.0.0.1 must not read anything."""
    assert server.get("/threads", Host="evil.example").status == 400
    assert server.get("/threads", Host="localhost:5000").status == 200


def test_keys_from_the_environment_replace_the_kept_one(tmp_path: Path) -> None:
    with example_server(tmp_path, ASSISTANT_API_KEYS="sk-mine=local") as server:
        assert server.get("/threads", Authorization="Bearer sk-mine").status == 200
        assert not (tmp_path / "api_key").exists()


def refusal(tmp_path: Path, *arguments: str, **environment: str) -> str:
    """Return the output of a server that cannot start."""
    command = [sys.executable, "-m", "flask_assistant_stream", *arguments]
    environ = clean_environment(ASSISTANT_INSTANCE=str(tmp_path), **environment)
    answer = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    return answer.stderr


def test_other_machines_come_in_by_choice_only(tmp_path: Path) -> None:
    said = refusal(tmp_path, "--host", "0.0.0.0", "--port", "0")
    assert "ASSISTANT_OWNER" in said
    assert "ASSISTANT_API_KEYS" in said


def test_with_an_owner_any_address_is_served(tmp_path: Path) -> None:
    with example_server(tmp_path, "--host", "0.0.0.0", ASSISTANT_OWNER="session") as server:
        server.url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert server.post(CHAT, HELLO, Host="chat.example").names[-1] == "thread.run.completed"
        assert not (tmp_path / "api_key").exists()


def test_a_taken_port_and_an_invalid_setting_are_named(tmp_path: Path) -> None:
    assert "ASSISTANT_HEARTBEAT_SECONDS" in refusal(tmp_path, ASSISTANT_HEARTBEAT_SECONDS="soon")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert re.search(rf"address.*{port}", refusal(tmp_path, "--port", str(port)), re.IGNORECASE)


def test_a_stopped_server_lets_the_open_stream_end(tmp_path: Path) -> None:
    with example_server(tmp_path, ASSISTANT_OFFLINE_DELAY_SECONDS="0.02") as server:
        with server.opened(HELLO) as answer:
            wait_for_delta(answer)
            server.process.send_signal(signal.SIGTERM)
            assert json.loads(answer.read().splitlines()[-1])["event"] == "thread.run.completed"
        assert server.process.wait(30) == 0
        assert not any("Traceback" in line for line in server.printed)


def wait_for_delta(answer: HTTPResponse) -> None:
    while b"thread.message.delta" not in answer.readline():
        pass


def names(answer: HTTPResponse) -> list[str]:
    """Return the names of the remaining events."""
    return [json.loads(line)["event"] for line in answer.read().splitlines() if line]


def test_interrupting_ends_without_a_trace(tmp_path: Path) -> None:
    with example_server(tmp_path, ASSISTANT_OFFLINE_DELAY_SECONDS="1") as server, server.opened(HELLO) as answer:
        wait_for_delta(answer)
        server.process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        assert (names(answer)[-1], server.process.wait(30)) == ("thread.run.failed", 0)
        assert time.monotonic() - begun < STOP_SECONDS / 2, "at once"
        assert not any("Traceback" in line for line in server.printed)


@pytest.mark.parametrize("impatient", [False, True])
def test_a_run_that_does_not_end_in_time_is_interrupted(tmp_path: Path, impatient: bool) -> None:
    """Its reader sees the end, and after a restart its thread accepts the next message at once."""
    with example_server(tmp_path, ASSISTANT_OFFLINE_DELAY_SECONDS="1") as server, server.opened(HELLO) as answer:
        thread_id = answer.headers["X-Thread-Id"]
        wait_for_delta(answer)
        server.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        if impatient:
            time.sleep(0.3)
            server.process.send_signal(signal.SIGINT)
        assert (names(answer)[-1], server.process.wait(30)) == ("thread.run.failed", 0)
        assert time.monotonic() - begun < (STOP_SECONDS / 2 if impatient else STOP_SECONDS + 1)
        assert not any("Traceback" in line for line in server.printed)
    with example_server(tmp_path) as later:
        newest = later.get(f"/threads/{thread_id}/messages").json["data"][0]
        assert (newest["role"], newest["status"]) == ("assistant", "incomplete")
        begun = time.monotonic()
        assert later.post(CHAT, {"content": "hello", "threadId": thread_id}).names[-1] == "thread.run.completed"
        assert time.monotonic() - begun < 5, "less than the lease"
