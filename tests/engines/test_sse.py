"""The decoder gives the same payloads however the bytes were cut and whatever ends their lines."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_assistant_stream.engines import sse
from flask_assistant_stream.engines.sse import SSEDecoder
from flask_assistant_stream.errors import EngineError


def decode(*pieces: bytes) -> list[bytes]:
    decoder = SSEDecoder()
    return [payload for piece in pieces for payload in decoder.feed(piece)] + decoder.end()


@pytest.mark.parametrize(
    ("stream", "payloads"),
    [
        (b"event: x\ndata: 1\n\n", [b"1"]),
        (b"data: 1\n\ndata: 2\n\n", [b"1", b"2"]),
        (b"data:1\n\n", [b"1"]),
        (b"data:  1\n\n", [b" 1"]),
        (b"data: 1\ndata: 2\n\n", [b"1\n2"]),
        (b"data: 1\nid: 7\nretry: 5\nevent: late\n\n", [b"1"]),
        (b": comment\n\n: more\ndata: 1\n\n", [b"1"]),
        (b"\n\n\ndata: 1\n\n\n\n\ndata: 2\n\n", [b"1", b"2"]),
        (b"event: only\n\nid: 1\n\n", []),
        (b"data\n\ndata:\n\n", []),
        (b"database: no\n\n", []),
        (b"\xef\xbb\xbfdata: 1\n\n", [b"1"]),
        (b"data: 1\r\n\r\ndata: 2\r\n\r\n", [b"1", b"2"]),
        (b"data: 1\r\rdata: 2\r\r", [b"1", b"2"]),
        (b"data: 1\r\n\rdata: 2\n\r\n", [b"1", b"2"]),
        (b"data: 1\n\ndata: the blank line is missing\n", [b"1", b"the blank line is missing"]),
        (b"", []),
    ],
)
def test_every_form_of_an_event(stream: bytes, payloads: list[bytes]) -> None:
    assert decode(stream) == payloads
    assert decode(*[stream[i : i + 1] for i in range(len(stream))]) == payloads


def test_an_event_comes_with_its_last_line_end_and_not_a_byte_later() -> None:
    assert SSEDecoder().feed(b"data: 1\r\n\r\n") == [b"1"]
    assert SSEDecoder().feed(b"data: 1\r\r") == [b"1"]


def test_blocks_without_data_are_counted() -> None:
    decoder = SSEDecoder()
    decoder.feed(b": still here\n\ndata: 1\n\n: still")
    assert decoder.silent == 1


_VALUES = st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=30), max_size=3), max_size=6)


@given(_VALUES, st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 400), max_size=12), st.booleans())
def test_cuts_and_line_ends_change_nothing(values: list[object], newline: str, cuts: list[int], named: bool) -> None:
    head = f"event: item{newline}" if named else ""
    stream = "".join(f"{head}data: {json.dumps(value)}{newline}{newline}" for value in values).encode()
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in itertools.pairwise(edges)]
    assert [json.loads(payload) for payload in decode(*pieces)] == values


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    decoder = SSEDecoder()
    decoder.feed(b"data: " + b"x" * 900)
    with pytest.raises(EngineError, match="1000 bytes"):
        decoder.feed(b"x" * 200)
