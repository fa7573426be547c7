from __future__ import annotations

from collections.abc import Callable

import pytest

from flask_assistant_stream.encoders.base import Encoder
from flask_assistant_stream.encoders.sse import SSEEncoder
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.testing.decode import decode_sse
from flask_assistant_stream.testing.encoder_suite import LosslessEncoderSuite


class TestSSE(LosslessEncoderSuite):
    @pytest.fixture
    def encoder(self) -> Encoder:
        return SSEEncoder()

    @pytest.fixture
    def decode(self) -> Callable[[bytes], list[Event]]:
        return decode_sse


def test_the_block_carries_the_position_as_its_id() -> None:
    block = SSEEncoder().encode([Event(7, "thread.run.queued", b'{"id":"run_1"}')])
    assert block == b'id: 7\nevent: thread.run.queued\ndata: {"id":"run_1"}\n\n'


def test_the_stream_ends_as_the_sdks_expect() -> None:
    assert SSEEncoder().end() == b"event: done\ndata: [DONE]\n\n"


def test_a_heartbeat_is_one_line_without_a_block() -> None:
    # A block of its own makes openai-python dispatch an empty event once an id was seen.
    assert SSEEncoder().heartbeat == b": ping\n"


def test_what_is_told_beside_the_log_has_no_id() -> None:
    # A client that resumes sends the last number of the log that it has.
    block = SSEEncoder().encode([Event(0, "thread.run.queued", b'{"id":"run_1"}')])
    assert block == b'event: thread.run.queued\ndata: {"id":"run_1"}\n\n'
    assert [event.seq for event in decode_sse(block)] == [0]
