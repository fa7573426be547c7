"""A host app under a real WSGI server, as a process of its own on a free port.

`serving(command, store_url=…, upstream=…)` runs one; the log of each that a failed test has used is shown with the
failure. Whoever stops one also learns whether it said anything that it should not: no stack trace, no secret.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.testing.decode import decode_ndjson
from tests.example_server import clean_environment
from tests.kinds import require

ROOT = Path(__file__).resolve().parents[1]
PREFIX = "/api/assistants"
KEY = "sk-of-the-upstream-0123456789"
"""The key that servers send upstream; it must never come out of them."""

START_SECONDS = 60
STOP_SECONDS = 30
ANSWER_SECONDS = 30
_LISTENS = re.compile(r"(?:Listening at:|Running on|Serving) (http://127\.0\.0\.1:\d+)")

GEVENT = ("gunicorn", "--bind", "127.0.0.1:0", "--worker-class", "gevent", "--graceful-timeout", "5")
GTHREAD = ("gunicorn", "--bind", "127.0.0.1:0", "--worker-class", "gthread", "--threads", "16")
FACTORY = "tests.stack.app:create_app()"
UNHOSTED = (*GEVENT, "tests.stack.app:create_app(hosted=False)")
"""The same app without tools that the upstream runs by itself."""
FLASK_RUN = ("flask", "--app", "tests.stack.app", "run", "--port", "0", "--no-reload")
EXAMPLE = ("flask_assistant_stream", "--port", "0")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def events(self) -> list[Event]:
        """The body as NDJSON events."""
        assert self.status == 200, self.body
        return decode_ndjson(self.body)

    @property
    def run(self) -> dict[str, Any]:
        """The run as its last event left it."""
        return run_of(self.events)


def run_of(events: list[Event]) -> dict[str, Any]:
    """Return the run as its last event left it."""
    names = ("thread.run.created", "thread.run.queued", "thread.run.in_progress", *RUN_STOPS)
    return next(event.object() for event in reversed(events) if event.name in names)


RUN_STOPS = tuple(
    f"thread.run.{status}"
    for status in ("requires_action", "completed", "incomplete", "failed", "cancelled", "expired")
)


class OpenStream:
    """An answer while it streams."""

    def __init__(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        self._answer = answer
        self._connection = connection
        self._socket: socket.socket = connection.sock
        self.headers = answer.headers
        self.body = b""
        assert answer.status == 200, answer.read()

    @property
    def run_path(self) -> str:
        """Where the run is, below the prefix."""
        return f"/threads/{self.headers['X-Thread-Id']}/runs/{self.headers['X-Run-Id']}"

    def read_until(self, event: str) -> None:
        """Read up to and with the first line that holds an event of that name."""
        for line in self._answer:
            self.body += line
            if b'"event":"%s"' % event.encode() in line:
                return
        raise AssertionError(f"the stream ended before {event}: {self.body!r}")

    def lines(self) -> Iterator[bytes]:
        """Read to the end, line by line as they come; a heartbeat is an empty one."""
        for line in self._answer:
            self.body += line
            yield line

    def read_bytes(self) -> bytes:
        """Read to the end and return everything since the begin."""
        self.body += self._answer.read()
        return self.body

    @property
    def events(self) -> list[Event]:
        """What was read so far, which must be NDJSON and whole."""
        return decode_ndjson(self.body)

    def read_events(self) -> list[Event]:
        """Read to the end and return all events since the begin."""
        self.read_bytes()
        return self.events

    def worker(self, server: ServerProcess) -> int:
        """Return the process id of the worker that serves this stream: it has the other end of the connection."""
        ours, theirs = (f":{name[1]:04X}" for name in (self._socket.getsockname(), self._socket.getpeername()))
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        inode = next(line[9] for line in lines if line[1].endswith(theirs) and line[2].endswith(ours))
        for worker in server.workers:
            for link in Path(f"/proc/{worker}/fd").iterdir():
                with suppress(OSError):  # closed meanwhile
                    if os.readlink(link) == f"socket:[{inode}]":
                        return worker
        raise AssertionError("no worker has this connection")

    def leave(self) -> None:
        """Close the connection, as a page does that is closed."""
        self._connection.close()
        self._answer.close()  # where it is the last of its connection, the connection is its own


class ServerProcess:
    """A running server; requests go below the blueprint's prefix."""

    def __init__(self, process: subprocess.Popen[bytes], log_file: Path, prefix: str = PREFIX) -> None:
        self.process = process
        self.log_file = log_file
        self.prefix = prefix
        self.origin = ""

    @property
    def log(self) -> str:
        """All that the process and its workers have said."""
        return self.log_file.read_text(errors="replace")

    @property
    def workers(self) -> list[int]:
        """The process ids of gunicorn's workers."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def resident_kilobytes(self, pid: int) -> int:
        """Return the resident memory of a worker, or of the server's own process."""
        return int(re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0])

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        origin: str | None = None,
        outside: bool = False,
    ) -> Answer:
        """Send a request and read its answer to the end.

        Args:
            body: bytes go as they are, an iterator of bytes chunked, all else as JSON.
            origin: the header of that name.
            outside: the path is the app's own.
        """
        connection = self.connect()
        given = {**(headers or {}), **({} if origin is None else {"Origin": origin})}
        try:
            connection.request(method, ("" if outside else self.prefix) + path, _content(body), given)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **options: Any) -> Answer:
        """GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, body: object = None, **options: Any) -> Answer:
        """POST."""
        return self.request("POST", path, body, **options)

    def chat(self, content: str, *, path: str = "/chat/stream", headers: Any = None, **rest: Any) -> Answer:
        """Send a message and read its answer to the end."""
        answer = self.post(path, {"content": content, **rest}, headers=headers)
        assert answer.status == 200, answer.body
        return answer

    def open(self, path: str, body: object = None, *, headers: Mapping[str, str] | None = None) -> OpenStream:
        """Open a stream, with a POST where there is a body; whoever opens it leaves it."""
        connection, method = self.connect(), "GET" if body is None else "POST"
        connection.request(method, self.prefix + path, _content(body), dict(headers or {}))
        return OpenStream(connection, connection.getresponse())

    @contextmanager
    def opened(
        self, path: str, body: object = None, *, headers: Mapping[str, str] | None = None
    ) -> Iterator[OpenStream]:
        """Open a stream and leave it with the context."""
        stream = self.open(path, body, headers=headers)
        try:
            yield stream
        finally:
            stream.leave()

    def answered(self, run: Mapping[str, Any], output: str, *, path: str = "") -> Answer:
        """Answer all calls that a run waits for, and read what follows to the end."""
        calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
        outputs = [{"tool_call_id": call["id"], "output": output} for call in calls]
        body = {"runId": run["id"], "toolCallOutputs": outputs}
        return self.post(f"/threads/{run['thread_id']}/actions{path}", body)

    def messages(self, thread_id: str) -> list[dict[str, Any]]:
        """Return the history of a thread, oldest first."""
        data: list[dict[str, Any]] = self.get(f"/threads/{thread_id}/messages?order=asc&limit=100").json["data"]
        return data

    def stop(self) -> int:
        """Ask the server to end, wait for it, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
            raise AssertionError(f"the server did not end within {STOP_SECONDS} seconds:\n{self.log}") from None

    def check_log(self) -> None:
        """Fail if the log holds what no log may hold: a stack trace, a key, an owner, what anybody has written."""
        said = self.log
        for never in ("Traceback", KEY, "anna", "@@script", "The sun is", "secret-that-an-exception-quotes"):
            assert never not in said, said

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection to the server, which the caller closes."""
        place = urlsplit(self.origin)
        return http.client.HTTPConnection(place.hostname or "", place.port, timeout=ANSWER_SECONDS)


def texts(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return role and text of messages."""
    return [(one["role"], "".join(_said(part) for part in one["content"])) for one in messages]


def _said(part: dict[str, Any]) -> str:
    return str(part["text"]["value"] if part["type"] == "text" else part["refusal"])


def _content(body: object) -> Any:
    if body is None or isinstance(body, (bytes, Iterator)):
        return body
    return json.dumps(body).encode()


@contextmanager
def serving(
    command: tuple[str, ...],
    where: Path,
    *,
    store: str = "",
    upstream: str = "",
    prefix: str = PREFIX,
    **environment: str,
) -> Iterator[ServerProcess]:
    """Run `python -m` with a command until the context is left, and look at its log then.

    Args:
        command: module and arguments.
        where: a folder for what the server keeps; its store is there unless `store` is given.
        store: a store URL.
        upstream: the base URL of the upstream.
        prefix: of the blueprint.
        environment: further settings.
    """
    require("slow")
    where.mkdir(parents=True, exist_ok=True)
    given = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": upstream,
        "ASSISTANT_UPSTREAM_PROFILE": "openai" if upstream else "",  # what the fake upstream plays
        "ASSISTANT_STORE": store or f"sqlite:///{where / 'store.sqlite3'}",
        "ASSISTANT_INSTANCE": str(where / "instance"),
        "ASSISTANT_TITLES": "off",  # the upstream is asked for what a test asks, unless it asks for titles
        **environment,
    }
    log_file = where / f"server-{len(list(where.glob('server-*.log')))}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=clean_environment(**given),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = ServerProcess(process, log_file, prefix)
    try:
        _wait_ready(server)
        yield server
    finally:
        server.stop()
    server.check_log()


def gunicorn(*arguments: str) -> tuple[str, ...]:
    """Return the command that serves the app of these tests on gevent workers."""
    return (*GEVENT, *arguments, FACTORY)


def _wait_ready(server: ServerProcess) -> None:
    """Wait until a worker answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        listens = _LISTENS.search(server.log)
        if listens:
            server.origin = listens[1]
            assert server.get("/health").status == 200
            return
        time.sleep(0.02)
    raise AssertionError(f"the server did not start:\n{server.log}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the servers that a failed test has used."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, ServerProcess) and value.log_file.exists():
                report.sections.append((f"log of {name}", os.linesep.join(value.log.splitlines()[-20:])))
    return report
