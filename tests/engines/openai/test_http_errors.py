"""What refusals say: every shape of body that servers were seen to send, and pauses in every notation."""

from __future__ import annotations

import errno
import json
import socket
import ssl

import pytest

from flask_assistant_stream.engines.openai import http_errors
from flask_assistant_stream.engines.openai.http_connect import Address
from flask_assistant_stream.engines.openai.http_errors import read_refusal
from flask_assistant_stream.protocol.last_errors import INVALID_PROMPT, RATE_LIMIT, SERVER_ERROR
from flask_assistant_stream.upstream import retry_after

HERE = Address.parse("https://up.example/v1", "/responses")
NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("body", "text", "code"),
    [
        (b'{"error":{"message":"No.","type":"t","param":null,"code":"c"}}', "No.", "c"),
        (b'{"error":{"message":"No.","type":"t","code":null}}', "No.", "t"),
        (b'{"error":{"code":400,"message":"No.","type":"invalid_request_error"}}', "No.", 400),
        (b'{"code":"400","error":"Argument not supported: include"}', "Argument not supported: include", "400"),
        (b'{"detail":"Unexpected fields in the request: {\'x\'}"}', "Unexpected fields in the request: {'x'}", None),
        (b'{"detail":[{"loc":["body","input",0],"msg":"bad","type":"v"}]}', "body.input.0: bad", None),
        (b'{"error":{"code":"invalid_prompt","message":"No."},"metadata":null}', "No.", "invalid_prompt"),
        (b'{"message":"Not authorised"}', "Not authorised", None),
        (b'[{"error":{"code":429,"message":"No."}}]', "No.", 429),
        (b'data: {"error":{"message":"No.","code":"429"}}\n\ndata: [DONE]\n\n', "No.", "429"),
        (b"Internal Server Error", "Internal Server Error", None),
        (b'"just a string"', "just a string", None),
        (b"<html><head><title>502\nBad Gateway</title></head></html>", "502 Bad Gateway", None),
        (b"<html>nothing to say</html>", "", None),
        (b"\xff\xfe\x00broken", "\ufffd\ufffd broken", None),
        (b"a\r\nb\x1b[31mc\x00", "a b [31mc", None),
        (b'{"error":null}', "", None),
        (b"[]", "", None),
        (b"", "", None),
        (b"[" * 100_000, "[" * 999 + "…", None),
        (b'{"error":{"message":"see https://user:pw@host/x"}}', "see https://…host/x", None),
    ],
)
def test_every_shape_of_error_body_is_read(body: bytes, text: str, code: object) -> None:
    assert read_refusal(body) == (text, code)


def test_long_texts_are_cut() -> None:
    assert len(read_refusal(b"x" * 5000)[0]) == http_errors.MAX_TEXT


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, None, RATE_LIMIT),
        (429, "invalid_prompt", RATE_LIMIT),
        (400, "rate_limit_exceeded", INVALID_PROMPT),
        (413, None, INVALID_PROMPT),
        (422, None, INVALID_PROMPT),
        (401, "invalid_api_key", SERVER_ERROR),
        (404, "model_not_found", SERVER_ERROR),
        (500, None, SERVER_ERROR),
        (500, "429", RATE_LIMIT),
        (500, 429, RATE_LIMIT),
        (500, "500", SERVER_ERROR),
        (200, "insufficient_quota", RATE_LIMIT),
        (200, "invalid_image_format", INVALID_PROMPT),
        (200, "image_too_large", INVALID_PROMPT),
        (200, "bio_policy", INVALID_PROMPT),
        (200, "something new", SERVER_ERROR),
        (200, 400, INVALID_PROMPT),
    ],
)
def test_the_status_decides_before_the_body(status: int, code: object, expected: str) -> None:
    assert http_errors.error_code(status, code) == expected


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:40 GMT"}, 20.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:00 GMT"}, 0.0),
        ({"llm_provider-retry-after": "3"}, 3.0),
        ({"retry-after": "soon", "llm_provider-retry-after": "3"}, 3.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
    ],
)
def test_pauses_in_every_notation(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (b'{"error":{"headers":{"Retry-After":"7"}}}', 7.0),
        (b'{"error":{"headers":{"retry-after-ms":250,"x-ratelimit-limit-requests":"1"}}}', 0.25),
        (b'{"error":{"headers":{"llm_provider-retry-after":3}}}', 3.0),
        (b'{"error":{"headers":null}}', None),
        (b'{"error":"slow"}', None),
        (b"[]", None),
        (b"<html>", None),
    ],
)
def test_a_pause_may_be_asked_for_in_the_body(body: bytes, seconds: float | None) -> None:
    assert retry_after(http_errors.inner_headers(body), NOW) == seconds


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"error":{"param":"include"}}', "include"),
        (b'{"error":{"param":"None"}}', None),
        (b'{"error":{"param":null}}', None),
        (b'{"error":{"param":["x"]}}', None),
        (b'{"error":"include"}', None),
        (b'{"detail":"include"}', None),
        (b"", None),
    ],
)
def test_the_field_at_fault(body: bytes, param: str | None) -> None:
    assert http_errors.refused_param(body) == param


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (500, {}, b"", "0 bytes of no content type"),
        (999, {}, b"odd", "answered 999."),
        (307, {"location": "https://user:pw@other.example/v1"}, b"", "redirects to other.example"),
        (307, {"location": "http://[broken"}, b"", "cannot be read"),
        (404, {}, b"", "OPENAI_BASE_URL"),
        (200, {"content-type": "text/html"}, b"<p>", "web page (untitled)"),
    ],
)
def test_the_message_says_what_came_and_what_to_check(
    status: int, headers: dict[str, str], body: bytes, words: str
) -> None:
    error = http_errors.refused(HERE, status, headers, body)
    assert words in error.detail
    assert "up.example" in error.detail
    assert "pw" not in error.detail
    assert error.message.startswith(f"The upstream answered {status}")
    assert ".example" not in error.message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Quota. See https://platform.openai.com/docs/errors.", "Quota. See https://platform.openai.com/docs/errors."),
        ("See https://go.microsoft.com/fwlink/?linkid=1", "See https://go.microsoft.com/fwlink/?linkid=1"),
        ("cannot connect to http://10.0.0.5:11434/api: refused", "cannot connect to … refused"),
        ("dial tcp 10.0.0.5:11434: refused", "dial tcp …: refused"),
        ("no route to localhost:8080 or [::1]:80", "no route to … or …"),
        ("up.example is busy, ask redis://cache/0", "… is busy, ask …"),
        ("https://openai.com.evil.example/x https://openai.com@evil.example/", "… …"),
        ("temperature 0.7 of model gpt-4.1, 3 of 4", "temperature 0.7 of model gpt-4.1, 3 of 4"),
    ],
)
def test_visitors_see_the_upstreams_words_without_addresses(text: str, shown: str) -> None:
    error = http_errors.refused(HERE, 429, {}, json.dumps({"error": {"message": text}}).encode())
    assert error.message == f"The upstream answered 429 (Too Many Requests): {shown}"
    assert text not in error.detail


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "Nothing listens at up.example"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "up.example is unknown"),
        (TimeoutError("timed out"), "timed out"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "TLS with up.example failed"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "Network is unreachable"),
        (OSError("Tunnel connection failed: 407 Proxy Authentication Required"), "407"),
        (OSError(), "OSError"),
    ],
)
def test_a_connection_that_fails_says_why(error: OSError, words: str) -> None:
    failure = http_errors.broken(HERE, error)
    assert words in failure.detail
    assert "OPENAI_BASE_URL" in failure.detail
    assert failure.message == "The upstream cannot be reached."
    assert failure.code == SERVER_ERROR
    assert "broke off" in http_errors.broken(HERE, error, streaming=True).message
