"""One owner's load does not stop other owners: what they ask for is answered meanwhile, and so is the health check."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flask_assistant_stream.protocol import objects
from flask_assistant_stream.storages.vector_store_files import member_record
from flask_assistant_stream.stores import Passages, make_store
from flask_assistant_stream.stores.base import Kind, Record
from tests.engines.hose import PLAIN, endless, hose
from tests.fake_upstream import UpstreamProcess
from tests.server_process import FACTORY, FLASK_RUN, GTHREAD, Answer, ServerProcess, gunicorn, serving
from tests.stack.uploads import of

ANNA, BEN = "anna", "ben"
SEARCHES = 12
XAI = {"ASSISTANT_UPSTREAM_PROFILE": "xai", "ASSISTANT_MODEL": "a-model"}
"""An upstream without files: the app searches them."""
HEALTH_SECONDS, READY_SECONDS = 1.0, 5.0
"""The bounds that the tests assert; on an idle machine it is 50 ms and 2 s."""
QUERY = " ".join(f"word{number}" for number in range(64))
PASSAGES = {"sqlite": 5_000, "mongodb": 50}
COMMANDS = {"gevent": gunicorn(), "gthread": (*GTHREAD, FACTORY), "flask run": FLASK_RUN}


def fill(url: str, count: int) -> str:
    """Give Anna a vector store in which each passage has each word of `QUERY`, and return its id."""
    store = make_store(url)
    assert isinstance(store, Passages)
    body = objects.vector_store("vs_large", 1, "large")
    store.insert(Record(Kind.VECTOR_STORE, ANNA, body))
    file = {**objects.vector_store_file("file_large", 1, body["id"]), "status": "completed"}
    store.insert(member_record(ANNA, file, "large.txt"))
    store.write_passages(ANNA, "file_large", [QUERY] * count)
    store.close()
    return str(body["id"])


PLACES = [
    ("gevent", "sqlite"),
    pytest.param(("gevent", "mongodb"), marks=pytest.mark.mongodb),
    ("gthread", "sqlite"),
    ("flask run", "sqlite"),
]


@pytest.fixture(params=PLACES)
def site(
    request: pytest.FixtureRequest, played: UpstreamProcess, tmp_path: Path
) -> Iterator[tuple[ServerProcess, str]]:
    """A server with one worker, and Anna's large vector store in its store."""
    kind, store = request.param
    url = request.getfixturevalue(f"{store}_url")
    vector_store_id = fill(url, PASSAGES[store])
    with serving(COMMANDS[kind], tmp_path, store=url, upstream=played.base_url, **XAI) as server:
        yield server, vector_store_id


def took(call: Callable[[], Answer]) -> float:
    """Return how long a request took, which must succeed."""
    begun = time.monotonic()
    answer = call()
    assert answer.status == 200, answer.body
    return time.monotonic() - begun


def slowest(server: ServerProcess, going: Callable[[], bool]) -> dict[str, float]:
    """Return the longest answer to each of Ben's requests while something is going on."""
    times: dict[str, list[float]] = {"/health": [], "/health/ready": [], "/threads": []}
    while going() or not times["/threads"]:
        for path, taken in times.items():
            taken.append(took(lambda: server.get(path, headers=of(BEN))))  # noqa: B023
    return {path: max(taken) for path, taken in times.items()}


def test_large_searches_of_one_owner(site: tuple[ServerProcess, str]) -> None:
    server, vector_store_id = site
    search = f"/v1/vector_stores/{vector_store_id}/search"
    assert server.post(search, {"query": "word1"}, headers=of(ANNA)).json["data"], "there is something to find"

    small = server.post("/v1/vector_stores", {"name": "small"}, headers=of(BEN)).json["id"]

    def large() -> Answer:
        return server.post(search, {"query": QUERY}, headers=of(ANNA))

    with (
        server.opened("/chat/stream", {"content": "@@script:text?delay=0.05@@"}, headers=of(BEN)) as stream,
        ThreadPoolExecutor(SEARCHES) as pool,
    ):
        searches = [pool.submit(large) for _ in range(SEARCHES)]
        took(lambda: server.post(f"/v1/vector_stores/{small}/search", {"query": QUERY}, headers=of(BEN)))
        assert not all(search.done() for search in searches), "Ben's search waits for none of Anna's"
        times = slowest(server, lambda: not all(search.done() for search in searches))
        assert [search.result().status for search in searches] == [200] * SEARCHES
        assert stream.read_events()[-1].name == "thread.run.completed"
    assert times["/health"] < HEALTH_SECONDS
    assert times["/health/ready"] < READY_SECONDS
    assert times["/threads"] < READY_SECONDS


MANY_ITEMS = json.dumps(
    {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": [{}] * 100_000}}
)
FLOODED = {**XAI, "ASSISTANT_TITLES": "off"}


def test_floods_of_the_upstream_of_one_run(module_store: str, tmp_path: Path) -> None:
    floods = [
        endless("header line"),
        endless("event"),
        iter([PLAIN, f"data: {MANY_ITEMS}\n\n".encode()]),
    ]
    with (
        hose(*floods) as port,
        serving(gunicorn(), tmp_path, store=module_store, upstream=f"http://127.0.0.1:{port}/v1", **FLOODED) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        for bound in ("head of more than", "event of more than", "output items"):
            run = pool.submit(lambda: server.chat("Hello", headers=of(ANNA)).run)
            times = slowest(server, lambda: not run.done())  # noqa: B023
            assert run.result()["status"] == "failed"
            assert bound in run.result()["last_error"]["message"]
            assert times["/health"] < HEALTH_SECONDS, bound
            assert times["/health/ready"] < READY_SECONDS, bound
            assert times["/threads"] < READY_SECONDS, bound
