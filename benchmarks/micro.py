"""Small measurements in one process: import times, and pages of a long thread, a forked thread and a long list."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from flask.testing import FlaskClient

from flask_assistant_stream.protocol import ids, objects
from flask_assistant_stream.routes.base import EXTENSION
from flask_assistant_stream.stores.base import Kind, Record, Store, ThreadRecord
from flask_assistant_stream.stores.lines import TURN, Lines, active_line, fork_at, forked

from .app import OWNER, create_app

IMPORT_RUNS = 7
PAGE_RUNS = 50
SHORT, LONG = 100, 10_000
FORKS = 50
"""Forks of the forked thread, each within the messages of the one before, so that a page may cross many of them."""
IMPORTS = ("flask_assistant_stream", "flask_assistant_stream.extension")
"""The package alone, and with all that a host app imports: Flask, flask-cors, marshmallow."""


def import_seconds(module: str) -> float:
    """Return the median time to import a module in a fresh interpreter."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    return statistics.median(
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
        for _ in range(IMPORT_RUNS)
    )


def page_milliseconds(store_url: str) -> list[tuple[str, float, float]]:
    """Measure pages of 20 through the routes.

    Returns:
        Name of the page, and its median in ms with few and with many rows.
    """
    os.environ["ASSISTANT_STORE"], os.environ["ASSISTANT_ENGINE"] = store_url, "offline"
    app = create_app()
    store: Store = next(iter(app.extensions[EXTENSION].values())).store
    client = app.test_client()
    thread = store.insert(Record(Kind.THREAD, OWNER, objects.thread(ids.new_id(ids.THREAD), 0))).id
    messages: list[str] = []
    threads: list[str] = []
    measured = []
    for count in (SHORT, LONG):
        _fill_messages(store, thread, messages, count)
        _fill_threads(store, threads, count)
        measured.append(_pages(client, thread, messages, threads) | _forked_pages(client, store, count))
    store.close()
    few, many = measured
    return [(name, few[name], many[name]) for name in few]


def _forked_pages(client: FlaskClient, store: Store, count: int) -> dict[str, float]:
    """Measure pages of the newest line of a thread with `FORKS` forks and `count` messages."""
    lines: Lines = ()
    places: list[tuple[int, int]] = []
    for turn in range(1, count + 1):
        if turn % (count // FORKS) == 0:  # in front of the newest message
            lines = forked(lines, fork_at(lines, *places[-1]), turn)
        places.append((active_line(lines), turn * TURN))
    thread_id = ids.new_id(ids.THREAD)
    store.insert(ThreadRecord(Kind.THREAD, OWNER, objects.thread(thread_id, 0), turns=count, lines=lines))
    messages = [_insert(store, thread_id, line, position) for line, position in places]
    middle = f"/threads/{thread_id}/messages?limit=20&after={messages[count // 2]}"
    return {
        f"{FORKS} forks, newest messages": _median(client, f"/threads/{thread_id}/messages?limit=20"),
        f"{FORKS} forks, from the middle": _median(client, middle),
    }


def _pages(client: FlaskClient, thread: str, messages: list[str], threads: list[str]) -> dict[str, float]:
    middle = len(messages) // 2
    return {
        "history, newest messages": _median(client, f"/threads/{thread}/messages?limit=20"),
        "history, from the middle": _median(client, f"/threads/{thread}/messages?limit=20&after={messages[middle]}"),
        "threads, newest": _median(client, "/threads?limit=20"),
        "threads, from the middle": _median(client, f"/threads?limit=20&after={threads[middle]}"),
    }


def _median(client: FlaskClient, path: str) -> float:
    times = []
    for _ in range(PAGE_RUNS):
        began = time.perf_counter()
        answer = client.get(path)
        times.append(time.perf_counter() - began)
        assert len(answer.get_json()["data"]) == 20, answer.get_data(as_text=True)
    return statistics.median(times) * 1e3


def _fill_messages(store: Store, thread: str, made: list[str], count: int) -> None:
    while len(made) < count:
        made.append(_insert(store, thread))


def _insert(store: Store, thread_id: str, line: int = 0, position: int = 0) -> str:
    """Insert a message, without a position at the end, and return its id."""
    content = [{"type": "text", "text": {"value": "How do I replace the filter? " * 8, "annotations": []}}]
    body = objects.message(ids.new_id(ids.MESSAGE), 0, thread_id, "user", content)
    return store.insert(Record(Kind.MESSAGE, OWNER, body, thread_id, position, line=line)).id


def _fill_threads(store: Store, made: list[str], count: int) -> None:
    while len(made) < count:
        made.append(store.insert(Record(Kind.THREAD, OWNER, objects.thread(ids.new_id(ids.THREAD), 0))).id)


def sqlite_url(where: Path) -> str:
    return f"sqlite:///{where / 'pages.db'}"
