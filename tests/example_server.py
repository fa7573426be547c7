"""The example app as a process of its own, started the way users start it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask_assistant_stream.example import PREFIX
from tests.kinds import require

START_SECONDS = 30
FOREIGN = ("OPENAI_", "ASSISTANT_", "FLASK_", "MONGODB_", "HOST", "PORT")
"""Variables of whoever runs the tests that must not reach the server."""


def clean_environment(**given: str) -> dict[str, str]:
    """Return this process's environment without settings of the package, and with those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "PYTHONUNBUFFERED": "1", **given}


@dataclass
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The body as NDJSON events."""
        return [json.loads(line) for line in self.body.splitlines() if line]

    @property
    def names(self) -> list[str]:
        """Names of the events."""
        return [event["event"] for event in self.events]

    def data(self, name: str) -> Any:
        """Return the object of the first event of that name."""
        return next(event["data"] for event in self.events if event["event"] == name)


@dataclass
class ExampleServer:
    """A running example app."""

    process: subprocess.Popen[str]
    printed: list[str] = field(default_factory=list)
    url: str = ""

    def request(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request below the blueprint's prefix; nothing is added to `headers` but what HTTP needs."""
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=START_SECONDS)
        try:
            content = None if body is None else json.dumps(body).encode()
            connection.request(method, place.path + path, content, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    @contextmanager
    def opened(self, body: object) -> Iterator[http.client.HTTPResponse]:
        """Send a message and give the answer while it streams."""
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=START_SECONDS)
        try:
            connection.request("POST", f"{place.path}/chat/stream", json.dumps(body).encode())
            yield connection.getresponse()
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: object, **headers: str) -> Answer:
        """POST a body as JSON, without Content-Type unless one is given."""
        return self.request("POST", path, body, headers)

    def stop(self) -> int:
        """Ask the process to end and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_SECONDS)


@contextmanager
def example_server(instance: Path, *arguments: str, **environment: str) -> Iterator[ExampleServer]:
    """Run `python -m flask_assistant_stream` on a free port; `printed` is what it has said so far."""
    with _running(["flask_assistant_stream", "--port", "0", *arguments], instance, environment) as server:
        yield server


@contextmanager
def gunicorn_server(instance: Path, *arguments: str, **environment: str) -> Iterator[ExampleServer]:
    """Run the example app on gunicorn's gevent workers on a free port."""
    factory = "flask_assistant_stream.example:create_example_app(host='127.0.0.1')"
    given = ["gunicorn", "--bind", "127.0.0.1:0", "--worker-class", "gevent", *arguments, factory]
    with _running(given, instance, environment) as server:
        yield server


@contextmanager
def _running(module: list[str], instance: Path, environment: Mapping[str, str]) -> Iterator[ExampleServer]:
    require("slow")
    given = {"ASSISTANT_INSTANCE": str(instance), "ASSISTANT_OFFLINE_DELAY_SECONDS": "0", **environment}
    with subprocess.Popen(
        [sys.executable, "-m", *module],
        env=clean_environment(**given),
        cwd=instance.parent,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        server = ExampleServer(process)
        ready = threading.Event()
        reader = threading.Thread(target=_read, args=(server, ready))
        reader.start()
        try:
            ready.wait(START_SECONDS)
            assert server.url, "".join(server.printed)
            yield server
        finally:
            process.terminate()
            reader.join()


def _read(server: ExampleServer, ready: threading.Event) -> None:
    """Keep what the process prints; its address is in `Serving URL` or gunicorn's `Listening at: URL (pid)`."""
    assert server.process.stdout is not None
    for line in server.process.stdout:
        server.printed.append(line)
        if line.startswith("Serving "):
            server.url = line.split()[1]
        elif "Listening at: " in line:
            server.url = line.split("Listening at: ")[1].split()[0] + PREFIX
        if line.startswith("Ready") or "Booting worker" in line:
            ready.set()
    ready.set()
