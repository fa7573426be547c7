from __future__ import annotations

from collections.abc import Callable

import pytest

from flask_assistant_stream.encoders.base import Encoder
from flask_assistant_stream.encoders.ndjson import NDJSONEncoder
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.testing.decode import decode_ndjson
from flask_assistant_stream.testing.encoder_suite import LosslessEncoderSuite


class TestNDJSON(LosslessEncoderSuite):
    @pytest.fixture
    def encoder(self) -> Encoder:
        return NDJSONEncoder()

    @pytest.fixture
    def decode(self) -> Callable[[bytes], list[Event]]:
        return decode_ndjson


def test_the_line_is_what_openai_node_writes_plus_the_position() -> None:
    line = NDJSONEncoder().encode([Event(7, "thread.run.queued", b'{"id":"run_1"}')])
    assert line == b'{"event":"thread.run.queued","data":{"id":"run_1"},"seq":7}\n'


def test_nothing_stands_behind_the_last_event() -> None:
    assert NDJSONEncoder().end() == b""


def test_what_is_told_beside_the_log_has_no_number() -> None:
    line = NDJSONEncoder().encode([Event(0, "thread.run.queued", b'{"id":"run_1"}')])
    assert line == b'{"event":"thread.run.queued","data":{"id":"run_1"}}\n'
    assert [event.seq for event in decode_ndjson(line)] == [0]
