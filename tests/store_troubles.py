"""Store failures under running servers: a locked file, a full disk, a server that hangs or dies.

Each is created with an empty folder; `begin` and `end` may be called repeatedly.
"""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from tests.mongodb_server import start_server, stop_server
from tests.server_process import ServerProcess

DRIVER = "serverSelectionTimeoutMS=1000&connectTimeoutMS=1000&socketTimeoutMS=3000"
"""Shorter time-outs than in a deployment, to keep tests short."""


class Trouble(ABC):
    """A store and its failure.

    Attributes:
        url: the URL of the store.
        readable: committed data can be read during the failure.
    """

    url: str
    readable = True

    @abstractmethod
    def begin(self, server: ServerProcess) -> None:
        """Start the failure."""

    @abstractmethod
    def end(self, server: ServerProcess) -> None:
        """End the failure."""

    @abstractmethod
    def close(self) -> None:
        """Clean up."""


class Locked(Trouble):
    """Another process holds SQLite's write lock."""

    def __init__(self, where: Path) -> None:
        self._path = where / "store.db"
        self.url = f"sqlite:///{self._path}"
        self._other: sqlite3.Connection | None = None

    def begin(self, server: ServerProcess) -> None:
        self._other = sqlite3.connect(self._path, isolation_level=None, timeout=10)
        self._other.execute("BEGIN IMMEDIATE")

    def end(self, server: ServerProcess) -> None:
        self.close()

    def close(self) -> None:
        if self._other is not None:
            self._other.close()


class Full(Trouble):
    """No file of the workers may grow; a reader prevents that the write-ahead log is reused."""

    def __init__(self, where: Path) -> None:
        self._path = where / "store.db"
        self.url = f"sqlite:///{self._path}"
        self._reader: sqlite3.Connection | None = None

    def begin(self, server: ServerProcess) -> None:
        self._reader = sqlite3.connect(self._path, isolation_level=None)
        self._reader.execute("BEGIN")
        self._reader.execute("SELECT count(*) FROM records").fetchone()
        size = os.path.getsize(f"{self._path}-wal")
        assert size > 4 * os.path.getsize(server.log_file), "the log files of the servers need room"
        self._limit(server, size)

    def end(self, server: ServerProcess) -> None:
        self._limit(server, resource.RLIM_INFINITY)
        self.close()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def _limit(self, server: ServerProcess, size: int) -> None:
        for pid in server.workers:
            hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


class OwnServer(Trouble):
    """A MongoDB server for one test, with commits that reach the disk."""

    readable = False

    def __init__(self, where: Path) -> None:
        self._where = where
        self._start("0")
        self.url = f"mongodb://127.0.0.1:{self._port}/trouble?{DRIVER}"

    def _start(self, port: str) -> None:
        self._process: subprocess.Popen[bytes]
        self._process, self._port = start_server(self._where, "--sync-on-commit", "--port", port)

    def close(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        stop_server(self._process)


class Stopped(OwnServer):
    """The server accepts connections and requests but does not process them until `end`."""

    def begin(self, server: ServerProcess) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def end(self, server: ServerProcess) -> None:
        self._process.send_signal(signal.SIGCONT)


class Killed(OwnServer):
    """The server is killed; `end` starts another one on its port and data."""

    def begin(self, server: ServerProcess) -> None:
        self._process.kill()
        self._process.wait()

    def end(self, server: ServerProcess) -> None:
        self._start(str(self._port))


TROUBLES: dict[str, Callable[[Path], Trouble]] = {"locked": Locked, "full": Full, "stopped": Stopped, "killed": Killed}
