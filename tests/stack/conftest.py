"""One upstream for all tests here, and the servers that they speak to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.fake_upstream import UpstreamProcess
from tests.server_process import ServerProcess, gunicorn, serving

Serve = Callable[..., ServerProcess]


@pytest.fixture(scope="session")
def played() -> Iterator[UpstreamProcess]:
    """An upstream that plays what messages name; at the end, nothing may have been sent that the API refuses."""
    process = UpstreamProcess()
    try:
        yield process
        violations = process.told()["violations"]
    finally:
        process.stop()
    assert not violations, "requests that the API would refuse:\n" + "\n".join(violations)


@pytest.fixture(scope="session")
def server(played: UpstreamProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The app of these tests on one gevent worker, on SQLite."""
    with serving(gunicorn(), tmp_path_factory.mktemp("stack"), upstream=played.base_url) as running:
        yield running


@pytest.fixture(scope="module")
def serve(played: UpstreamProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Return a function that starts a server over the upstream; it runs until the module's last test."""
    with ExitStack() as running:

        def start(command: tuple[str, ...] = gunicorn(), **settings: str) -> ServerProcess:
            folder = tmp_path_factory.mktemp("server")
            return running.enter_context(serving(command, folder, upstream=played.base_url, **settings))

        yield start
