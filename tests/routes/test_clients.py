"""Clients that go, that do not read, and that are too many."""

from __future__ import annotations

import gc
import socket
import ssl
import threading
from collections.abc import Generator, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trustme

from flask_assistant_stream.errors import TooManyStreams
from flask_assistant_stream.log.follow import Follower
from flask_assistant_stream.routes.clients import Client, Clients, connection_of
from flask_assistant_stream.testing.scripted import text
from tests.routes.conftest import FakeFollower, MakeSite

LIMIT, SEND = 2, 30.0


def sending() -> Generator[bytes, None, None]:
    """Return a body that waits at its `yield`."""
    body = (chunk for chunk in (b"x", b"y"))
    next(body)
    return body


def follow(client: Client, body: Generator[bytes, None, None] | None = None) -> FakeFollower:
    follower = FakeFollower()
    client.follow(cast(Follower, follower), sending() if body is None else body, {})
    return follower


@pytest.fixture
def clients() -> Clients:
    return Clients(LIMIT, SEND)


@pytest.mark.parametrize(
    ("server", "warned"),
    [
        ({"SERVER_SOFTWARE": "gunicorn/23.0", "wsgi.multithread": False}, True),
        ({"uwsgi.version": b"2.0", "wsgi.multithread": False}, True),
        ({"SERVER_SOFTWARE": "Werkzeug/3.1", "wsgi.multithread": False}, True),
        ({"SERVER_SOFTWARE": "gunicorn/23.0", "wsgi.multithread": True}, False),
        ({"wsgi.multithread": False}, False),  # a test client
    ],
)
def test_a_server_of_one_request_at_a_time_is_noticed_once(
    clients: Clients, server: dict[str, Any], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    for _stream in range(2):
        clients.admit(server).leave()
    assert len(caplog.records) == warned
    assert ("--worker-class gevent" in caplog.text) is warned


@pytest.fixture(params=["tcp", "unix"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    if request.param == "unix":
        ours, theirs = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            theirs = socket.create_connection(listener.getsockname())
            ours, _ = listener.accept()
    with ours, theirs:
        yield ours, theirs


def environ(connection: Any) -> dict[str, Any]:
    return {"SERVER_PROTOCOL": "HTTP/1.1", "gunicorn.socket": connection}


@pytest.mark.parametrize("ahead", [b"", b"GET /next HTTP/1.1\r\n\r\n"])
def test_a_client_that_disconnects_is_noticed_and_its_bytes_are_left_for_the_server(
    clients: Clients, pair: tuple[socket.socket, socket.socket], ahead: bytes
) -> None:
    ours, theirs = pair
    client = clients.admit(environ(ours))
    follower = follow(client)
    theirs.sendall(ahead)
    clients.check(100.0)
    assert not follower.closed
    theirs.close()
    clients.check(100.0)
    assert follower.closed, "the end is seen although it is behind unread bytes"
    clients.check(100.0)
    assert len(clients) == 1, "the place is freed when the response is closed"
    assert ours.recv(100) == ahead


def test_below_tls(clients: Clients) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connected: list[ssl.SSLSocket] = []

        def connect() -> None:
            plain = socket.create_connection(listener.getsockname())
            connected.append(trusting.wrap_socket(plain, server_hostname="127.0.0.1"))

        thread = threading.Thread(target=connect)
        thread.start()
        accepted, _ = listener.accept()
        ours = context.wrap_socket(accepted, server_side=True)
        thread.join()
    with ours, connected[0] as theirs:
        client = clients.admit(environ(ours))
        follower = follow(client)
        clients.check(100.0)
        assert not follower.closed
        theirs.close()
        clients.check(100.0)
        assert follower.closed


def test_a_connection_that_the_server_has_closed_or_does_not_show_is_left_alone(clients: Clients) -> None:
    ours, theirs = socket.socketpair()
    there = [clients.admit(environ(ours)), clients.admit({"SERVER_PROTOCOL": "HTTP/1.1"})]
    followers = [follow(client) for client in there]
    ours.close()
    theirs.close()
    clients.check(100.0)
    assert not any(follower.closed for follower in followers)
    clients.check(1000.0)  # nor do they read: there is nothing to shut down, but their streams end
    assert all(follower.closed for follower in followers)


def test_a_place_without_a_stream_yet(clients: Clients) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        client = clients.admit(environ(ours))
        theirs.close()
        clients.check(1000.0)
        assert not client.streaming


def test_where_servers_put_the_connection() -> None:
    connection = object()
    for name in ("gunicorn.socket", "gunicorn.sock", "werkzeug.socket"):
        assert connection_of({"SERVER_PROTOCOL": "HTTP/1.0", name: connection}) is connection
    environ = {"SERVER_PROTOCOL": "HTTP/1.1", "wsgi.input": SimpleNamespace(rfile=connection)}
    assert connection_of(environ) is connection
    assert connection_of({"SERVER_PROTOCOL": "HTTP/2.0", "gunicorn.socket": connection}) is None
    assert connection_of({}) is None


def test_a_client_that_does_not_read_loses_its_connection(clients: Clients) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        client = clients.admit(environ(ours))
        follower = follow(client)
        clients.check(100.0 + SEND)
        assert not follower.closed
        broken = threading.Event()

        def send() -> None:
            try:
                while True:
                    ours.sendall(bytes(100_000))
            except OSError:
                broken.set()

        thread = threading.Thread(target=send)
        thread.start()
        clients.check(100.0 + SEND + 0.1)
        thread.join(10)
        assert broken.is_set(), "the send that was stuck has ended"
        assert follower.closed
        assert ours.fileno() != -1, "closing it is the server's affair"


def test_a_stream_that_waits_for_events_is_not_stuck(clients: Clients) -> None:
    inside, onward = threading.Event(), threading.Event()

    def body() -> Generator[bytes, None, None]:
        inside.set()
        onward.wait(10)
        yield b"x"

    waiting = body()
    thread = threading.Thread(target=lambda: next(waiting))
    client = clients.admit({})
    follower = follow(client, waiting)
    thread.start()
    assert inside.wait(10)
    clients.check(100_000.0)
    assert not follower.closed
    onward.set()
    thread.join()
    clients.check(100_000.0)
    assert follower.closed


def test_places_are_given_back_once(clients: Clients) -> None:
    first, second = clients.admit({}), clients.admit({})
    with pytest.raises(TooManyStreams):
        clients.admit({})
    first.leave()
    first.leave()
    third = clients.admit({})
    with pytest.raises(TooManyStreams):
        clients.admit({})
    del second
    gc.collect()
    clients.admit({})
    third.leave()


@pytest.mark.parametrize(
    ("path", "body"),
    [("/chat/stream", {"content": "again"}), ("/v1/threads/runs", {"assistant_id": "asst_default", "stream": True})],
)
def test_one_stream_too_many(make_site: MakeSite, path: str, body: dict[str, Any]) -> None:
    site = make_site(text("one"), text("two"), text("three"), max_streams=1)
    taken = site.client.post(f"{site.prefix}/chat/stream", json={"content": "hello"}, buffered=False)  # not read
    run_id = taken.headers["X-Run-Id"]
    with site.registration.log.follow(run_id) as follower:
        assert [event.name for events in follower for event in events][-1] == "thread.run.completed"
    before = site.contents()
    refused = site.post(path, body, headers={"Origin": "http://localhost:3000"})
    assert refused.status_code == 503
    retry = {"Retry-After": "1", "x-should-retry": "true"}
    expected = {**retry, "Access-Control-Allow-Origin": "http://localhost:3000"}
    assert {name: refused.headers[name] for name in expected} == expected
    assert refused.headers["X-Request-Id"]
    error = refused.get_json()["error"]
    assert (error["type"], error["code"]) == ("server_error", "too_many_streams")
    assert site.contents() == before
    assert len(site.engine.requests) == 1
    assert site.get("/health").status_code == 200
    assert site.get("/threads").status_code == 200
    assert site.post("/v1/threads/runs", {"assistant_id": "asst_default"}).status_code == 200, "it has no stream"
    taken.close()  # never iterated
    assert site.post(path, body).status_code == 200
    assert len(site.registration.clients) == 0


def test_a_request_that_fails_frees_its_place(make_site: MakeSite) -> None:
    site = make_site(max_streams=1)
    for _ in range(3):
        assert site.post("/chat/stream", {"content": "hello", "threadId": "thread_unknown"}).status_code == 404
        assert site.get("/threads/thread_1/runs/run_1/stream").status_code == 404
        assert site.post("/chat/stream", {"content": ""}).status_code == 400
    assert len(site.registration.clients) == 0


def test_a_response_that_the_host_drops_gives_its_place_back(make_site: MakeSite) -> None:
    site = make_site(text("one"), text("two"), max_streams=1)
    site.app.config["PROPAGATE_EXCEPTIONS"] = False
    site.app.logger.disabled = True  # a record that is kept would keep the response
    failing = [True]

    @site.app.after_request
    def fail(response: Any) -> Any:
        if failing:
            failing.clear()
            raise RuntimeError("a fault of the host")
        return response

    assert site.post("/chat/stream", {"content": "hello"}).status_code == 500
    gc.collect()
    assert site.post("/chat/stream", {"content": "hello"}).status_code == 200
