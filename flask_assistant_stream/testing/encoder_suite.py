"""What every stream format must do. A test of a format is a subclass with two fixtures: `encoder` and `decode`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..encoders.base import FIRST, Encoder, Position, StreamStart
from ..errors import AssistantStreamError
from ..protocol import objects
from ..protocol.events import Event, dump
from ..protocol.run_states import RunStatus
from ..protocol.writer import WHOLE, RunWriter

MakeEncoder = Callable[[StreamStart], Encoder]
Decode = Callable[[bytes], Any]


def _events() -> list[Event]:
    """Return the log of a run with two pieces of text."""
    run = objects.run("run_1", 1_700_000_000, "thread_1", objects.assistant("asst_1", 1_700_000_000, "model"))
    running = {**run, "status": RunStatus.IN_PROGRESS.value, "started_at": 1_700_000_001}
    writer = RunWriter(running, new_id=lambda prefix: f"{prefix}_1", now=lambda: 1_700_000_002, last_seq=1)
    writer.open_message()
    part = writer.open_part("text")
    for piece in ('é"\n\\ 😀\n', "one\ntwo\n"):
        writer.add_text(part, piece)
    writer.end_run(RunStatus.COMPLETED, WHOLE)
    return [Event(1, "thread.run.created", dump(run)), *writer.take()]


START = StreamStart("run_1", "thread_1")
EVENTS = _events()


class EncoderSuite:
    """Subclass it with the fixtures `encoder` and `decode`; with `make` where an encoder is not made by its class."""

    @pytest.fixture
    def encoder(self) -> Encoder:
        """Return a fresh encoder."""
        raise NotImplementedError

    @pytest.fixture
    def make(self, encoder: Encoder) -> MakeEncoder:
        """Return a function that makes an encoder for a place in a log."""
        return type(encoder)

    @pytest.fixture
    def decode(self) -> Decode:
        """Return the function with which a client reads the format."""
        raise NotImplementedError

    def test_the_bytes_depend_on_the_events_alone(self, make: MakeEncoder) -> None:
        """Each worker sends the same bytes, in any batches, and nothing for an empty batch."""
        batched, single = make(START), make(START)
        assert single.encode([]) == b""
        assert batched.encode(EVENTS) == b"".join(single.encode([event]) + single.encode([]) for event in EVENTS)
        assert batched.end() == single.end()

    def test_a_client_resumes_at_any_event(self, make: MakeEncoder) -> None:
        """What it has, and what it gets, are the whole stream."""
        whole, first = render(make, FIRST), make(START)
        head = first.begin()
        for event in EVENTS:
            head += first.encode([event])
            assert head + render(make, Position(event.seq)) == whole

    def test_a_client_resumes_at_any_frame(self, make: MakeEncoder) -> None:
        """Within an event, each frame shortens the rest of the stream."""
        if not make(START).numbers_frames:
            return
        whole = render(make, FIRST)
        for event in EVENTS:
            rest, after = render(make, Position(event.seq - 1)), render(make, Position(event.seq))
            frame = 0
            while rest != after:
                shorter = render(make, Position(event.seq, frame))
                assert len(after) <= len(shorter) < len(rest)
                assert whole.endswith(shorter)
                rest, frame = shorter, frame + 1

    def test_heartbeats_are_invisible(self, make: MakeEncoder, decode: Decode) -> None:
        """A heartbeat may be before, between and behind frames."""
        encoder = make(START)
        body = encoder.heartbeat + encoder.begin() + encoder.heartbeat
        body += b"".join(encoder.encode([event]) + encoder.heartbeat for event in EVENTS)
        assert decode(body + encoder.end()) == decode(render(make, FIRST))

    def test_an_error_may_follow_any_event(self, make: MakeEncoder) -> None:
        """It changes no earlier byte, and it is plain ASCII like all else."""
        whole = render(make, FIRST)
        for number in range(len(EVENTS) + 1):
            encoder = make(START)
            sent = encoder.begin() + encoder.encode(EVENTS[:number])
            assert whole.startswith(sent)
            encoder.error(AssistantStreamError("The store does not answer.")).decode("ascii")

    def test_frames_are_ascii(self, make: MakeEncoder) -> None:
        """No decoder can split a character (`spec/assistants.md#ascii-json`)."""
        encoder = make(START)
        assert encoder.heartbeat
        (encoder.heartbeat + render(make, FIRST)).decode("ascii")


class LosslessEncoderSuite(EncoderSuite):
    """For a format from which a client reads the events themselves: `decode` returns them."""

    def test_events_come_back_whole(self, make: MakeEncoder, decode: Decode) -> None:
        """Names, numbers and objects survive."""
        assert decode(render(make, FIRST)) == EVENTS

    def test_events_beside_the_log_have_no_number(self, make: MakeEncoder, decode: Decode) -> None:
        """A client resumes behind the last number that it has."""
        encoder = make(START)
        beside = [event._replace(seq=0) for event in EVENTS]
        assert decode(encoder.encode(beside) + encoder.end()) == beside


def render(make: MakeEncoder, position: Position) -> bytes:
    """Return the stream of `EVENTS` behind a position, as a response sends it."""
    encoder = make(StreamStart("run_1", "thread_1", position, resumed=position != FIRST))
    begin = b"" if encoder.start.resumed else encoder.begin()
    return begin + encoder.encode([event for event in EVENTS if event.seq > encoder.reads_after()]) + encoder.end()
