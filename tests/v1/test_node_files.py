"""Files and vector stores with three versions of the Node client; `tests/node/files.mjs` reports what they received."""

from __future__ import annotations

from typing import Any

import pytest

from tests.node_clients import NODE_VERSIONS, node_script
from tests.server_process import PREFIX, ServerProcess
from tests.stack.app import API_KEY

pytestmark = [pytest.mark.node, pytest.mark.slow]

Seen = dict[str, Any]


@pytest.fixture(scope="module", params=NODE_VERSIONS)
def seen(request: pytest.FixtureRequest, sqlite_server: ServerProcess) -> Seen:
    """Return the report of one version."""
    found: Seen = node_script("files.mjs", request.param, f"{sqlite_server.origin}{PREFIX}/v1", API_KEY)
    return found


def test_files(seen: Seen) -> None:
    told = seen["files"]
    assert told["read"] == told["made"]
    assert (told["made"]["filename"], told["content"]) == ("näïve “sky”.txt", "The sky is green.")
    assert told["made"]["id"] in told["listed"]
    assert told["deleted"]["deleted"]
    assert (told["missing"]["kind"], told["missing"]["status"]) == ("NotFoundError", 404)
    assert (told["empty"]["kind"], told["empty"]["param"]) == ("BadRequestError", "file")


def test_vector_stores(seen: Seen) -> None:
    told = seen["stores"]
    assert (told["batch"]["status"], told["batch"]["file_counts"]["completed"]) == ("completed", 3)
    assert (told["one"]["status"], told["read"]["id"]) == ("completed", told["one"]["id"])
    assert len(told["listed"]) == len(set(told["listed"])) == 4
    assert {told["known"]["id"], told["one"]["id"]} <= set(told["listed"])
    assert told["gone"]["deleted"]
    assert told["counted"]["file_counts"]["total"] == 3
    assert told["found"] is None or told["found"]
    assert told["deleted"]["deleted"]
    assert told["missing"]["status"] == 404
