"""What every stream format must do; a test of an encoder is a subclass with two fixtures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..encoders.base import Encoder
from ..protocol.events import Event, dump

EVENTS = [
    Event(1, "thread.run.created", dump({"id": "run_1", "object": "thread.run"})),
    Event(2, "thread.message.delta", dump({"id": "msg_1", "delta": {"content": [{"text": {"value": 'é"\n\\ 😀'}}]}})),
    Event(3, "thread.run.completed", dump({"id": "run_1", "status": "completed"})),
]


class EncoderSuite:
    """Subclass it and give the fixtures `encoder` (a fresh one) and `decode` (bytes → events)."""

    @pytest.fixture
    def encoder(self) -> Encoder:
        """Return a fresh encoder."""
        raise NotImplementedError

    @pytest.fixture
    def decode(self) -> Callable[[bytes], list[Event]]:
        """Return what reads the format."""
        raise NotImplementedError

    def test_a_stream_comes_back_whole(self, encoder: Encoder, decode: Callable[[bytes], list[Event]]) -> None:
        """Names, numbers and objects survive."""
        assert decode(encoder.encode(EVENTS) + encoder.end()) == EVENTS

    def test_frames_do_not_depend_on_batches(self, encoder: Encoder) -> None:
        """A reader that resumes gets the same bytes as one that never left."""
        assert encoder.encode(EVENTS) == b"".join(encoder.encode([event]) for event in EVENTS)

    def test_events_beside_the_log_have_no_number(
        self, encoder: Encoder, decode: Callable[[bytes], list[Event]]
    ) -> None:
        """A client that resumes goes on behind the last number that it has."""
        beside = [event._replace(seq=0) for event in EVENTS]
        assert decode(encoder.encode(beside) + encoder.end()) == beside

    def test_heartbeats_are_invisible(self, encoder: Encoder, decode: Callable[[bytes], list[Event]]) -> None:
        """A heartbeat may stand before, between and behind frames."""
        body = encoder.heartbeat + b"".join(encoder.encode([event]) + encoder.heartbeat for event in EVENTS)
        assert decode(body + encoder.end()) == EVENTS

    def test_frames_are_ascii(self, encoder: Encoder) -> None:
        """No decoder can cut a character in half (`spec/assistants.md#ascii-json`)."""
        (encoder.encode(EVENTS) + encoder.heartbeat + encoder.end()).decode("ascii")

    def test_nothing_for_no_events(self, encoder: Encoder) -> None:
        """An empty batch is no bytes."""
        assert encoder.encode([]) == b""
