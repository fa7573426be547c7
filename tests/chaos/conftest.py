"""Servers for these tests, and the table that they print."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.app import WORKER
from tests.chaos.reading import MADE, PATIENCE
from tests.chaos.scorecard import LONG, SCORECARD, Scorecard, machine
from tests.fake_upstream import UpstreamProcess
from tests.mongodb_server import start_server, stop_server
from tests.server_process import GEVENT, ServerProcess, serving

LEASE = 2.0

Serve = Callable[..., AbstractContextManager[ServerProcess]]


@pytest.fixture(autouse=True)
def _no_connection_left() -> Iterator[None]:
    yield
    while MADE:
        MADE.pop().drop()


@pytest.fixture
def scorecard() -> Scorecard:
    return SCORECARD


@pytest.fixture(scope="session")
def played() -> Iterator[UpstreamProcess]:
    """An upstream that plays what messages name. What it is sent is looked at elsewhere: here it must be quick."""
    process = UpstreamProcess("--no-validate")
    yield process
    process.stop()


@pytest.fixture
def synced_mongodb_url(tmp_path: Path) -> Iterator[str]:
    """Give a store URL on a server that has on disk what it acknowledges."""
    process, port = start_server(tmp_path, "--sync-on-commit")
    try:
        yield f"mongodb://127.0.0.1:{port}/chaos"
    finally:
        stop_server(process)


@pytest.fixture
def serve(tmp_path: Path, played: UpstreamProcess) -> Serve:
    """Run the app on gevent workers: `serve("--workers", "2", store=…, ASSISTANT_…=…)`."""
    return partial(chaos_server, tmp_path / "server", upstream=played.base_url)


@contextmanager
def chaos_server(where: Path, *arguments: str, **settings: str) -> Iterator[ServerProcess]:
    """Run the app on gevent workers until the context is left; all of them answer when it is entered."""
    command = (*GEVENT, *arguments, "tests.chaos.app:create_app()")
    with serving(command, where, **{"ASSISTANT_LEASE_SECONDS": f"{LEASE:g}", **settings}) as server:
        if "--workers" in arguments:
            wait_for_workers(server, int(arguments[arguments.index("--workers") + 1]))
        yield server


def wait_for_workers(server: ServerProcess, count: int, without: int = 0) -> set[int]:
    """Wait until so many workers have answered, one that was killed not counted."""
    seen: set[int] = set()
    until = time.monotonic() + PATIENCE
    while len(seen) < count:
        assert time.monotonic() < until, f"only {len(seen)} of {count} workers answer"
        seen.add(int(server.get("/health").headers[WORKER]))
        seen.discard(without)
    return seen


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if SCORECARD.rows:
        terminalreporter.section(f"reliability, {'long' if LONG else 'short'} form")
        terminalreporter.write_line(f"Measured on {machine()}\n\n{SCORECARD.markdown}")
