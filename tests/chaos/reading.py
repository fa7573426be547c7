"""A client that reads one run, over as many connections as it takes, and knows what it has seen."""

from __future__ import annotations

import http.client
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask_assistant_stream.protocol.dialects import ASSISTANTS
from tests.chaos.app import WORKER
from tests.server_process import PREFIX, ServerProcess

PATIENCE = 60.0
"""Seconds after which a test gives up; nothing that passes comes near it."""


class Refused(AssertionError):
    """The server has answered with another status than 200, and a body."""


@dataclass(frozen=True)
class Frame:
    """One event as it came: its number (0 for the end of an SSE stream), its name, all its bytes."""

    seq: int
    name: str
    data: bytes

    @property
    def object(self) -> dict[str, Any]:
        """What the event says."""
        if self.data.startswith(b"{"):
            found: dict[str, Any] = json.loads(self.data)["data"]
        else:
            found = json.loads(self.data.partition(b"\ndata: ")[2])
        return found

    @property
    def said(self) -> str:
        """The text that a delta adds."""
        if self.name != "thread.message.delta":
            return ""
        return "".join(part["text"]["value"] for part in self.object["delta"]["content"])


def frames_of(lines: Iterator[bytes]) -> Iterator[Frame]:
    """Cut the lines of a stream of either format into frames; a heartbeat is none, nor is what was broken off."""
    block = b""
    for line in lines:
        if line.startswith(b"{"):
            event = json.loads(line)
            yield Frame(event["seq"], event["event"], line)
        elif block and line == b"\n":
            fields = dict(one.split(b": ", 1) for one in block.splitlines())
            yield Frame(int(fields.get(b"id", 0)), fields[b"event"].decode(), block + line)
            block = b""
        elif line != b"\n" and not line.startswith(b":"):
            block += line


MADE: list[Reading] = []
"""All readings of a test, for its end."""


class Reading:
    """One run, read by one client.

    Attributes:
        frames: what came, in its order.
        times: when, by `time.monotonic`.
        connections: how many it took.
        workers: whom the connections were with.
        broken: the last connection ended as HTTP does not allow it to.
        thread_id, run_id: empty until the server has acknowledged the message.
    """

    def __init__(self, server: ServerProcess, form: str = "ndjson") -> None:
        self.server = server
        self.form = form
        self.frames: list[Frame] = []
        self.times: list[float] = []
        self.connections = 0
        self.broken = False
        self._read = b""
        self.workers: list[int] = []
        self.thread_id = self.run_id = ""
        self._connection: http.client.HTTPConnection | None = None
        self._answer: http.client.HTTPResponse | None = None
        MADE.append(self)

    # -- connections ---------------------------------------------------------------------------------------

    def ask(self, content: str, thread_id: str = "") -> Reading:
        """Send a message."""
        thread = {"threadId": thread_id} if thread_id else {}
        self._open("POST", f"/chat/stream?format={self.form}", json.dumps({"content": content, **thread}).encode())
        return self

    def join(self, thread_id: str, run_id: str, seconds: float = PATIENCE) -> Reading:
        """Read a run that is there from its begin."""
        self.thread_id, self.run_id = thread_id, run_id
        self.resume(seconds)
        return self

    def resume(self, seconds: float = PATIENCE) -> None:
        """Come back with the last number."""
        path = f"/threads/{self.thread_id}/runs/{self.run_id}/stream"
        self._open("GET", f"{path}?after={self.last}&format={self.form}", seconds=seconds)

    def drop(self, within: int = 0) -> None:
        """Break the connection off, `within` bytes into the next frame."""
        if within and self._answer is not None:
            with suppress(OSError, http.client.HTTPException):
                self._answer.read1(within)
        for half in (self._answer, self._connection):
            if half is not None:
                half.close()
        self._answer = self._connection = None
        self._read = b""

    def _open(self, method: str, path: str, body: bytes | None = None, seconds: float = PATIENCE) -> None:
        self.drop()
        place = urlsplit(self.server.origin)
        self._connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=seconds)
        self._connection.request(method, PREFIX + path, body)
        answer = self._connection.getresponse()
        if answer.status != 200:
            raise Refused(answer.status, answer.read())
        self.thread_id, self.run_id = answer.headers["X-Thread-Id"], answer.headers["X-Run-Id"]
        self.workers.append(int(answer.headers.get(WORKER, 0)))
        self.connections += 1
        self._answer = answer

    # -- reading -------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Frame]:
        """Read on until the connection ends, however it does."""
        self.broken = False
        try:
            for frame in frames_of(self._lines()):
                self.frames.append(frame)
                self.times.append(time.monotonic())
                yield frame
        except (OSError, http.client.HTTPException):
            self.broken = True

    def _lines(self) -> Iterator[bytes]:
        """Yield whole lines; `readline` would take a body that was cut off for one that ended."""
        assert self._answer is not None
        while True:
            while b"\n" in self._read:
                line, _, self._read = self._read.partition(b"\n")
                yield line + b"\n"
            more = self._answer.read1(1 << 16)
            if not more:
                return
            self._read += more

    def read(self, count: int = -1) -> None:
        """Read so many frames, or to the end of the connection."""
        while count and next(iter(self), None) is not None:
            count -= 1

    def read_until(self, wanted: Callable[[Frame], bool]) -> None:
        """Read up to a frame."""
        for frame in self:
            if wanted(frame):
                return
        raise AssertionError(f"the stream ended before it: {self.names[-3:]}")

    def read_to_end(self) -> None:
        """Read to the event that ends the stream, coming back as often as the connection breaks."""
        until = time.monotonic() + PATIENCE
        while True:
            self.read()
            if self.ended:
                return self.drop()
            assert time.monotonic() < until, f"run {self.run_id} has no end: {self.names[-3:]}"
            self.resume()

    # -- what was read -------------------------------------------------------------------------------------

    @property
    def events(self) -> list[Frame]:
        """The frames that are events."""
        return [frame for frame in self.frames if frame.seq]

    @property
    def last(self) -> int:
        """The last number."""
        return max((frame.seq for frame in self.frames), default=0)

    @property
    def names(self) -> list[str]:
        return [frame.name for frame in self.events]

    @property
    def ended(self) -> bool:
        """Whether the last event is one that ends a stream (and, in SSE, the stream has said so)."""
        names = self.names
        return bool(
            names and names[-1] in ASSISTANTS.stream_endings and (self.form == "ndjson" or not self.frames[-1].seq)
        )

    @property
    def body(self) -> bytes:
        """All frames' bytes, as if there had been one connection."""
        return b"".join(frame.data for frame in self.frames)

    @property
    def text(self) -> str:
        """The text of all deltas."""
        return "".join(frame.said for frame in self.frames)

    @property
    def doubled(self) -> int:
        """How many events came more than once."""
        return sum(count - 1 for count in Counter(frame.seq for frame in self.events).values())

    def lost(self, whole: Reading) -> int:
        """Count the events that another reader has and this one has not."""
        return len({frame.seq for frame in whole.events} - {frame.seq for frame in self.events})


def whole_run(reading: Reading) -> Reading:
    """Read a run that has ended from its begin, over one connection."""
    whole = Reading(reading.server, reading.form).join(reading.thread_id, reading.run_id)
    whole.read()
    whole.drop()
    return whole


def wait_for(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"in {seconds:g} seconds there was not: {what}"
        time.sleep(0.02)
