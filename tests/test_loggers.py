"""Log records: one line each, whatever a client has sent."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_assistant_stream import create_assistant_blueprint
from flask_assistant_stream.loggers import INDENT, Lines, escaped, logger_of
from flask_assistant_stream.routes.base import EXTENSION

FORGED = "\n2026-01-01 INFO forged"
FORMAT = "%(asctime)s %(levelname)s %(message)s owner=%(owner)s thread=%(thread_id)s method=%(method)s"


class Output:
    """What a host's handler writes, with attributes of records in its format."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.handler = logging.StreamHandler(self._stream)
        defaults = {"owner": "", "thread_id": "", "method": ""}
        self.handler.setFormatter(logging.Formatter(FORMAT, defaults=defaults))

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[str]:
        """The lines as any reader of the file may cut them."""
        return self.text.splitlines()


@pytest.fixture
def output() -> Iterator[Output]:
    output, logger = Output(), logging.getLogger("flask_assistant_stream")
    level = logger.level
    logger.addHandler(output.handler)
    logger.setLevel(logging.DEBUG)
    yield output
    logger.removeHandler(output.handler)
    logger.setLevel(level)


EVIL = ["\n", "\r", "\r\n", "\x1b[2K\x1b[1A", "\x85", "\u2028", "\u2029", "\u202e", "\x0b", "\x9b2K", "\x00", "\u200b"]


EVIL_PATHS = (
    "/threads/{}",
    "/threads/{}/messages",
    "/threads/{}/runs/{}/stream",
    "/v1/threads/{}/runs/{}",
    "/files/{}",
    "/nowhere/{}",
)


@pytest.mark.parametrize("evil", EVIL)
def test_a_client_writes_no_line_of_its_own(tmp_path: Path, output: Output, evil: str) -> None:
    app = Flask("host")
    keys = {"key": f"owner{evil}1".replace("\0", "")}
    store = f"sqlite:///{tmp_path / 'db'}"
    app.register_blueprint(create_assistant_blueprint(engine="offline", store=store, api_keys=keys))
    client, word, known = app.test_client(), f"x{evil}forged", {"Authorization": "Bearer key"}
    for path in EVIL_PATHS:
        for headers in (known, {"Authorization": "Bearer none"}):  # also before the owner is known
            client.get("/api/assistants" + path.replace("{}", quote(word)), headers=headers)
    for key in ("threadId", "assistantId"):
        client.post("/api/assistants/chat/stream", json={"content": "hi", key: word}, headers=known).get_data()
    form = {"file": (io.BytesIO(b"text"), f"a{evil}.txt")}
    client.post("/api/assistants/files", data=form, headers=known)
    environ = {**EnvironBuilder(path="/api/assistants/threads").get_environ(), "REQUEST_METHOD": word}
    run_wsgi_app(app, environ, buffered=True)
    assert len([line for line in output.lines if " ms [" in line]) == 2 * len(EVIL_PATHS) + 4
    assert all(line.startswith("20") for line in output.lines)
    assert output.text.replace("\n", "").isprintable()
    app.extensions[EXTENSION]["assistant_stream"].runner.stop()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, grüße 日本", "plain text, grüße 日本"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u2028\u202e", "\\u2028\\u202e"),
        ("\ud83d", "\\ud83d"),
    ],
)
def test_escapes(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_arguments_and_attributes_of_records(output: Output) -> None:
    logger = logger_of("flask_assistant_stream.some")
    extra: dict[str, Any] = {"thread_id": FORGED, "owner": FORGED, "method": FORGED}
    logger.warning("%s %d %.1f %s", FORGED, 3, 2.5, ValueError(FORGED), extra=extra)
    assert len(output.lines) == 1
    assert " 3 2.5 " in output.text
    logger.warning("%s", Lines("a stack\nof two"))
    assert len(output.lines) == 3


def test_a_line_that_a_server_writes(output: Output) -> None:
    """gevent's server passes its own lines to the logger, with what it could not read of a request."""
    logger_of("flask_assistant_stream.server").error(f"Invalid HTTP method: 'GET{FORGED}\x1b[2K'\n")
    assert len(output.lines) == 1
    assert "\\x1b[2K" in output.text


def test_the_message_of_an_exception_looks_like_no_record(output: Output) -> None:
    try:
        raise ValueError(f"bad{FORGED}\x1b[2K")
    except ValueError:
        logger_of("flask_assistant_stream.some").exception("it failed")
    assert "ValueError: bad" in output.text
    assert "\x1b" not in output.text
    assert all(line.startswith(INDENT) for line in output.lines[1:])
