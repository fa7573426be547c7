"""Workers that are killed, and workers that sleep longer than their lease: every run has one end, and one history."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

import pytest

from flask_assistant_stream.protocol.dialects import ASSISTANTS
from tests.chaos.conftest import LEASE, Serve, wait_for_workers
from tests.chaos.reading import PATIENCE, Reading, wait_for, whole_run
from tests.chaos.scorecard import Scorecard, amount
from tests.server_process import ServerProcess, texts

AT_ONCE, LATE = 40, 6
"""Clients of one round, and those who ask in the moment of the kill."""
SPEEDS = ("n=70&delay=0.05", "n=100&delay=0.03", "n=12&delay=0.1", "n=40&delay=0.1", "n=40&delay=0.02")
"""Some have ended when their worker dies, some are about to, most are in the middle."""

STORES = {"sqlite_url": ("SQLite", LEASE, 4.0), "synced_mongodb_url": ("MongoDB protocol, synced", 5.0, 12.0)}
"""Name, lease, and what a machine that others use may add to the lease and a second (it is printed).

The stand-in for MongoDB is slow: under this crowd a lease of two seconds runs out before a write is through.
"""


class Asker:
    """One client of a crowd, in a thread of its own: asks, comes back when it is cut off, notes when it saw the end."""

    def __init__(self, server: ServerProcess, number: int) -> None:
        self.question = f"@@script:text?{SPEEDS[number % len(SPEEDS)]}@@ {number}"
        self.reading = Reading(server)
        self.ended_at = 0.0

    @property
    def acknowledged(self) -> bool:
        """Whether the server has said that it has the message."""
        return bool(self.reading.run_id)

    def talk(self) -> None:
        """Ask and read to the end."""
        try:
            self.reading.ask(self.question)
        except (OSError, HTTPException):  # killed before it could acknowledge anything
            return
        self.reading.read_to_end()
        self.ended_at = time.monotonic()


def check_ending(asker: Asker) -> int:
    """Check what became of one run; return how many events were shown and not stored."""
    reading, whole = asker.reading, whole_run(asker.reading)
    ends = [name for name in reading.names if name in ASSISTANTS.run_endings]
    assert ends == [reading.names[-1]], "one end, and nothing behind it"
    assert ends[0] in ("thread.run.completed", "thread.run.failed")
    seen = {frame.seq: frame.data for frame in reading.events}
    kept = {frame.seq: frame.data for frame in whole.events}
    assert reading.doubled == 0
    assert [frame.seq for frame in reading.events] == sorted(seen)
    assert {seq: data for seq, data in seen.items() if seq in kept} == kept, "a number means one event; none is lost"
    history = reading.server.messages(reading.thread_id)
    assert texts(history)[:1] == [("user", asker.question)], "an acknowledged message is there"
    assert "".join(text for role, text in texts(history) if role == "assistant") == whole.text
    if "thread.message.completed" in reading.names:
        assert history[1]["status"] == "completed", "so is an answer that was told to be complete"
    return len(seen.keys() - kept.keys())


@pytest.mark.parametrize("store", STORES)
def test_killed_workers(store: str, serve: Serve, request: pytest.FixtureRequest, scorecard: Scorecard) -> None:
    (name, lease, slack), wanted, chance = STORES[store], amount(20, 100), random.Random(17)
    killed, kills, unanswered, given_up, slowest, askers = 0, 0, 0, 0, 0.0, list[Asker]()
    url, clients = request.getfixturevalue(store), ThreadPoolExecutor(AT_ONCE + LATE)
    with serve("--workers", "2", store=url, ASSISTANT_LEASE_SECONDS=f"{lease:g}") as server, clients as pool:
        while killed < wanted:
            crowd = [Asker(server, number) for number in range(AT_ONCE)]
            talks = [pool.submit(asker.talk) for asker in crowd]
            enough = chance.randrange(8 * AT_ONCE, 20 * AT_ONCE)
            wait_for(lambda: sum(len(asker.reading.frames) for asker in crowd) > enough, "answers under way")  # noqa: B023
            alive = [asker for asker in crowd if asker.acknowledged and not asker.reading.ended]
            victim = max((a.reading.workers[0] for a in alive), key=[a.reading.workers[0] for a in alive].count)
            crowd += (latecomers := [Asker(server, number) for number in range(AT_ONCE, AT_ONCE + LATE)])
            talks += [pool.submit(asker.talk) for asker in latecomers]
            os.kill(victim, signal.SIGKILL)
            kills, killed_at = kills + 1, time.monotonic()
            for talk in talks:
                talk.result(2 * PATIENCE)
            hit = [a for a in crowd if a.acknowledged and a.reading.workers[0] == victim and a.ended_at > killed_at]
            killed += sum(asker.reading.names[-1] == "thread.run.failed" for asker in hit)
            failed = [asker.ended_at - killed_at for asker in hit if asker.reading.names[-1] == "thread.run.failed"]
            slowest = max([slowest, *failed])
            unanswered += sum(not asker.acknowledged for asker in crowd)
            others = [a.reading for a in crowd if a.acknowledged and a.reading.workers[0] != victim]
            given_up += sum(reading.names[-1] != "thread.run.completed" for reading in others)
            askers += [asker for asker in crowd if asker.acknowledged]
            wait_for_workers(server, 2, without=victim)
        shown = sum(pool.map(check_ending, askers))
        following = Reading(server).ask("And now?", askers[0].reading.thread_id)
        following.read_to_end()
        assert following.names[-1] == "thread.run.completed", "the thread goes on"
    survivors = [a.reading for a in askers if a.reading.names[-1] == "thread.run.completed"]
    scorecard.note(
        f"`kill -9` of a worker, {name}",
        f"every run ends within lease ({lease:g} s) + 1 s; a number is one event; acknowledged messages are stored",
        **{"runs": len(askers), "kills": kills, "runs killed": killed, "runs completed": len(survivors)},
        **{"posts cut off before an answer": unanswered, "shown, never stored": shown, "slowest end": slowest},
        **{"runs of living workers lost": given_up},
        lost=0,
        doubled=0,
    )
    assert slowest < lease + 1 + slack
    assert given_up == 0 or store != "sqlite_url"


def test_a_worker_sleeps_longer_than_its_lease(serve: Serve, sqlite_url: str, scorecard: Scorecard) -> None:
    rounds, wanted, runs, late = amount(1, 3), 6, 0, 0
    with serve("--workers", "2", store=sqlite_url) as server, ThreadPoolExecutor(40) as pool:
        for _ in range(rounds):
            readings = [Reading(server).ask("@@script:text?n=600&delay=0.1@@") for _ in range(2 * wanted)]
            for reading in readings:
                reading.read(8)
            sleeper = max((r.workers[0] for r in readings), key=[r.workers[0] for r in readings].count)
            his = [reading for reading in readings if reading.workers[0] == sleeper]
            os.kill(sleeper, signal.SIGSTOP)
            try:
                others = list(pool.map(ended_elsewhere, his))
            finally:
                os.kill(sleeper, signal.SIGCONT)
            for reading in his:
                reading.read()  # its readers follow the store to the end
                assert reading.names[-1] == "thread.run.failed"
                lost = f"run lost to another worker .*run_id={reading.run_id}"
                wait_for(lambda: re.search(lost, server.log) is not None, "that the sleeper knows it")  # noqa: B023
            for reading, other in zip(his, others, strict=True):
                whole = whole_run(reading)
                assert whole.body == other.body, "what had ended stays as it was"
                seen = {frame.seq: frame.data for frame in whole.events}
                assert all(seen.get(f.seq, f.data) == f.data for f in reading.events), "a number is one event"
                ends = [at for at, name in enumerate(reading.names) if name in ASSISTANTS.run_endings]
                late += len(reading.names) - 1 - ends[0]
            runs += len(his)
            for reading in readings:
                if reading not in his:
                    assert server.post(f"/threads/{reading.thread_id}/runs/{reading.run_id}/cancel").status == 200
                reading.drop()
    scorecard.note("`SIGSTOP` longer than the lease, then `CONT`", "0 events behind the end", runs=runs, late=late)
    assert late == 0


def ended_elsewhere(reading: Reading) -> Reading:
    """Read a run to its end on a worker that is awake; a connection that the sleeper has is given up."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        other = Reading(reading.server)
        try:
            other.join(reading.thread_id, reading.run_id, seconds=LEASE + 5)
        except TimeoutError:
            continue
        other.read()
        if other.ended:
            return other
    raise AssertionError("no worker ended the run")
