"""A real HTTP server that plays an upstream: `POST /v1/responses` answered by a script, faults included.

In a test, take the `upstream` fixture and queue replies, or name a script in the prompt; from other processes start
`python -m tests.fake_upstream --port 0` (fixture `upstream_process`) and name scripts in prompts:

    @@script:text?delay=0.02&cut=7@@        anywhere in the last user message
    X-Fake-Script: stall?after=3            the same as a request header
    upstream.play(reply, ...)               the next requests, in turn, before anything else

`SCRIPTS` lists the names. Options for all: `delay` (seconds between frames), `cut` (bytes per write), `newline`
(`lf`, `crlf`, `cr`), `events=0` (no `event:` lines), `comments=1`, `done=1` (a `[DONE]` at the end), `framing`
(`chunked`, `length`, `close`), `head_delay` (seconds before the status line), `repeat` (how often the text is said).
Every request is recorded and its body checked against the API's description; the fixtures fail on a violation.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gzip
import itertools
import json
import queue
import re
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qsl

import jsonschema
import pytest
from typing_extensions import Self

from flask_assistant_stream.engines.response_items import ResponseItems, container_file_citation, url_citation, usage
from tests.fake_files import CONTROL as FILES_CONTROL
from tests.fake_files import FakeFiles

SHARED = Path(__file__).resolve().parents[2] / "shared"
RECORDINGS = SHARED / "recordings"
DESCRIPTION = SHARED / "spec" / "openapi.anyof.json.gz"
TOP_LEVEL = frozenset(
    {
        *("model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "temperature", "top_p"),
        *("max_output_tokens", "metadata", "store", "stream", "stream_options", "include", "text", "reasoning"),
        *("truncation", "safety_identifier"),
    }
)
"""What the project may send: the description is open, so a wrong name would pass it."""

Body = dict[str, Any]


# ---- what a reply is made of ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pause:
    """Wait before the next frame."""

    seconds: float


@dataclass(frozen=True)
class Gate:
    """Wait until a test sets the event (in-process only)."""

    event: threading.Event


class Stall:
    """Say nothing more until the other side goes."""


class Reset:
    """Break off with a TCP reset."""


class CutOff:
    """Close in the middle of a chunk."""


Step = dict[str, Any] | bytes | Pause | Gate | Stall | Reset | CutOff


@dataclass(frozen=True)
class Reply:
    """One answer: items are framed as events, bytes go out as they are."""

    steps: Iterable[Step] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/event-stream; charset=utf-8"
    delay: float = 0.0
    head_delay: float = 0.0
    cut: int = 0
    newline: str = "lf"
    events: bool = True
    comments: bool = False
    done: bool = False
    framing: str = "chunked"

    def frames(self) -> Iterator[bytes | Pause | Gate | Stall | Reset | CutOff]:
        newline = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}[self.newline]
        for step in self.steps:
            if self.comments:
                yield b": still here" + newline + newline
            if isinstance(step, dict):
                line = b"event: " + step["type"].encode() + newline if self.events else b""
                data = json.dumps(step, separators=(",", ":")).encode()
                yield line + b"data: " + data + newline + newline
            else:
                yield step
            if self.delay:
                yield Pause(self.delay)
        if self.done:
            yield b"data: [DONE]" + newline + newline


def json_reply(value: object, status: int = 200, **more: Any) -> Reply:
    return Reply([json.dumps(value).encode()], status=status, content_type="application/json", **more)


def error_reply(status: int, message: str = "scripted", code: object = None, **headers: str) -> Reply:
    error = {"message": message, "type": "scripted_error", "param": None, "code": code}
    return json_reply({"error": error}, status, headers={n.replace("_", "-"): v for n, v in headers.items()})


def file_reply(path: Path, **more: Any) -> Reply:
    """Play a recorded stream, an event a frame, byte for byte."""
    blocks = path.read_bytes().replace(b"\r\n", b"\n").split(b"\n\n")
    return Reply([block + b"\n\n" for block in blocks if block.strip()], **more)


# ---- named scripts -------------------------------------------------------------------------------------------------

Options = dict[str, str]
SCRIPTS: dict[str, Callable[[Body, Options], Reply]] = {}
ANSWER = "The sun is *shining* in Łódź 🌞, and that is all I know."
CITED = "Travis likes pizza."


def script(play: Callable[[Body, Options], Reply]) -> Callable[[Body, Options], Reply]:
    SCRIPTS[play.__name__] = play
    return play


def _items(body: Body) -> ResponseItems:
    return ResponseItems(body, now=time.time)


def _pieces(text: str) -> list[str]:
    return re.findall(r"\s*\S+", text)


def _steps(body: Body, middle: Callable[[ResponseItems], Iterable[Step]]) -> Iterator[Step]:
    items = _items(body)
    yield from items.begin()
    yield from middle(items)
    yield items.complete(usage(11, 10))


def _some_text(body: Body, after: int, *end: Step) -> list[Step]:
    """Begin the answer, say `after` pieces of it, and go on with `end`."""
    items = _items(body)
    steps: list[Step] = [*items.begin()]
    pieces = (_pieces(ANSWER) * (after // 10 + 1))[:after]
    text = list(items.text(pieces))
    return [*steps, *text[: 2 + after], *end]


def _after(options: Options) -> int:
    return int(options.get("after", "3"))


@script
def text(body: Body, options: Options) -> Reply:
    """The plain answer; `n=500` says so many words instead, `say=…` these."""
    said = options.get("say", ANSWER)
    pieces = [f" w{i}" for i in range(int(options["n"]))] if "n" in options else _pieces(said)
    return Reply(_steps(body, lambda items: items.text(pieces * int(options.get("repeat", "1")))))


@script
def clock(body: Body, options: Options) -> Reply:
    """`n` words, each the moment in which it is said: nanoseconds since 1970."""
    moments = (f" {time.time_ns()}" for _ in range(int(options.get("n", "10"))))
    return Reply(_steps(body, lambda items: items.text(moments)))


@script
def after_tools(body: Body, options: Options) -> Reply:
    """What follows tool outputs, whatever the marker says: a text that quotes them."""
    outputs = [str(item.get("output")) for item in body["input"] if item.get("type") == "function_call_output"]
    return Reply(_steps(body, lambda items: items.text(_pieces("The tools said: " + " | ".join(outputs)))))


@script
def call(body: Body, options: Options) -> Reply:
    """One function call: `name` (the first declared tool by default), `arguments` (JSON)."""
    name, arguments = _function(body, options)
    cuts = [arguments[i : i + 6] for i in range(0, len(arguments), 6)]
    return Reply(_steps(body, lambda items: items.call(name, arguments, cuts)))


@script
def two_calls(body: Body, options: Options) -> Reply:
    """Text, then two calls of the same function."""
    name, arguments = _function(body, options)

    def middle(items: ResponseItems) -> Iterator[Step]:
        yield from items.text(_pieces("Let me look."))
        yield from items.call(name, arguments)
        yield from items.call(name, arguments)

    return Reply(_steps(body, middle))


@script
def calls(body: Body, options: Options) -> Reply:
    """The calls in `list`: JSON, a name and arguments each; with `loop=1` the same again whenever they are answered."""

    def middle(items: ResponseItems) -> Iterator[Step]:
        for name, arguments in json.loads(options["list"]):
            yield from items.call(name, json.dumps(arguments))

    return Reply(_steps(body, middle))


def _function(body: Body, options: Options) -> tuple[str, str]:
    declared = [tool["name"] for tool in body.get("tools") or () if tool.get("type") == "function"]
    name = options.get("name") or (declared[0] if declared else "get_weather")
    return name, options.get("arguments", '{"location":"San Francisco, CA"}')


@script
def file_search(body: Body, options: Options) -> Reply:
    """A search and a text with one citation before its full stop."""
    results = None
    if "file_search_call.results" in (body.get("include") or ()):
        found = {"file_id": "file-food", "filename": "food.txt", "score": 0.9, "text": "Travis: pizza"}
        results = [{**found, "attributes": {}, "vector_store_id": "vs_food"}]
    citation = {"type": "file_citation", "file_id": "file-food", "filename": "food.txt", "index": len(CITED) - 1}

    def middle(items: ResponseItems) -> Iterator[Step]:
        yield from items.file_search(["favourite food"], results)
        yield from items.text([*_pieces(CITED[:-1]), CITED[-1]], [citation])

    return Reply(_steps(body, middle))


@script
def cite(body: Body, options: Options) -> Reply:
    """Quote each source of the last message and its mark, a character at a time; with `call=1` behind a call."""
    sources = re.findall(r'<doc(\d+) file="[^"]*">\n(.*?)\n</doc\1>', _last_user_text(body), re.DOTALL)
    said = " ".join(f"{text} [doc{number}]." for number, text in sources) or "There are no sources [doc1]."
    if options.get("call") and not _ends_in_outputs(body):
        name, arguments = _function(body, options)
        return Reply(_steps(body, lambda items: items.call(name, arguments)))
    return Reply(_steps(body, lambda items: items.text(said)))


CODE = "open('plot.png', 'wb').write(plot)"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A PNG."""


@script
def code_interpreter(body: Body, options: Options) -> Reply:
    """Code with logs and a picture, and a text that cites a file and a picture of the container `cntr_1`.

    `made` is added to the ids of both.
    """
    outputs, made = None, options.get("made", "")
    if "code_interpreter_call.outputs" in (body.get("include") or ()):
        image = {"type": "image", "url": f"data:image/png;base64,{PIXEL}"}
        outputs = [{"type": "logs", "logs": "done\n"}, image]
    said = "Here is the table: sandbox:/mnt/data/table.csv"
    cited = [
        container_file_citation("cntr_1", f"cfile_table{made}", "table.csv", said.index("sandbox"), len(said)),
        container_file_citation("cntr_1", f"cfile_plot{made}", "plot.png", len(said), len(said)),
    ]

    def middle(items: ResponseItems) -> Iterator[Step]:
        yield from items.code_interpreter(CODE, outputs, [CODE[:9], CODE[9:]])
        yield from items.text(_pieces(said), cited)

    return Reply(_steps(body, middle))


@script
def hosted(body: Body, options: Options) -> Reply:
    """A search of the web, a call of an MCP server and a picture, then a text that cites a page."""
    said = "The sun shines (example.com)."

    def middle(items: ResponseItems) -> Iterator[Step]:
        yield from items.web_search("sunshine")
        yield from items.mcp_call("sky", "look_up", '{"where":"up"}', "blue")
        yield from items.image_generation(PIXEL)
        page = url_citation("https://example.com/sun", "Sun", said.index("("), len(said) - 1)
        yield from items.text(_pieces(said), [page])

    return Reply(_steps(body, middle))


@script
def mcp_approval(body: Body, options: Options) -> Reply:
    """The question whether a tool may be called; once it is answered, what became of it."""
    answers = [item for item in body["input"] if item.get("type") == "mcp_approval_response"]

    def middle(items: ResponseItems) -> Iterator[Step]:
        if not answers:
            yield from items.mcp_approval_request("sky", "look_up", '{"where":"up"}')
        elif answers[-1]["approve"]:
            yield from items.mcp_call("sky", "look_up", '{"where":"up"}', "blue")
            yield from items.text(_pieces("It is blue."))
        else:
            yield from items.text(_pieces("Then I do not know."))

    return Reply(_steps(body, middle))


@script
def thinking(body: Body, options: Options) -> Reply:
    """Summaries of thoughts where they were asked for, and an answer."""
    asked = (body.get("reasoning") or {}).get("summary")

    def middle(items: ResponseItems) -> Iterator[Step]:
        yield from items.reasoning([["First ", "this."], ["Then that."]] if asked else [])
        yield from items.text(_pieces("So be it."))

    return Reply(_steps(body, middle))


@script
def refusal(body: Body, options: Options) -> Reply:
    return Reply(_steps(body, lambda items: items.refusal(_pieces("I cannot help with that."))))


@script
def incomplete(body: Body, options: Options) -> Reply:
    """A text that ends early; `reason` is max_output_tokens or content_filter."""
    items = _items(body)
    steps: list[Step] = [*items.begin(), *items.text(_pieces(ANSWER)[:4])]
    return Reply([*steps, items.incomplete(options.get("reason", "max_output_tokens"), usage(11, 4))])


@script
def fail(body: Body, options: Options) -> Reply:
    """`response.failed` after some text."""
    code, message = options.get("code", "server_error"), options.get("message", "The model broke.")
    return Reply(_some_text(body, _after(options), _items(body).fail(code, message)))


@script
def error_flat(body: Body, options: Options) -> Reply:
    return Reply(_some_text(body, _after(options), _items(body).error("rate_limit_exceeded", "Slow down.")))


@script
def error_nested(body: Body, options: Options) -> Reply:
    """The production shape: a nested `error`, then `response.failed`."""
    items, code = _items(body), "rate_limit_exceeded"
    end = [items.error(code, "Slow down.", nested=True), items.fail(code, "Slow down.")]
    return Reply(_some_text(body, _after(options), *end))


@script
def failed_then_error(body: Body, options: Options) -> Reply:
    """Azure's order: `response.failed` without a reason, then the reason."""
    items = _items(body)
    bare = items.fail("", "")
    bare["response"]["error"] = None
    end: list[Step] = [bare, Pause(0.05), items.error("invalid_prompt", "Filtered.", nested=True)]
    return Reply(_some_text(body, _after(options), *end))


@script
def stall(body: Body, options: Options) -> Reply:
    return Reply(_some_text(body, _after(options), Stall()))


@script
def flood(body: Body, options: Options) -> Reply:
    """Say a word of `size` characters so many `times`, and then nothing more until the other side goes."""
    items, words = _items(body), [" " + "x" * int(options["size"])] * int(options["times"])
    return Reply([*items.begin(), *itertools.islice(items.text(words), 2 + len(words)), Stall()])


@script
def stall_head(body: Body, options: Options) -> Reply:
    """Take the request and never answer."""
    return Reply(head_delay=float("inf"))


@script
def reset(body: Body, options: Options) -> Reply:
    return Reply(_some_text(body, _after(options), Pause(0.05), Reset()))


@script
def cut_off(body: Body, options: Options) -> Reply:
    return Reply(_some_text(body, _after(options), CutOff()))


@script
def clean_eof(body: Body, options: Options) -> Reply:
    """End as a whole HTTP answer, without the terminal item."""
    return Reply(_some_text(body, _after(options)))


@script
def bad_json(body: Body, options: Options) -> Reply:
    return Reply(_some_text(body, _after(options), b'data: {"type":"response.output_text.delta","delta":"x\n\n'))


@script
def bad_utf8(body: Body, options: Options) -> Reply:
    broken = b'data: {"type":"response.output_text.delta","delta":"\xff\xfe"}\n\n'
    return Reply(_some_text(body, _after(options), broken))


@script
def late_eof(body: Body, options: Options) -> Reply:
    """Everything, terminal item included, and then no end of the answer."""
    return Reply([*_steps(body, lambda items: items.text(_pieces(ANSWER))), Stall()])


@script
def status(body: Body, options: Options) -> Reply:
    """A refusal: `code` is the HTTP status; `retry_after`, `message` and `error_code` fill it in."""
    headers = {"retry-after": options["retry_after"]} if "retry_after" in options else {}
    code, message = int(options.get("code", "500")), options.get("message", "scripted")
    return error_reply(code, message, options.get("error_code"), **headers)


@script
def json_error(body: Body, options: Options) -> Reply:
    """An error under the status 200."""
    return json_reply({"error": {"message": "No model loaded.", "code": None}})


@script
def html(body: Body, options: Options) -> Reply:
    page = b"<!doctype html><html><head><title>Sign in</title></head><body>Please</body></html>"
    return Reply([page], content_type="text/html", status=int(options.get("code", "200")))


@script
def redirect(body: Body, options: Options) -> Reply:
    return Reply(status=307, headers={"Location": "https://elsewhere.invalid/v1/responses"}, content_type="text/plain")


@script
def recording(body: Body, options: Options) -> Reply:
    """A stream of the shared recordings: `name=text`, `name=independent/tf-tool`; or any file by `path`."""
    return file_reply(Path(options["path"]) if "path" in options else RECORDINGS / f"{options['name']}.sse")


@script
def deviation(body: Body, options: Options) -> Reply:
    """A stream as another server tells it: `name`, one of those in `tests.deviations`."""
    from tests.deviations import DEVIATIONS, SILENCES

    make, _ = {**DEVIATIONS, **SILENCES}[options["name"]]
    return make()


# servers that take less than they are sent, and do less than they are asked


@script
def picky(body: Body, options: Options) -> Reply:
    """Refuse the first of the fields in `refuses` that the request has, in the words of a `kind` of server."""
    for name in options["refuses"].split(","):
        first, _, second = name.partition(".")
        if first in body and (not second or second in body[first]):
            return json_reply(_refusal(name, options.get("kind", "openai")), int(options.get("code", "400")))
    return text(body, options)


def _refusal(name: str, kind: str) -> object:
    said = f"Unsupported parameter: '{name}' is not supported with this model."
    return {
        "openai": {"error": {"message": said, "type": "invalid_request_error", "param": name, "code": None}},
        "vllm": {"error": {"message": said, "type": "BadRequestError", "param": None, "code": 400}},
        "transformers": {"detail": f"Unexpected fields in the request: {{'{name}'}}"},
        "pydantic": {"detail": [{"loc": ["body", *name.split(".")], "msg": "Extra inputs are not permitted"}]},
        "xai": {"code": "400", "error": f"Argument not supported: {name}"},
        "valued": {"error": {"message": f"Invalid value for '{name}': too large.", "param": name, "code": None}},
    }[kind]


@script
def full(body: Body, options: Options) -> Reply:
    """Refuse an input of more than `items` messages, in the words of vLLM."""
    limit = int(options.get("items", "3"))
    if len([item for item in body["input"] if "role" in item]) > limit:
        return error_reply(400, f"This model's maximum context length is {options.get('tokens', '8192')} tokens.")
    return text(body, options)


@script
def gone(body: Body, options: Options) -> Reply:
    """Refuse an input with `what` as the id or link of a part, by name unless `mute=1`."""
    what = options["what"]
    if json.dumps(what) not in json.dumps(body["input"]):
        return text(body, options)
    message = "The image could not be processed." if "mute" in options else f"Error while downloading {what}."
    return error_reply(400, message, "invalid_image_url")


@script
def bare_end(body: Body, options: Options) -> Reply:
    """Say everything, close all items, and end without the terminal event."""
    return Reply(list(_steps(body, lambda items: items.text(_pieces(ANSWER))))[:-1])


@script
def boundless(body: Body, options: Options) -> Reply:
    """Say `words` whatever `max_output_tokens` says; without an end where `stalls`."""
    items, words = _items(body), [" word"] * int(options["words"])
    said = list(items.text(words))
    if "stalls" in options:
        return Reply([*items.begin(), *said[: 2 + len(words)], Stall()])
    return Reply([*items.begin(), *said, items.complete(usage(11, len(words)))])


# ---- the server ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recorded:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: Any
    connection: int
    """A number per TCP connection: equal numbers mean it was kept alive."""


class FakeUpstream:
    """A threaded server on a free loopback port; use it as a context."""

    path = "/v1/responses"
    """What it answers; all else is not found, but for files."""

    def __init__(self, *, port: int = 0, tls: ssl.SSLContext | None = None, validate: bool = True) -> None:
        self.requests: list[Recorded] = []
        self.violations: list[str] = []
        self.models: object = None
        """What `GET /v1/models` answers."""
        self.gone = threading.Semaphore(0)
        """Released whenever a client disconnected before the end of its response."""
        self._validate = validate
        self.files = FakeFiles(described_violations if validate else lambda *_: [], self.violations)
        self._next: queue.SimpleQueue[Reply | str] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), self, tls)
        self.port: int = self._server.server_address[1]
        self.base_url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening and let every answer end."""
        self._closing.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    def play(self, *replies: Reply | str) -> None:
        """Queue answers for the next requests: replies, or scripts by name and options."""
        for reply in replies:
            self._next.put(reply)

    @property
    def connections(self) -> int:
        """Number of TCP connections that were opened."""
        return self._server.count

    def drop_idle(self) -> None:
        """Close every open connection, as a server does that has waited long enough."""
        self._server.close_connections()

    def check(self) -> None:
        """Fail if a request was not what the API takes."""
        assert not self.violations, "requests that the API would refuse:\n" + "\n".join(self.violations)

    def reply_to(self, request: Recorded) -> Reply:
        with contextlib.suppress(queue.Empty):
            queued = self._next.get_nowait()
            return queued if isinstance(queued, Reply) else play(queued, request.body)
        asked, marker = request.headers.get("x-fake-script"), _marker(request.body)
        if asked is None and _ends_in_outputs(request.body) and "loop=1" not in (marker or ""):
            asked = "after_tools"
        return play(asked or marker or "text", request.body)

    def note(self, request: Recorded) -> None:
        self.requests.append(request)
        if self._validate:
            self.violations += violations(request.body)


def play(line: str, body: Body) -> Reply:
    """Make the reply that `name?option=value&…` means."""
    name, _, query = line.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    reply = SCRIPTS[name](body, options)
    kinds: dict[str, Callable[[str], Any]] = {"delay": float, "head_delay": float, "cut": int, "newline": str}
    kinds |= {"framing": str, "events": _switch, "comments": _switch, "done": _switch}
    return replace(reply, **{name: kind(options[name]) for name, kind in kinds.items() if name in options})


def _switch(value: str) -> bool:
    return value not in ("0", "")


def _ends_in_outputs(body: Any) -> bool:
    last = body.get("input") if isinstance(body, dict) else None
    return isinstance(last, list) and bool(last) and last[-1].get("type") == "function_call_output"


def _marker(body: Any) -> str | None:
    """Find the script that the last user message names."""
    found = re.findall(r"@@script:(.+?)@@", _last_user_text(body))
    return found[-1] if found else None


def _last_user_text(body: Any) -> str:
    given = body.get("input") if isinstance(body, dict) else None
    if isinstance(given, str):
        return given
    for item in reversed(given or []):
        if item.get("role") == "user":
            content = item["content"]
            return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
    return ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], fake: FakeUpstream, tls: ssl.SSLContext | None) -> None:
        self.fake = fake
        self.tls = tls
        self.connections: dict[int, socket.socket] = {}
        self.count = 0
        super().__init__(address, _Connection)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is not None:
            request = self.tls.wrap_socket(request, server_side=True)
        try:
            super().finish_request(request, client_address)
        finally:
            with contextlib.suppress(OSError):
                request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)):
            super().handle_error(request, client_address)

    def close_connections(self) -> None:
        for connection in list(self.connections.values()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.count += 1
        self.number = self.server.count
        self.server.connections[self.number] = self.connection

    def finish(self) -> None:
        self.server.connections.pop(self.number, None)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_DELETE(self) -> None:
        if not self._files():
            self._answer(error_reply(404, f"No {self.path} here."))

    def _files(self) -> bool:
        """Answer what is about files and vector stores; whether it was."""
        files = self.server.fake.files
        if not files.serves(self.path):
            return False
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = files.answer(self.command, self.path, headers, cast(BinaryIO, self.rfile))
        with contextlib.suppress(OSError):
            if answer.cut or answer.stall:
                self._act(Stall() if answer.stall else Reset())
            else:
                reply = Reply([answer.body], answer.status, answer.headers, answer.content_type, framing="length")
                self._answer(reply)
        return True

    def do_GET(self) -> None:
        fake = self.server.fake
        if self._files():
            return
        if self.path == "/_control/requests":
            report = {"requests": [vars(request) for request in fake.requests], "violations": fake.violations}
            self._answer(json_reply(report, framing="length"))
        elif self.path == "/v1/models" and fake.models is not None:
            self._answer(fake.models if isinstance(fake.models, Reply) else json_reply(fake.models, framing="length"))
        else:
            self._answer(error_reply(404, f"No {self.path} here."))

    def do_POST(self) -> None:
        fake = self.server.fake
        if self._files():
            return None
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        body: Any = json.loads(raw) if raw else None
        if self.path == "/_control/play":
            fake.play(*body)
            return self._answer(json_reply({"queued": len(body)}, framing="length"))
        request = Recorded(self.path, {n.lower(): v for n, v in self.headers.items()}, body, self.number)
        if request.path.partition("?")[0] != fake.path:
            fake.requests.append(request)
            return self._answer(error_reply(404, f"No {self.path} here."))
        fake.note(request)
        reply = fake.reply_to(request)
        try:
            self._answer(reply if body.get("stream") else _at_once(reply))
        except OSError:
            self.close_connection = True
            fake.gone.release()
        return None

    def _answer(self, reply: Reply) -> None:
        if reply.head_delay and self._client_goes(reply.head_delay):
            raise ConnectionError
        framing = "length" if reply.status >= 300 else reply.framing
        frames: Iterator[Any] = reply.frames()
        if framing == "length":
            whole = list(frames)
            frames = iter(whole)
            self.length = sum(len(frame) for frame in whole if isinstance(frame, bytes))
        self._head(reply, framing)
        for frame in frames:
            if isinstance(frame, bytes):
                self._write(frame, reply.cut, framing)
            elif self._act(frame):
                return
        if framing == "chunked":
            self.wfile.write(b"0\r\n\r\n")
        elif framing == "close":
            self.close_connection = True

    def _head(self, reply: Reply, framing: str) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if framing == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif framing == "length":
            self.send_header("Content-Length", str(self.length))
        else:
            self.send_header("Connection", "close")
        self.end_headers()

    def _write(self, frame: bytes, cut: int, framing: str) -> None:
        size = cut or len(frame)
        for start in range(0, len(frame), size):
            piece = frame[start : start + size]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if framing == "chunked" else piece)

    def _act(self, step: object) -> bool:
        """Do what a step that is no frame says; whether the answer is over with it."""
        if isinstance(step, Pause):
            if self._client_goes(step.seconds):
                raise ConnectionError
            return False
        if isinstance(step, Gate):
            assert step.event.wait(30), "nobody opened the gate"
            return False
        self.close_connection = True
        if isinstance(step, Stall):
            if self._client_goes(float("inf")):
                raise ConnectionError
        elif isinstance(step, Reset):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.wfile.close()
            self.rfile.close()
            self.connection.close()
        elif isinstance(step, CutOff):
            self.wfile.write(b"400\r\ndata: {")
        return True

    def _client_goes(self, seconds: float) -> bool:
        """Wait so long, or until the client has gone or the server stops."""
        until = time.monotonic() + seconds
        while not self.server.fake._closing.is_set():
            left = until - time.monotonic()
            if left <= 0:
                return False
            if select.select([self.connection], [], [], min(left, 0.05))[0]:
                return not self.connection.recv(1)
        return True


def _at_once(reply: Reply) -> Reply:
    """Answer a request without `stream` with the response that the script ends in."""
    if reply.status != 200 or reply.content_type.startswith("application/json"):
        return reply
    responses = [step["response"] for step in reply.steps if isinstance(step, dict) and "response" in step]
    return json_reply(responses[-1], framing="length")


# ---- the API's description -----------------------------------------------------------------------------------------


@functools.cache
def _components() -> Any:
    """Read the description once per process; None where the shared material is missing."""
    if not DESCRIPTION.exists():
        return None
    with gzip.open(DESCRIPTION) as packed:
        components = json.load(packed)["components"]
    answer = components["schemas"]["MCPApprovalResponse"]  # it requires a property that it does not have
    answer["required"] = [name for name in answer["required"] if name in answer["properties"]]
    return components


@functools.cache
def _validator(name: str) -> Any:
    components = _components()
    if components is None:
        return None
    return jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": components})


def described(name: str) -> Any:
    """Return the validator of a component of the API's description."""
    validator = _validator(name)
    if validator is None:
        pytest.skip("shared material is missing")
    return validator


def violations(body: Any) -> list[str]:
    """Say what the API would refuse in a body of `POST /responses`."""
    if not isinstance(body, dict):
        return ["the body is not a JSON object"]
    found = [f"{name}: not a field that this project may send" for name in sorted(body.keys() - TOP_LEVEL)]
    validator = _validator("CreateResponse")
    if validator is not None:
        found += [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(body)]
    return found


def described_violations(name: str, body: Any) -> list[str]:
    """Say what the API would refuse in a body that is to be of a component of its description."""
    validator = _validator(name)
    return [] if validator is None else [f"{e.json_path}: {e.message[:300]}" for e in validator.iter_errors(body)]


# ---- fixtures and process ------------------------------------------------------------------------------------------


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    """A fake upstream in this process; the test fails if a request was not what the API takes."""
    with FakeUpstream() as fake:
        yield fake
    fake.check()


class UpstreamProcess:
    """A fake upstream in a process of its own, for server processes to talk to."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "tests.fake_upstream", "--port", "0", *options]
        root = Path(__file__).resolve().parents[1]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, cwd=root)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.base_url = f"http://127.0.0.1:{self.port}/v1"

    def told(self) -> dict[str, Any]:
        """Return `{"requests": [{path, headers, body, connection}], "violations": [text]}`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_control/requests", timeout=10) as answer:
            told: dict[str, Any] = json.load(answer)
        return told

    def play(self, *scripts: str) -> None:
        """Queue scripts, `name?options`, for the next requests."""
        data = json.dumps(scripts).encode()
        urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_control/play", data, timeout=10).close()

    def control_files(self, **what: Any) -> dict[str, Any]:
        """Set `indexing_reads`, `outcomes`, `containers` or failures (`fail=[{"route": …}]`); return `told_files()`."""
        url, data = f"http://127.0.0.1:{self.port}{FILES_CONTROL}", json.dumps(what).encode() if what else None
        with urllib.request.urlopen(url, data, timeout=10) as answer:
            told: dict[str, Any] = json.load(answer)
        return told

    def told_files(self) -> dict[str, Any]:
        """Return `{"counts": {route: n}, "files": [id], "vector_stores": {id: [file id]}}`."""
        return self.control_files()

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def upstream_process() -> Iterator[UpstreamProcess]:
    """A fake upstream as a process; the test fails if a request was not what the API takes."""
    process = UpstreamProcess()
    try:
        yield process
        found = process.told()["violations"]
    finally:
        process.stop()
    assert not found, "requests that the API would refuse:\n" + "\n".join(found)


def main() -> None:
    parser = argparse.ArgumentParser(description="A fake upstream; prints its port.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--no-validate", action="store_true")
    arguments = parser.parse_args()
    with FakeUpstream(port=arguments.port, validate=not arguments.no_validate) as fake:
        print(fake.port, flush=True)
        sys.stdin.read()  # the parent's end of the pipe: nobody is left behind when it dies


if __name__ == "__main__":
    from tests import fake_upstream

    fake_upstream.main()  # once, under the name by which other modules know its classes
