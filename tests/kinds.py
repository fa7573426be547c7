"""Mark each test with the kinds of program it needs besides Python packages, from the fixtures it uses.

`require(kind)` fails a test that starts such a program without the marker, so no test can lack one. `make quick` runs
the tests without any of these markers.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

KINDS = {
    "node": "starts Node: `npm ci --prefix tests/node`",
    "browser": "drives Chromium",
    "firefox": "drives Firefox",
    "nginx": "starts nginx",
    "mongodb": "uses a MongoDB server",
    "postgresql": "uses a PostgreSQL server",
    "slow": "starts a server of this package as a process, or takes more than two seconds",
}
FIXTURES = {
    "node_decode": "node",
    "node_version": "node",
    "node_script": "node",
    "browser": "node",  # tabs of the quickstart's page
    "chromium": "browser",
    "firefox": "firefox",
    "mongodb_uri": "mongodb",
    "busy_mongodb_url": "mongodb",
    "server": "slow",
    "sqlite_server": "slow",
    "mongodb_server": "mongodb slow",
    "synced_mongodb_url": "mongodb",
    "trouble": "mongodb",
    "killed": "mongodb",
    "compat_server": "slow",
}
"""Fixture -> kinds. A parameter that names a kind or one of these fixtures also marks it (`store_url[mongodb]`)."""

FOLDERS = {"browser": "browser", "chaos": "slow", "react_chat": "browser", "stack": "slow"}
"""Folder of tests -> kind: all tests there need it."""

_running: list[pytest.Item] = []


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    for kind, meaning in KINDS.items():
        config.addinivalue_line("markers", f"{kind}: {meaning}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the markers before `-m` selects; side by side, the modules that wait most come first."""
    for item in items:
        names = {*getattr(item, "fixturenames", ())}
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            names |= {value for value in item.callspec.params.values() if isinstance(value, str)}
        kinds = {kind for name in names for kind in FIXTURES.get(name, "").split()} | (names & KINDS.keys())
        kinds |= {kind for folder, kind in FOLDERS.items() if folder == item.path.parent.name}
        for kind in sorted(kinds):
            item.add_marker(kind)
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("browser")}
        items.sort(key=lambda item: (item.path not in slow, item.path.parts[-2] not in FOLDERS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Know which test runs."""
    _running.append(item)
    try:
        return (yield)
    finally:
        _running.pop()


def require(kind: str) -> None:
    """Fail the running test unless it has the marker; outside tests, do nothing."""
    if _running and _running[-1].get_closest_marker(kind) is None:
        pytest.fail(f"This test starts a program of the kind {kind!r}: mark it with `pytest.mark.{kind}`")
