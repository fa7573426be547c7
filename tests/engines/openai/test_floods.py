"""An upstream that sends without an end: each bound ends the response, and the error names the bound."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from flask_assistant_stream.engines import sse
from flask_assistant_stream.engines.base import Item
from flask_assistant_stream.engines.openai import OpenAIEngine, response_body
from flask_assistant_stream.engines.openai.http_connect import Address
from flask_assistant_stream.engines.openai.http_errors import read_refusal, refused
from flask_assistant_stream.engines.search.cited_text import CitedText
from flask_assistant_stream.errors import EngineError
from flask_assistant_stream.protocol.deltas import GrowingText
from flask_assistant_stream.translation.citations import translate_annotation
from flask_assistant_stream.upstream import Upstream
from tests.engines.hose import CHUNKED, FLOODS, PLAIN, SSE, chunk, endless, hose

REQUEST = {"model": "m", "input": "hello", "stream": True}
DONE = b'data: {"type":"response.completed","response":{}}\n\n'


def answer_of(*parts: Iterable[bytes]) -> tuple[list[Item], str]:
    """Return the items of an answer, and the message of the error that ends it."""
    items: list[Item] = []
    with hose(*parts) as port:
        engine = OpenAIEngine(Upstream("sk-test", f"http://127.0.0.1:{port}/v1"), retries=0)
        stream = engine.stream(REQUEST)
        try:
            for read in stream:
                items += read
        except EngineError as error:
            return items, error.message
        finally:
            stream.close()
            engine.close()
    return items, ""


BOUNDS = {
    "header line": "a response head of more than 65536 bytes",
    "header name": "a response head of more than 65536 bytes",
    "headers": "a response head of more than ",
    "status line": "a response head of more than 65536 bytes",
    "1xx responses": "a response head of more than 65536 bytes",
    "chunk extension": "more than 65536 bytes of framing without content",
    "chunk size": "more than 65536 bytes of framing without content",
    "trailers": "more than 65536 bytes of framing without content",
    "event": "an event of more than 1000000 bytes",
    "line feeds in an event": "an event of more than 1000000 bytes",
    "text": "a response of more than 3000000 bytes",
    "comments": "a response of more than 3000000 bytes",
    "empty events": "a response of more than 3000000 bytes",
}


@pytest.mark.parametrize("name", FLOODS)
def test_every_flood_ends_with_its_bound(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1_000_000)
    monkeypatch.setattr(response_body, "RESPONSE_BYTES", 3_000_000)
    assert BOUNDS[name] in answer_of(endless(name))[1]


def test_an_event_of_many_values_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_body, "EVENT_VALUES", 1000)
    event = b'data: {"type":"response.completed","response":[' + b"{}," * 1001 + b"{}]}\n\n"
    assert "an event of more than 1000 values" in answer_of([PLAIN + event])[1]


def test_a_whole_response_has_the_same_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_body, "BODY_BYTES", 5000)
    monkeypatch.setattr(response_body, "EVENT_VALUES", 1000)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    assert "a response of more than 5000 bytes" in answer_of([head, b"[" * 6000])[1]
    assert "a response of more than 1000 values" in answer_of([head, b'{"output":[' + b"1," * 1001 + b"1]}"])[1]


def test_a_large_whole_response_takes_no_longer_than_it_is_long() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    errors: list[str] = []
    in_linear_time(lambda: errors.append(answer_of([head, *[b"1," * 2**19] * 31])[1]))
    assert errors == ["The upstream sent a response of more than 1000000 values."]


def test_trailers_and_chunk_extensions_are_passed_over() -> None:
    body = b"%x;name=value\r\n%s\r\n0\r\nContent-Encoding: br\r\n\r\n" % (len(DONE), DONE)
    items, error = answer_of([CHUNKED + body])
    assert ([item["type"] for item in items], error) == (["response.completed"], "")


def test_a_large_event_that_arrives_slowly_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_body, "PROGRESS_BYTES", 100_000)

    def slowly() -> Iterator[bytes]:
        yield PLAIN + b'data: {"type":"x","data":"'
        for _ in range(8):
            yield b"x" * 50_000
            time.sleep(0.005)
        yield b'"}\n\n' + DONE

    items, _ = answer_of(slowly())
    assert response_body.KEEPALIVE in items
    assert [item["type"] for item in items if item != response_body.KEEPALIVE] == ["x", "response.completed"]


# ---- compression ---------------------------------------------------------------------------------------------------
def encoded(encoding: bytes, body: bytes) -> list[bytes]:
    return [SSE + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (encoding, len(body)), body]


def raw_deflate(data: bytes) -> bytes:
    compress = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compress.compress(data) + compress.flush()


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        (b"gzip", gzip.compress),
        (b"X-Gzip", lambda data: gzip.compress(data[:10], mtime=0) + gzip.compress(data[10:], mtime=0)),
        (b"deflate", zlib.compress),
        (b"deflate", raw_deflate),
        (b"identity", bytes),
    ],
    ids=["gzip", "members", "zlib", "raw", "identity"],
)
def test_a_compressed_stream_is_read(encoding: bytes, compress: Callable[[bytes], bytes]) -> None:
    stream = b'data: {"type":"response.output_text.delta","delta":"Hello"}\n\n' * 3000 + DONE
    items, error = answer_of(encoded(encoding, compress(stream)))
    assert (len(items), items[-1]["type"], error) == (3001, "response.completed", "")


def test_a_compressed_delta_is_read_when_it_is_flushed() -> None:
    compress = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    first = compress.compress(b'data: {"type":"x"}\n\n') + compress.flush(zlib.Z_SYNC_FLUSH)
    last = compress.compress(DONE) + compress.flush()
    items, _ = answer_of(
        [SSE + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", *map(chunk, (first, last))]
    )
    assert [item["type"] for item in items] == ["x", "response.completed"]


@pytest.mark.parametrize(
    ("encoding", "body", "words"),
    [
        (b"br", b"\x0b\x02", "compressed its response with 'br', which was not requested"),
        (b"zstd", b"\x28", "compressed its response with 'zstd'"),
        (b"gzip, br", b"\x28", "compressed its response with 'gzip, br'"),
        (b"gzip", b"data: {}\n\n", "its compressed data is damaged"),
        (b"gzip", gzip.compress(b"data: {}\n\n" * 1000, mtime=0)[:-12], "its compressed data ends too early"),
    ],
)
def test_other_compression_is_an_error_that_names_it(encoding: bytes, body: bytes, words: str) -> None:
    assert words in answer_of(encoded(encoding, body))[1]


def test_a_compressed_refusal_is_read() -> None:
    body = gzip.compress(json.dumps({"error": {"message": "No such tool."}}).encode(), mtime=0)
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
    assert "No such tool." in answer_of([head + b"Content-Length: %d\r\n\r\n" % len(body) + body])[1]


def test_a_bomb_ends_with_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_body, "RESPONSE_BYTES", 3_000_000)
    bomb = zlib.compress(b": hi\n\n" * 20_000_000, 9)  # 120 MB
    assert len(bomb) < 400_000
    assert "a response of more than 3000000 bytes" in answer_of(encoded(b"deflate", bomb))[1]


# ---- linear time: each of these took minutes or hours ---------------------------------------------------------------
def in_linear_time(work: Callable[[], Any]) -> Any:
    began = time.process_time()
    value = work()
    assert time.process_time() - began < 20
    return value


def test_an_event_in_small_pieces() -> None:
    decoder = sse.SSEDecoder()
    pieces = [b'data: "', *[b"x" * 64] * 400_000, b'"\n', b"\n"]
    payloads = in_linear_time(lambda: [payload for piece in pieces for payload in decoder.feed(piece)])
    assert [len(payload) for payload in payloads] == [64 * 400_000 + 2]


@pytest.mark.parametrize(
    "body", [b"<title>" * 9000, b"<title " * 9000, b"<title><" * 8000, b"sk-" * 20_000, b"://" * 20_000]
)
def test_error_pages(body: bytes) -> None:
    in_linear_time(lambda: read_refusal(body))


@pytest.mark.parametrize(
    "text",
    [
        *("error ", "failed to ", "exceeds the ", "context ", "input[", "file_", "file-", "https://", "limit of "),
        *("maximum context length ", "input token count ", "not ", "1, ", "1 > "),
    ],
)
def test_texts_of_refusals(text: str) -> None:
    body = json.dumps({"error": {"message": text * (64_000 // len(text))}}).encode()
    in_linear_time(lambda: refused(Address.parse("http://up.example/v1", "/responses"), 400, {}, body))


def test_details_in_details() -> None:
    body = b'{"detail":' + b"[" * 400 + b"1" + b"]" * 400 + b"}"
    assert len(read_refusal(body)[0]) <= 1000


def test_a_text_with_very_many_marks_and_backticks() -> None:
    text = CitedText([{"file_id": "file_1", "filename": "a.txt"}])
    in_linear_time(lambda: [text.feed("word word word word [doc1] ") for _ in range(40_000)])
    assert (len(text.notes), text.notes[-1]["index"]) == (40_000, len(text.text.rstrip()))
    ticks = CitedText([])
    in_linear_time(lambda: [ticks.feed("`" * 10) for _ in range(100_000)])
    ticks.finish()
    assert len(ticks.text) == 1_000_000


def test_code_in_small_pieces() -> None:
    text = GrowingText()
    in_linear_time(lambda: [text.add("x = 1\n") for _ in range(300_000)])
    assert text.complete("x = 1\n" * 300_001) == "x = 1\n"


# ---- markers -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "shown"), [("a】b.txt", "a]b.txt"), ("【draft】.md", "[draft].md"), ("†.txt", "†.txt")]
)
def test_a_marker_ends_at_its_first_closing_bracket(name: str, shown: str) -> None:
    marker = translate_annotation({"type": "file_citation", "file_id": "file_1", "filename": name}, 0, 1)
    assert marker is not None
    assert getattr(marker, "note")["text"] == f"【0:1†{shown}】"  # noqa: B009
