"""What a client sees through nginx: events one by one, and failures as failures."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_assistant_stream.engines.response_items import ResponseItems, usage
from flask_assistant_stream.protocol.dialects import ASSISTANTS
from tests.chaos.conftest import LEASE, Serve
from tests.chaos.reading import PATIENCE, Reading
from tests.chaos.scorecard import Scorecard
from tests.fake_upstream import FakeUpstream, Gate, Reply, Step
from tests.nginx import nginx
from tests.node_clients import NODE_VERSIONS, NodeDecoder

pytestmark = pytest.mark.nginx


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_worker_dies_behind_nginx(
    version: str, serve: Serve, tmp_path: Path, node_decode: NodeDecoder, scorecard: Scorecard
) -> None:
    """With HTTP/1.0 the broken answer looks whole: that there is no end in it is all that a client can see."""
    with serve("--workers", "1") as server, nginx(server, tmp_path / "nginx", version) as front:
        reading = Reading(front).ask("@@script:text?n=600&delay=0.1@@")
        reading.read_until(lambda frame: bool(frame.said))
        os.kill(reading.workers[0], signal.SIGKILL)
        killed = time.monotonic()
        reading.read()
        broken = reading.broken
        assert broken == (version == "1.1"), "as HTTP tells it"
        assert not [name for name in reading.names if name in ASSISTANTS.run_endings]
        errors = [node_decode(version, reading.body).error for version in NODE_VERSIONS]
        assert errors == ["Final run has not been received"] * len(NODE_VERSIONS)
        reading.read_to_end()
        assert reading.names[-1] == "thread.run.failed"
        assert reading.doubled == 0
        scorecard.note(
            f"a worker is killed behind nginx that speaks HTTP/{version} to it",
            "the client reports failure; the end is there when it comes back",
            **{"clients that report it": len(errors), "body cut off for HTTP": "yes" if broken else "no"},
            end=time.monotonic() - killed,
        )
        assert time.monotonic() - killed < LEASE + PATIENCE / 2


@pytest.mark.parametrize("form", ["ndjson", "sse"])
def test_events_come_one_by_one_through_nginx(form: str, serve: Serve, tmp_path: Path, scorecard: Scorecard) -> None:
    """The upstream says a word only when the client has the one before."""
    gates = [Gate(threading.Event()) for _ in range(12)]
    with FakeUpstream(validate=False) as upstream:
        upstream.play(Reply(gated(gates)))
        with serve(upstream=upstream.base_url) as server, nginx(server, tmp_path / "nginx", "1.1") as front:
            reading, slowest = Reading(front, form).ask("hello"), 0.0
            for number, gate in enumerate(gates):
                opened = time.monotonic()
                gate.event.set()
                reading.read_until(lambda frame, wanted=f" w{number}": frame.said == wanted)  # type: ignore[misc]
                slowest = max(slowest, time.monotonic() - opened)
            reading.read_to_end()
    assert reading.names[-1] == "thread.run.completed"
    assert reading.connections == 1
    figures = {"events held back by the upstream": len(gates), "slowest": slowest}
    scorecard.note(f"events through nginx, as documented, {form}", "one by one", **figures)


def gated(gates: list[Gate]) -> Iterator[Step]:
    """Script an answer of a word per gate."""
    items = ResponseItems({"model": "a-model"}, now=time.time)
    yield from items.begin()
    left = iter(gates)
    for item in items.text(f" w{number}" for number in range(len(gates))):
        if item["type"] == "response.output_text.delta":
            yield next(left)
        yield item
    yield items.complete(usage(1, len(gates)))
