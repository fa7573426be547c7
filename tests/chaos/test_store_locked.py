"""A store that somebody else holds: the worker goes on, its runs wait at their bound, and nothing is lost."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from flask_assistant_stream.stores.base import WINDOW
from tests.chaos.conftest import Serve
from tests.chaos.reading import PATIENCE, Reading, whole_run
from tests.chaos.scorecard import Scorecard, amount

LOCKED = 2.0
WORDS = 250


def test_a_locked_store(serve: Serve, tmp_path: Path, scorecard: Scorecard) -> None:
    runs, store = amount(4, 10), tmp_path / "store.db"
    settings = {"store": f"sqlite:///{store}", "ASSISTANT_LEASE_SECONDS": "15"}
    with serve("--workers", "1", **settings) as server, ThreadPoolExecutor(runs) as pool:
        readings = [Reading(server).ask(f"@@script:text?n={WORDS}&delay=0.015@@") for _ in range(runs)]
        for reading in readings:
            reading.read_until(lambda frame: bool(frame.said))
        ends = [pool.submit(reading.read_to_end) for reading in readings]
        slowest, asked = 0.0, 0
        with closing(sqlite3.connect(store, isolation_level=None, timeout=PATIENCE)) as other:
            other.execute("BEGIN IMMEDIATE")
            try:
                locked = time.monotonic()
                stored: dict[str, int] = dict(other.execute("SELECT run_id, max(last) FROM log GROUP BY run_id"))
                paused = False
                while not paused or time.monotonic() < locked + LOCKED:
                    assert time.monotonic() < locked + PATIENCE, "the runs do not come to their bound"
                    started = time.monotonic()
                    assert server.get("/health").status == 200
                    slowest, asked = max(slowest, time.monotonic() - started), asked + 1
                    paused = all(reading.last == stored[reading.run_id] + WINDOW for reading in readings)
                held = time.monotonic() - locked
                ahead = {reading.last - stored[reading.run_id] for reading in readings}
            finally:
                other.execute("ROLLBACK")
        for end in ends:
            end.result(PATIENCE)
        said = "".join(f" w{number}" for number in range(WORDS))
        lost = sum(reading.lost(whole_run(reading)) for reading in readings)
        for reading in readings:
            assert reading.names[-1] == "thread.run.completed"
            assert reading.text == said == server.messages(reading.thread_id)[-1]["content"][0]["text"]["value"]
            assert [frame.seq for frame in reading.events] == list(range(1, reading.last + 1))
            assert reading.connections == 1
    scorecard.note(
        "SQLite locked by another process",
        "`/health` < 50 ms; runs pause at their bound, continue, lose nothing",
        **{"runs": runs, "locked": held, "`/health` asked": asked, "slowest `/health`": slowest},
        **{"events ahead of the store": max(ahead), "lost": lost},
    )
    assert ahead == {WINDOW}
    assert lost == 0
    assert slowest < 1.0, "a frozen loop would have waited for the lock"
