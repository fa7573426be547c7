"""The format of a stream, and its body when the log or the client fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from flask import Flask, Request
from werkzeug.exceptions import NotAcceptable
from werkzeug.test import EnvironBuilder

from flask_assistant_stream.encoders import Encoder, StreamStart
from flask_assistant_stream.encoders.ndjson import NDJSONEncoder
from flask_assistant_stream.encoders.sse import SSEEncoder
from flask_assistant_stream.encoders.vendor import WithoutVendorEvents
from flask_assistant_stream.errors import AssistantStreamError, Gone, RequestError, StoreError
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.routes.base import ApiRequest
from flask_assistant_stream.routes.clients import Clients
from flask_assistant_stream.routes.stream import choose_format, stream
from flask_assistant_stream.runs.start_request import RunPosition
from tests.routes.conftest import FakeFollower

DONE = Event(1, "thread.run.completed", b"{}")


def request_over(follower: FakeFollower, format: Any = NDJSONEncoder) -> ApiRequest:
    log = SimpleNamespace(follow=lambda run_id, after: follower)
    readers = SimpleNamespace(join=lambda owner, attached, began: lambda: None)
    registration, client = SimpleNamespace(log=log, readers=readers), Clients(1, 30.0).admit({})
    return cast(ApiRequest, SimpleNamespace(registration=registration, format=format, owner="anna", client=client))


@pytest.fixture(autouse=True)
def context() -> Iterator[None]:
    with Flask(__name__).test_request_context("/"):
        yield


def body_of(*batches: Any, format: Any = NDJSONEncoder, **options: Any) -> tuple[list[bytes], FakeFollower]:
    follower = FakeFollower(*batches)
    response = stream(request_over(follower, format), RunPosition("thread_1", "run_1", 0), **options)
    return list(cast(Iterable[bytes], response.response)), follower


def test_batches_and_heartbeats() -> None:
    chunks, follower = body_of([DONE], [], [DONE._replace(seq=2)])
    assert chunks == [
        b'{"event":"thread.run.completed","data":{},"seq":1}\n',
        b"\n",
        b'{"event":"thread.run.completed","data":{},"seq":2}\n',
    ]
    assert follower.closed
    assert body_of([DONE], live=True)[0][0] == b"\n", "a live stream begins with a heartbeat"


def without_vendor_events(start: StreamStart) -> Encoder:
    return WithoutVendorEvents(NDJSONEncoder(start))


def test_events_that_are_left_out() -> None:
    """A batch that is empty without them is nothing, not even a heartbeat; the other numbers stay."""
    title, other = Event(1, "thread.title.updated", b"{}"), DONE._replace(seq=2)
    chunks, _ = body_of([title], [title, other], [], format=without_vendor_events)
    assert chunks == [b'{"event":"thread.run.completed","data":{},"seq":2}\n', b"\n"]
    assert len(body_of([title], [title, other])[0]) == 2


@pytest.mark.parametrize("error", [StoreError("gone away"), ValueError("the user's words")])
def test_an_open_body_just_ends(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    chunks, follower = body_of([DONE], error)
    assert len(chunks) == 1
    assert follower.closed
    assert "stream broken off" in caplog.text
    assert "run_id=run_1" in caplog.text
    assert "words" not in caplog.text


def test_a_format_that_fails_ends_the_body(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(NDJSONEncoder):
        def encode(self, events: Sequence[Event]) -> bytes:
            raise ValueError("the user's words")

        def error(self, error: AssistantStreamError) -> bytes:
            return self.encode([])

    chunks, follower = body_of([DONE], format=Broken)
    assert chunks == []
    assert follower.closed
    assert "stream broken off: ValueError" in caplog.text
    assert "words" not in caplog.text


@pytest.mark.parametrize("error", [Gone("expired"), StoreError("gone away")])
def test_what_fails_before_the_body_has_a_status(error: Exception) -> None:
    with pytest.raises(type(error)):
        body_of(error)


def test_a_client_that_leaves_closes_the_follower() -> None:
    follower = FakeFollower([DONE], [], [])
    response = stream(request_over(follower), RunPosition("thread_1", "run_1", 0))
    next(iter(cast(Iterator[bytes], response.response)))
    response.close()
    assert follower.closed
    unread = FakeFollower([DONE])
    stream(request_over(unread), RunPosition("thread_1", "run_1", 0)).close()
    assert unread.closed


def asking(accept: str | None = None, query: str = "") -> Request:
    headers = {} if accept is None else {"Accept": accept}
    return Request(EnvironBuilder(headers=headers.items(), query_string=query).get_environ())


ANY = "application/json, text/plain, */*"


@pytest.mark.parametrize(
    ("accept", "query", "expected"),
    [
        *((accept, "", NDJSONEncoder) for accept in (None, "", "*/*", ANY, "application/x-ndjson", "application/*")),
        ("text/event-stream", "", SSEEncoder),
        ("text/event-stream, */*", "", SSEEncoder),
        ("application/x-ndjson;q=0.5, text/event-stream", "", SSEEncoder),
        ("*/*", "format=sse", SSEEncoder),
        ("text/event-stream", "format=ndjson", NDJSONEncoder),
        ("application/xml", "format=sse", SSEEncoder),
        ("text/event-stream", "format=", SSEEncoder),
    ],
)
def test_the_format(accept: str | None, query: str, expected: type) -> None:
    assert choose_format(asking(accept, query)) is expected


@pytest.mark.parametrize("accept", ["application/json", "text/html", "application/x-ndjson;q=0", "image/*"])
def test_none_of_ours(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="text/event-stream"):
        choose_format(asking(accept))


@pytest.mark.parametrize("name", ["xml", "NDJSON", "sse "])
def test_an_unknown_name(name: str) -> None:
    with pytest.raises(RequestError, match="ndjson, sse") as caught:
        choose_format(asking(query=f"format={name}"))
    assert caught.value.param == "format"
