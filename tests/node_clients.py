"""The clients that front-ends and SDK users have: openai-node in three versions, and openai-python.

`node_decode` gives a stream's bytes, or the answer of a URL, to `AssistantStream.fromReadableStream`;
`python_decode` gives SSE bytes, or a running server, to openai-python's event handler.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.kinds import require

NODE_VERSIONS = ("4.46.0", "6.49.0", "7.57.0")
"""What the quickstart pins, the last of the tolerant ones, and the strict rewrite (`spec/clients.md#versions`)."""

NODE_DIRECTORY = Path(__file__).parent / "node"
HINT = "run `make test` once, or `npm ci --prefix tests/node` with Node 18 or newer"


def node_program() -> str:
    """Return the path of Node, or fail the test with what to install."""
    require("node")
    node = shutil.which("node")
    if node is None or not (NODE_DIRECTORY / "node_modules").is_dir():
        pytest.fail(f"Node or its packages are missing: {HINT}")
    return node


@dataclass(frozen=True)
class Decoded:
    """What a client made of one stream.

    Attributes:
        run: the final run, None where decoding failed.
        messages: the accumulated messages, in the order of their creation.
        steps: the accumulated run steps.
        events: what the `event` listener saw: `{"event", "data", "seq"}` each (no `seq` in Python).
        callbacks: names of the callbacks in the order of their firing.
        deltas: the text pieces that the text callback got.
        error: text of the error that the client raised, or None.
        status, content_type: of the HTTP answer, where a URL was decoded.
    """

    run: dict[str, Any] | None
    messages: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    events: list[dict[str, Any]]
    callbacks: list[str]
    deltas: list[str]
    error: str | None
    status: int | None = None
    content_type: str | None = None

    @property
    def names(self) -> list[str]:
        """Names of the events in order."""
        return [event["event"] for event in self.events]

    @property
    def seqs(self) -> list[int]:
        """Numbers of the events in order."""
        return [event["seq"] for event in self.events]

    @property
    def run_status(self) -> str | None:
        """Status of the final run."""
        return self.run["status"] if self.run else None

    @property
    def text(self) -> str:
        """Text of all accumulated messages."""
        parts = [part for message in self.messages for part in message["content"]]
        return "".join(part["text"]["value"] for part in parts if part["type"] == "text")


class NodeProcess:
    """A script of `tests/node` that takes a request a line and gives an answer a line, both JSON."""

    def __init__(self, script: str) -> None:
        command = [node_program(), script]
        self._process = subprocess.Popen(
            command, cwd=NODE_DIRECTORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._lock = threading.Lock()

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            pytest.fail(f"The Node process ended with {self._process.wait(10)}")
        answer: dict[str, Any] = json.loads(line)
        if "broken" in answer:
            pytest.fail(f"The Node side failed: {answer['broken']}")
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


class NodeDecoder(NodeProcess):
    """One Node process that holds all three clients."""

    def __init__(self) -> None:
        super().__init__("decode.mjs")

    def __call__(self, version: str, payload: bytes, *, chunk: int = 7, seconds: float = 20) -> Decoded:
        """Decode a stream's bytes, cut into pieces of `chunk` bytes."""
        encoded = base64.b64encode(payload).decode("ascii")
        return self._decoded({"version": version, "payload": encoded, "chunk": chunk, "seconds": seconds})

    def fetch(
        self,
        version: str,
        url: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        chunk: int = 7,
        seconds: float = 20,
    ) -> Decoded:
        """Decode a server's answer to a POST of `body` as JSON, or to a GET where there is none."""
        content = None if body is None else json.dumps(body)
        given = {"url": url, "body": content, "headers": dict(headers or {}), "chunk": chunk, "seconds": seconds}
        return self._decoded({"version": version, **given})

    def _decoded(self, request: dict[str, Any]) -> Decoded:
        answer = self.ask(request)
        answer["content_type"] = answer.pop("contentType")
        return Decoded(**answer)


@pytest.fixture(scope="session")
def node_decode() -> Iterator[NodeDecoder]:
    """Decode with openai-node: `node_decode(version, payload)` or `node_decode.fetch(version, url, body)`."""
    decoder = NodeDecoder()
    yield decoder
    decoder.close()


@pytest.fixture(params=NODE_VERSIONS)
def node_version(request: pytest.FixtureRequest) -> str:
    """Run the test once with each client version."""
    return str(request.param)


def node_script(name: str, *arguments: str, seconds: float = 120) -> Any:
    """Run a script of `tests/node` and return the JSON that it printed."""
    done = subprocess.run(
        [node_program(), name, *arguments], cwd=NODE_DIRECTORY, capture_output=True, encoding="utf-8", timeout=seconds
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@dataclass
class _Seen:
    events: list[dict[str, Any]] = field(default_factory=list)
    callbacks: list[str] = field(default_factory=list)
    deltas: list[str] = field(default_factory=list)


def recording_handler() -> tuple[Any, _Seen]:
    """Make an openai-python event handler that notes every callback, and what it notes them in."""
    from openai import AssistantEventHandler

    seen = _Seen()

    class Recording(AssistantEventHandler):
        def on_event(self, event: Any) -> None:
            data = event.data.model_dump(mode="json") if hasattr(event.data, "model_dump") else event.data
            seen.events.append({"event": event.event, "data": data})

        def on_text_delta(self, delta: Any, snapshot: Any) -> None:
            seen.callbacks.append("on_text_delta")
            seen.deltas.append(delta.value or "")

    def note(name: str) -> Callable[..., None]:
        return lambda self, *args: seen.callbacks.append(name)

    for name in dir(AssistantEventHandler):
        if name.startswith("on_") and name not in vars(Recording):
            setattr(Recording, name, note(name))
    return Recording(), seen


def python_decode(base_url: str, **request: Any) -> Decoded:
    """Stream a run with openai-python as users do, and return what its event handler made of the answer.

    Args:
        base_url: of the SDK face, `/v1` in it.
        request: arguments of `client.beta.threads.runs.stream`.
    """
    import openai

    handler, seen = recording_handler()
    error = None
    with warnings.catch_warnings(), openai.OpenAI(api_key="sk-test", base_url=base_url, max_retries=0) as client:
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            with client.beta.threads.runs.stream(event_handler=handler, **request) as stream:
                stream.until_done()
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
    run = handler.current_run
    messages = list(_dump(handler._AssistantEventHandler__message_snapshots))
    steps = list(_dump(handler._AssistantEventHandler__run_step_snapshots))
    dumped = run.model_dump(mode="json") if run else None
    return Decoded(dumped, messages, steps, seen.events, seen.callbacks, seen.deltas, error)


def _dump(snapshots: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for snapshot in snapshots.values():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # accumulated objects are not of the declared types
            yield snapshot.model_dump(mode="json")


def python_decode_sse(payload: bytes, *, chunk: int = 7) -> Decoded:
    """Decode SSE bytes with openai-python, sent in pieces of `chunk` bytes (`spec/clients.md#sse-decoders`)."""
    with _serving(payload, chunk) as base_url:
        return python_decode(base_url, thread_id="thread_1", assistant_id="asst_1")


@contextmanager
def _serving(payload: bytes, chunk: int) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.end_headers()
            for at in range(0, len(payload), chunk):
                self.wfile.write(payload[at : at + chunk])

        def log_message(self, format: str, *args: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()
