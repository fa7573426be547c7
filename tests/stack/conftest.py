"""One upstream for all tests here, and the server that most of them speak to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fake_upstream import UpstreamProcess
from tests.server_process import ServerProcess, gunicorn, serving


@pytest.fixture(scope="session")
def played() -> Iterator[UpstreamProcess]:
    """An upstream that plays what messages name; at the end, nothing may have been sent that the API refuses."""
    process = UpstreamProcess()
    try:
        yield process
        found = process.told()["violations"]
    finally:
        process.stop()
    assert not found, "requests that the API would refuse:\n" + "\n".join(found)


@pytest.fixture(scope="session")
def server(played: UpstreamProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The app of these tests on one gevent worker, on SQLite."""
    with serving(gunicorn(), tmp_path_factory.mktemp("stack"), upstream=played.base_url) as running:
        yield running
