"""The load generator, the fake upstream and their driver: tools from outside the repository, compiled for each run."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .servers import ROOT, Server, free_port

SOURCES = ROOT.parent / "shared" / "bench"
NEEDED = ("upstream.c", "loadgen.c", "bench.py")
START_SECONDS = 30

Result = dict[str, Any]
"""One run of one workload on one server, as bench.py writes it."""


class Missing(Exception):
    """A requirement of the benchmark is missing; the message says how to get it."""


def check() -> None:
    """Raise `Missing` if a requirement is missing."""
    absent = [name for name in NEEDED if not (SOURCES / name).exists()]
    if absent:
        raise Missing(
            f"{', '.join(absent)} not found in ../shared/bench: the load generator, the fake upstream and their "
            "driver are kept beside this repository."
        )
    for program, why in (("cc", "to compile the load generator"), ("taskset", "to pin servers (util-linux)")):
        if shutil.which(program) is None:
            raise Missing(f"{program} not found: it is needed {why}.")
    if len(os.sched_getaffinity(0)) < 2:
        raise Missing("Two cores are needed: one for the server, one for the load.")


class Tools:
    """The compiled tools.

    Args:
        where: the build folder.
        server_cpu, load_cpu: the cores that servers and load are pinned to.
    """

    def __init__(self, where: Path, server_cpu: int, load_cpu: int) -> None:
        self.server_cpu, self.load_cpu = server_cpu, load_cpu
        self._where = where
        for name in ("upstream", "loadgen"):
            subprocess.run(["cc", "-O2", "-o", str(where / name), str(SOURCES / f"{name}.c")], check=True)

    @contextmanager
    def upstream(self) -> Iterator[str]:
        """Run the fake upstream on the load's core and yield its base URL."""
        port = free_port()
        command = ["taskset", "-c", str(self.load_cpu), str(self._where / "upstream"), "-p", str(port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                yield f"http://127.0.0.1:{port}/v1"
            finally:
                process.terminate()

    def drive(self, servers: list[Server], workloads: str, repeats: int) -> list[Result]:
        """Run workloads (names of bench.py, or options of the load generator) on servers in turn."""
        specs, results = self._where / "servers.json", self._where / "results.jsonl"
        specs.write_text(json.dumps([server.spec() for server in servers]))
        results.write_text("")
        command = [sys.executable, str(SOURCES / "bench.py"), str(specs), "--loadgen", str(self._where / "loadgen")]
        command += ["--server-cpu", str(self.server_cpu), "--load-cpu", str(self.load_cpu)]
        command += ["--workloads", workloads, "--repeats", str(repeats), "--out", str(results)]
        subprocess.run([*command, "--log", str(self._where / "servers.log")], check=True)
        return [json.loads(line) for line in results.read_text().splitlines()]


@contextmanager
def mongodb(where: Path, cpu: int) -> Iterator[str | None]:
    """Yield the URI of a MongoDB: `MONGODB_URI`, else a `secantusd-rs` on the load's core, else None.

    That server is a stand-in with MongoDB's wire protocol: its figures show the cost of the library, not the speed of
    a MongoDB.
    """
    given = os.environ.get("MONGODB_URI")
    program = shutil.which("secantusd-rs", path=str(Path(sys.executable).parent)) or shutil.which("secantusd-rs")
    if given or program is None:
        yield given or None
        return
    port = free_port()
    command = ["taskset", "-c", str(cpu), program, "--port", str(port), "--storage-path", str(where / "mongodb")]
    with (where / "mongodb.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_for(port)
            yield f"mongodb://127.0.0.1:{port}/benchmark"
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
