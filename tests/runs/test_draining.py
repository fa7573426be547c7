"""A shutdown in one process: refused requests, runs that end or are interrupted, and what the next process reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_assistant_stream
from flask_assistant_stream import drain
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.routes.base import EXTENSION
from flask_assistant_stream.shutdown import INTERRUPT_SECONDS, Shutdown, drains
from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from flask_assistant_stream.testing.scripted import call, text, unfinished
from flask_assistant_stream.translation.translator import UNFINISHED, Ending
from tests.routes.conftest import Site, build
from tests.runs.workers import endings
from tests.translation.checker import check
from tests.waiting import soon

PATIENCE = 30.0
INTERRUPTED = {"code": "server_error", "message": UNFINISHED[Ending.INTERRUPTED]}
OPEN = [*unfinished("The answer is forty-two"), threading.Event()]
"""An answer whose end never comes."""

MakeSite = Callable[..., Site]


@pytest.fixture
def make_site(tmp_path: Path, store_url: str) -> Iterator[MakeSite]:
    """Return a function that makes sites: processes that share a store."""
    sites: list[Site] = []

    def make(*scripts: Any, **options: Any) -> Site:
        sites.append(build(tmp_path, *scripts, store=store_url, **options))
        return sites[-1]

    yield make
    for site in sites:
        site.registration.runner.stop()
        site.registration.store.close()


class Reading:
    """A message and its answer, read in a thread."""

    def __init__(self, site: Site, **body: Any) -> None:
        self._pool = ThreadPoolExecutor(1)
        log = site.registration.log
        before = set(log.followers)
        self._answer = self._pool.submit(site.chat, **body)
        soon(lambda: any(one.position > 3 for one in log.followers - before))

    @property
    def events(self) -> list[Event]:
        """The answer to its end."""
        events = self._answer.result(PATIENCE)
        self._pool.shutdown()
        return events


def wait_for_drain(site: Site) -> None:
    soon(lambda: site.registration.runner.drain.begun)


def assert_interrupted(events: list[Event]) -> None:
    assert (endings(events), events[-1].object()["last_error"]) == (["thread.run.failed"], INTERRUPTED)


def history(site: Site, thread_id: str) -> list[tuple[str, str, str]]:
    messages = site.get(f"/threads/{thread_id}/messages?order=asc").get_json()["data"]
    return [(one["role"], one["status"], one["content"][0]["text"]["value"]) for one in messages]


def assert_refused(response: Any) -> None:
    assert (response.status_code, response.get_json()["error"]["code"]) == (503, "shutting_down")
    assert response.get_json()["error"]["type"] == "server_error"
    assert (response.headers["Retry-After"], response.headers["x-should-retry"]) == ("1", "true")


# -- admission ---------------------------------------------------------------------------------------------
def test_what_starts_a_run_is_refused_and_nothing_is_stored(make_site: MakeSite) -> None:
    site = make_site(text("Once."))
    thread_id = site.chat()[0].object()["id"]
    drain(site.app, seconds=0)
    before = site.contents()
    message = {"role": "user", "content": "Hello"}
    for path, body in {
        "/chat/stream": {"content": "Hello", "threadId": thread_id},
        f"/threads/{thread_id}/messages": {"content": "Hello"},
        f"/v1/threads/{thread_id}/runs": {"assistant_id": "asst_default"},
        "/v1/threads/runs": {"assistant_id": "asst_default", "thread": {"messages": [message]}, "stream": True},
    }.items():
        assert_refused(site.post(path, body))
    assert (site.contents(), len(site.engine.requests)) == (before, 1)


def test_a_required_action_is_left_for_another_process(make_site: MakeSite) -> None:
    site, other = make_site(call("get_weather", {"city": "Oslo"})), make_site(text("It is cold."))
    run = site.chat()[-1].object()
    assert run["status"] == "requires_action"
    assert drain(site.app, seconds=0) == 0
    (asked,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    body = {"runId": run["id"], "toolCallOutputs": [{"tool_call_id": asked["id"], "output": "-3 °C"}]}
    assert_refused(site.post(f"/threads/{run['thread_id']}/actions", body))
    sdk = {"tool_outputs": [{"tool_call_id": asked["id"], "output": "-3 °C"}]}
    assert_refused(site.post(f"/v1/threads/{run['thread_id']}/runs/{run['id']}/submit_tool_outputs", sdk))
    answered = decode_ndjson(other.post(f"/threads/{run['thread_id']}/actions", body).data)
    assert endings(answered) == ["thread.run.completed"]


def test_everything_else_is_answered(make_site: MakeSite) -> None:
    site = make_site(text("Once."))
    events = site.chat()
    run = events[-1].object()
    drain(site.app, seconds=0)
    assert site.get("/health").status_code == 200
    ready = site.get("/health/ready")
    assert (ready.status_code, ready.get_json()["status"]) == (503, "shutting_down")
    assert site.get("/threads").status_code == 200
    assert history(site, run["thread_id"])[-1] == ("assistant", "completed", "Once.")
    again = site.get(f"/threads/{run['thread_id']}/runs/{run['id']}/stream")
    assert decode_ndjson(again.data) == events
    assert site.post("/threads", {"title": "A list"}).status_code == 200


def test_an_admitted_start_is_waited_for(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that is being stored when the drain begins becomes a run, and the run is interrupted."""
    site = make_site(OPEN)
    store, entered, release = site.registration.store, threading.Event(), threading.Event()
    start = store.start

    def slow(*arguments: Any) -> Any:
        entered.set()
        assert release.wait(PATIENCE)
        return start(*arguments)

    monkeypatch.setattr(store, "start", slow)
    with ThreadPoolExecutor(2) as pool:
        answer = pool.submit(site.chat)
        assert entered.wait(PATIENCE)
        shutdown = pool.submit(drain, site.app, seconds=PATIENCE)
        wait_for_drain(site)
        assert not site.registration.runner.drain.idle
        release.set()
        Shutdown(drains(site.app), 0).run()
        assert shutdown.result(PATIENCE) == 1
        assert endings(answer.result(PATIENCE)) == ["thread.run.failed"]


# -- the end -----------------------------------------------------------------------------------------------
def test_runs_that_end_in_time_complete(make_site: MakeSite) -> None:
    gate = threading.Event()
    site = make_site([*unfinished("The answer is"), gate, *text("The answer is forty-two.")[-1:]])
    reading = Reading(site)
    with ThreadPoolExecutor(1) as pool:
        shutdown = pool.submit(drain, site.app, seconds=PATIENCE)
        wait_for_drain(site)
        gate.set()
        assert shutdown.result(PATIENCE) == 0
    assert endings(reading.events) == ["thread.run.completed"]


def test_the_rest_is_interrupted_with_what_it_has_said(make_site: MakeSite) -> None:
    site, other = make_site(*[OPEN] * 3), make_site(text("Here I am."))
    readings = [Reading(site) for _ in range(3)]
    begun = time.monotonic()
    assert drain(site.app, seconds=0.2) == 3
    assert time.monotonic() - begun < INTERRUPT_SECONDS
    for reading in readings:
        events = reading.events
        run = check(events).run
        assert run is not None
        assert (endings(events), run["last_error"]) == (["thread.run.failed"], INTERRUPTED)
        stored = other.get(f"/threads/{run['thread_id']}/runs/{run['id']}/stream?after=2")
        assert decode_ndjson(stored.data) == events[2:]
        assert history(other, run["thread_id"])[-1] == ("assistant", "incomplete", text_of(events))
        assert text_of(events)
    assert all(stream.closed.is_set() for stream in site.engine.streams), "the upstream is told"
    assert run is not None
    following = other.chat("And now?", threadId=run["thread_id"])
    assert endings(following) == ["thread.run.completed"], "the thread is free at once"


def test_a_tool_that_hangs_is_left_behind(make_site: MakeSite) -> None:
    called, release = threading.Event(), threading.Event()

    def hang() -> str:
        """Take long."""
        called.set()
        release.wait(PATIENCE)
        return "late"

    site = make_site(call("hang", {}), tools=[hang])
    reading = Reading(site)
    assert called.wait(PATIENCE)
    begun = time.monotonic()
    assert drain(site.app, seconds=0) == 1
    assert time.monotonic() - begun < INTERRUPT_SECONDS / 2
    events = reading.events
    assert_interrupted(events)
    release.set()


def test_a_thread_that_does_not_come_back_is_left_behind(make_site: MakeSite) -> None:
    """Wherever a run hangs, its end is stored and sent in time."""
    hangs, release = threading.Event(), threading.Event()
    site = make_site([*unfinished("The answer is"), hangs.set, lambda: release.wait(PATIENCE)])
    reading = Reading(site)
    assert hangs.wait(PATIENCE)
    begun = time.monotonic()
    assert drain(site.app, seconds=0) == 1
    assert time.monotonic() - begun < INTERRUPT_SECONDS + 0.5
    events = reading.events
    release.set()
    assert_interrupted(events)
    assert text_of(events) == "The answer is"


def test_a_run_that_hangs_ends_once(make_site: MakeSite) -> None:
    """The thread that hung finds that the run was taken over."""
    hangs, release = threading.Event(), threading.Event()
    site = make_site([*unfinished("The answer is"), hangs.set, lambda: release.wait(PATIENCE), *text("late")])
    reading = Reading(site)
    assert hangs.wait(PATIENCE)
    drain(site.app, seconds=0)
    run = reading.events[-1].object()
    release.set()
    soon(lambda: run["id"] not in {thread.name for thread in threading.enumerate()})
    again = decode_ndjson(site.get(f"/threads/{run['thread_id']}/runs/{run['id']}/stream").data)
    assert endings(again) == ["thread.run.failed"]
    check(again, gaps=True)


@pytest.mark.slow
def test_a_store_that_is_away_does_not_hold_up_the_end(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site(OPEN)
    reading = Reading(site)
    store = site.registration.store

    def away(*_: Any, **__: Any) -> Any:
        raise flask_assistant_stream.StoreError("away")

    with monkeypatch.context() as patch:
        for name in ("commit", "get", "find", "claim", "ping", "due", "renew"):
            patch.setattr(store, name, away)
        begun = time.monotonic()
        assert drain(site.app, seconds=0) == 1
        assert time.monotonic() - begun < INTERRUPT_SECONDS + 0.5
    assert endings(reading.events) == ["thread.run.failed"], "stored as soon as it is back"


def test_a_hurry_cuts_the_patience_short(make_site: MakeSite) -> None:
    site = make_site(OPEN)
    reading = Reading(site)
    shutdown = Shutdown(drains(site.app), PATIENCE)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(shutdown.run)
        wait_for_drain(site)
        begun = time.monotonic()
        shutdown.hurry()
        shutdown.hurry(PATIENCE)  # a deadline never moves back
        assert running.result(PATIENCE) == 1
    assert time.monotonic() - begun < INTERRUPT_SECONDS
    assert endings(reading.events) == ["thread.run.failed"]


# -- which apps --------------------------------------------------------------------------------------------
def test_every_registration_of_an_app_is_drained(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site(OPEN)
    second = flask_assistant_stream.create_assistant_blueprint(
        name="second", engine="offline", store=f"sqlite:///{tmp_path / 'second.db'}"
    )
    site.app.register_blueprint(second, url_prefix="/second")
    reading = Reading(site)
    assert drain(site.app, seconds=0) == 1
    assert endings(reading.events) == ["thread.run.failed"]
    assert [one.runner.drain.begun for one in site.app.extensions[EXTENSION].values()] == [True, True]


def test_one_app_is_drained_and_another_continues(make_site: MakeSite) -> None:
    site, other = make_site(), make_site(text("Here I am."))
    drain(site.app, seconds=0)
    assert endings(other.chat()) == ["thread.run.completed"]
    assert drain(Flask("without an assistant"), seconds=PATIENCE) == 0
    drain(seconds=0)
    assert_refused(other.post("/chat/stream", {"content": "Hello"}))


def test_a_run_can_be_cancelled_while_others_may_end(make_site: MakeSite) -> None:
    site = make_site(OPEN)
    reading = Reading(site)
    (thread,) = site.get("/threads").get_json()["data"]
    (run,) = site.registration.store.list(Kind.RUN, "anna", parent=thread["id"]).records
    with ThreadPoolExecutor(1) as pool:
        shutdown = pool.submit(drain, site.app, seconds=PATIENCE)
        wait_for_drain(site)
        assert site.post(f"/threads/{thread['id']}/runs/{run.id}/cancel").status_code == 200
        assert shutdown.result(PATIENCE) == 0
    assert endings(reading.events) == ["thread.run.cancelled"]
