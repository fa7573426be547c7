"""The official Node client as a page of another origin uses it; see `tests/node/cors.mjs`."""

from __future__ import annotations

import pytest

from tests.node_clients import NODE_VERSIONS, node_script
from tests.server_process import PREFIX, ServerProcess
from tests.stack.app import API_KEY

pytestmark = [pytest.mark.node, pytest.mark.slow]


@pytest.mark.parametrize("version", NODE_VERSIONS)
def test_a_listed_origin_uses_the_client(version: str, sqlite_server: ServerProcess) -> None:
    address = f"{sqlite_server.origin}{PREFIX}/v1"
    seen = node_script("cors.mjs", version, address, API_KEY, "http://localhost:3000")
    assert {"x-stainless-lang", "authorization", "traceparent", "x-csrftoken"} <= set(seen["asked"])
    assert seen.get("error") is None
    assert seen["status"] == "completed"


def test_another_origin_does_not(sqlite_server: ServerProcess) -> None:
    address = f"{sqlite_server.origin}{PREFIX}/v1"
    seen = node_script("cors.mjs", NODE_VERSIONS[-1], address, API_KEY, "http://evil.example")
    assert "preflight" in seen["error"]
