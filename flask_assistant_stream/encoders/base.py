"""The contract of a stream format: an encoder is made for each response and turns numbered events into frames."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from ..errors import AssistantStreamError
from ..protocol.events import Event

ALL_FRAMES = 2**53 - 1


class Position(NamedTuple):
    """The place behind which a stream starts: the client has event `seq` up to its frame `frame`, counted from 0."""

    seq: int = 0
    frame: int = ALL_FRAMES

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """Read `seq` (all frames of that event) or `seq.frame`; return None for any other text."""
        match = re.fullmatch(r"([0-9]{1,16})(?:\.([0-9]{1,16}))?", text)
        return match and cls(int(match[1]), ALL_FRAMES if match[2] is None else int(match[2]))

    def __str__(self) -> str:
        return f"{self.seq}" if self.frame == ALL_FRAMES else f"{self.seq}.{self.frame}"


FIRST = Position()
"""The client has nothing."""


@dataclass(frozen=True, slots=True)
class StreamStart:
    """What a response streams; if `resumed`, it continues another one at `position` and has no `begin`."""

    run_id: str = ""
    thread_id: str = ""
    position: Position = FIRST
    resumed: bool = False


FROM_FIRST_EVENT = StreamStart()


class Encoder(ABC):
    """One stream format. The same events give the same bytes, in any batches and on any worker.

    A response is `begin`, the frames of the events, and `end` or `error`, with heartbeats between frames.

    Attributes:
        name: the value of `?format=`.
        media_type: the type in `Accept` that selects this format; empty for none.
        content_type: the response header.
        headers: more response headers.
        heartbeat: bytes that every decoder of this format ignores (`spec/assistants.md#heartbeats`).
        numbers_frames: a client may resume within an event, at `seq.frame`.
    """

    name: str
    media_type: str = ""
    content_type: str
    headers: Mapping[str, str] = MappingProxyType({})
    heartbeat: bytes
    numbers_frames: bool = False

    def __init__(self, start: StreamStart = FROM_FIRST_EVENT) -> None:
        self.start = start

    def reads_after(self) -> int:
        """Return the number of the event behind which the log is read for this response."""
        return self.start.position.seq

    def begin(self) -> bytes:
        """Return the bytes before the first event; a resumed response does not have them."""
        return b""

    @abstractmethod
    def encode(self, events: Sequence[Event]) -> bytes:
        """Return the frames of consecutive events, or of events that are not in the log and have number 0."""

    def error(self, error: AssistantStreamError) -> bytes:  # noqa: ARG002
        """Return the last bytes of a stream that breaks off; the run may continue. Empty: the stream just stops.

        Args:
            error: its message is safe to show to the client.
        """
        return b""

    def end(self) -> bytes:
        """Return the last bytes of a complete stream."""
        return b""


class StatefulEncoder(Encoder):
    """A format whose frames depend on earlier events: it reads the log from the start, and skips what the client has.

    The state changes in `frames` alone, so it is the same wherever a client resumes.
    """

    numbers_frames = True

    def reads_after(self) -> int:
        return 0

    def encode(self, events: Sequence[Event]) -> bytes:
        """Return the frames behind the start position."""
        return b"".join(
            self.positioned(frame, Position(event.seq, number)) if event.seq else frame
            for event in events
            for number, frame in enumerate(self.frames(event))
            if not event.seq or (event.seq, number) > self.start.position
        )

    @abstractmethod
    def frames(self, event: Event) -> Iterable[bytes]:
        """Return the frames of one event, none or several, and update the state."""

    def positioned(self, frame: bytes, position: Position) -> bytes:
        """Return a frame with its position; a server-sent event has it as its `id`."""
        return b"id: %s\n%s" % (str(position).encode("ascii"), frame)


class Wrapper(Encoder):
    """An encoder around another one: it changes the events that the inner one encodes."""

    def __init__(self, inner: Encoder) -> None:
        super().__init__(inner.start)
        self.inner = inner
        self.name, self.media_type, self.content_type = inner.name, inner.media_type, inner.content_type
        self.headers, self.heartbeat, self.numbers_frames = inner.headers, inner.heartbeat, inner.numbers_frames

    def reads_after(self) -> int:
        return self.inner.reads_after()

    def begin(self) -> bytes:
        return self.inner.begin()

    def error(self, error: AssistantStreamError) -> bytes:
        return self.inner.error(error)

    def end(self) -> bytes:
        return self.inner.end()
