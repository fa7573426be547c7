"""`SIGTERM` with readers connected: with time enough every run completes, with too little every run says so."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos.conftest import Serve
from tests.chaos.reading import Reading
from tests.chaos.scorecard import LONG, Scorecard, amount

HOOKS = Path(__file__).resolve().parents[2] / "examples" / "gunicorn.conf.py"


@pytest.mark.parametrize(
    ("grace", "words", "ending"), [("20", 40, "thread.run.completed"), ("2", 600, "thread.run.failed")]
)
@pytest.mark.parametrize("store", ["sqlite_url", "mongodb_url"] if LONG else ["sqlite_url"])
def test_sigterm(
    grace: str, words: int, ending: str, store: str, serve: Serve, request: pytest.FixtureRequest, scorecard: Scorecard
) -> None:
    runs, kind = amount(10, 40), "SQLite" if store == "sqlite_url" else "MongoDB protocol"
    said = "".join(f" w{number}" for number in range(words))
    given = ("--config", str(HOOKS), "--workers", "2", "--graceful-timeout", grace)
    settings = {
        "store": request.getfixturevalue(store),
        "ASSISTANT_LEASE_SECONDS": "15",
    }  # too long to be what ends them
    with ThreadPoolExecutor(runs) as pool:
        with serve(*given, **settings) as server:
            readings = [Reading(server).ask(f"@@script:text?n={words}&delay=0.05@@") for _ in range(runs)]
            for reading in readings:
                reading.read_until(lambda frame: bool(frame.said))
            reads = [pool.submit(read_once, reading) for reading in readings]
            began = time.monotonic()
            assert server.stop() == 0
            took = time.monotonic() - began
            for read in reads:
                read.result()
        endings = Counter(reading.names[-1] for reading in readings)
        with serve(**settings) as server:
            for reading in readings:
                (answer,) = [one for one in server.messages(reading.thread_id) if one["role"] == "assistant"]
                assert answer["content"][0]["text"]["value"] == reading.text
                assert reading.text == said or ending != "thread.run.completed"
    scorecard.note(
        f"`SIGTERM`, {'enough' if ending == 'thread.run.completed' else 'too little'} grace ({grace} s), {kind}",
        "all complete" if ending == "thread.run.completed" else "all interrupted, reported to their readers and stored",
        **{"runs": runs, "workers": 2, **{name.rpartition(".")[2]: count for name, count in endings.items()}},
        **{"stopped after": took},
    )
    assert endings == {ending: runs}
    assert {reading.connections for reading in readings} == {1}


def read_once(reading: Reading) -> None:
    """Read to the end of the connection and let it go: one that is kept alive is waited for."""
    reading.read()
    reading.drop()
