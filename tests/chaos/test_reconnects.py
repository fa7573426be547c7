"""Connections that break: whoever comes back with the last number misses nothing and hears nothing twice."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from tests.chaos.conftest import chaos_server
from tests.chaos.reading import Reading, whole_run
from tests.chaos.scorecard import Scorecard, amount
from tests.fake_upstream import UpstreamProcess
from tests.node_clients import NODE_VERSIONS, NodeDecoder, node_script, python_decode_sse
from tests.server_process import PREFIX, ServerProcess

PAGE = Path(__file__).resolve().parents[2] / "docs" / "http.md"
FORMS = ("ndjson", "sse")


@pytest.fixture(scope="module")
def server(played: UpstreamProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with chaos_server(tmp_path_factory.mktemp("reconnects"), "--workers", "2", upstream=played.base_url) as running:
        yield running


def wander(reading: Reading, chance: random.Random) -> Reading:
    """Read a run to its end over connections that break at random, between two events or within one."""
    while True:
        reading.read(chance.randrange(12))
        if reading.ended:
            reading.drop()
            return reading
        reading.drop(within=chance.choice((0, 0, 1, 40)))
        reading.resume()


def test_random_drops(server: ServerProcess, scorecard: Scorecard) -> None:
    wanted, reconnects, crossed, events, lost, doubled, seed = amount(100, 1000), 0, 0, 0, 0, 0, 0
    with ThreadPoolExecutor(16) as pool:
        while reconnects < wanted:
            straight = [Reading(server, form).ask("@@script:text?n=150&delay=0.02@@") for form in FORMS * 4]
            whole = [pool.submit(reading.read_to_end) for reading in straight]
            broken = []
            for reading in straight:
                seed += 1
                other = Reading(server, reading.form).join(reading.thread_id, reading.run_id)
                broken.append(pool.submit(wander, other, random.Random(seed)))
            for done, one in zip(whole, broken, strict=True):
                done.result()
                one.result()
            for reading, other in zip(straight, (one.result() for one in broken), strict=True):
                assert reading.names[-1] == "thread.run.completed"
                assert reading.connections == 1
                lost, doubled = lost + other.lost(reading), doubled + other.doubled
                assert other.body == reading.body == whole_run(reading).body
                assert other.text == "".join(f" w{i}" for i in range(150))
                reconnects += other.connections - 1
                crossed += sum(worker != reading.workers[0] for worker in other.workers)
                events += len(other.events)
    scorecard.note(
        "random connection drops, NDJSON and SSE, two workers",
        "0 lost, 0 doubled; the bytes equal those of an undisturbed reader",
        **{"reconnects": reconnects, "to the worker without the run": crossed, "events": events},
        lost=lost,
        doubled=doubled,
    )
    assert (lost, doubled) == (0, 0)
    assert crossed > reconnects / 10, "both workers have served"


def test_a_drop_at_every_event_in_python(server: ServerProcess, scorecard: Scorecard) -> None:
    """Each connection brings one event; openai's event handler gets what was put together."""
    reading = Reading(server, "sse").ask("@@script:text?delay=0.02@@")
    while not reading.ended:
        reading.read(1)
        reading.drop(within=7)
        reading.resume()
    whole = whole_run(reading)
    assert reading.body == whole.body
    decoded = python_decode_sse(reading.body)
    assert (decoded.error, decoded.run_status) == (None, "completed")
    assert decoded.text == "".join(decoded.deltas) == whole.text
    figures = {"events": len(whole.events), "connections": reading.connections, "lost": 0, "doubled": reading.doubled}
    scorecard.note("a drop at every event, openai-python (SSE)", "bytes equal, decoded whole", **figures)


@pytest.mark.node
def test_a_drop_at_every_event_in_node(server: ServerProcess, tmp_path: Path, scorecard: Scorecard) -> None:
    """The page's own code from the documentation mends the stream under three versions of AssistantStream."""
    (resumable,) = re.findall(r"^```js\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    module = tmp_path / "resumable.mjs"
    module.write_text(resumable)
    told = node_script("reconnect.mjs", server.origin, str(module), "@@script:text?delay=0.02@@", *NODE_VERSIONS)
    assert list(told) == list(NODE_VERSIONS)
    connections = 0
    for version, found in told.items():
        events = decode_ndjson(found["body"].encode())
        run = events[-1].object()
        whole = server.get(f"/threads/{run['thread_id']}/runs/{run['id']}/stream")
        assert found["body"].encode() == whole.body, version
        assert (found["error"], found["status"], found["text"]) == (None, "completed", text_of(events)), version
        assert found["connections"] >= len(events)
        connections += found["connections"]
    figures = {"clients": len(told), "connections": connections, "lost": 0, "doubled": 0}
    scorecard.note("a drop at every event, three openai-node (NDJSON)", "bytes equal, decoded whole", **figures)


def test_a_reload_in_the_middle_of_an_answer(
    server: ServerProcess, node_decode: NodeDecoder, scorecard: Scorecard
) -> None:
    """From 0 on another worker, into a new AssistantStream: the whole answer, what had been shown and what follows."""
    said = "".join(f" w{i}" for i in range(60))
    first = Reading(server).ask("@@script:text?n=60&delay=0.05@@")
    first.read_until(lambda frame: bool(frame.said))
    first.drop()
    after = first.last
    while True:
        second = Reading(server).join(first.thread_id, first.run_id)
        if second.workers[0] != first.workers[0]:
            break
        second.drop()
    second.read_until(lambda frame: frame.seq == after)
    assert not second.ended, "the answer goes on"
    second.read_to_end()
    assert second.connections == 1
    for version in NODE_VERSIONS:
        decoded = node_decode(version, second.body)
        assert (decoded.error, decoded.run_status, decoded.text) == (None, "completed", said)
    url = f"{server.origin}{PREFIX}/threads/{first.thread_id}/runs/{first.run_id}/stream"
    assert node_decode.fetch(NODE_VERSIONS[-1], url).text == said
    scorecard.note(
        "a reload in the middle of an answer, on another worker",
        "AssistantStream shows the whole answer after a resume from 0",
        **{"clients": len(NODE_VERSIONS), "events shown before": after, "events": len(second.events)},
    )
