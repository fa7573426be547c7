"""The worker's side of an extraction process: start it, give it one file after the other, end it in time.

Started with `subprocess`, never by a fork of this process or with `multiprocessing`: a fork of a patched worker has its
locks, and a spawned process imports the host's script again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import RequestError
from .frames import pack, read_frame, read_series, unpack, write_frame

HEAD_BYTES = 1 << 20
MAX_RESULT_BYTES = 64 << 20
"""The most that a process may answer: three times the longest text in the widest script."""
LATE_SECONDS = 5.0
"""How much longer than its deadline a process may live; the kernel ends it at the deadline, where it can."""
SEND_SECONDS = 300.0
"""The longest time to send a file to a process."""
END_SECONDS = 1.0
"""How long a process may take to end after its pipe has closed."""

KEPT = ("PATH", "PYTHON", "LANG", "LC_", "LD_LIBRARY_PATH", "DYLD_", "TZ", "TMP", "TEMP", "SYSTEMROOT", "HOME")
"""Beginnings of the environment variables that a process receives: it needs none of the host's secrets."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one file may cost.

    Attributes:
        seconds: of time.
        memory_bytes: of memory, of the whole process.
    """

    seconds: float = 120.0
    memory_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True)
class TextPieces:
    """The text of a file: in passages, or cut anywhere.

    Attributes:
        note: what is missing from it, as a sentence; "" if nothing is.
    """

    texts: list[str]
    note: str = ""


class ProcessEnded(Exception):
    """The process has ended in the middle of a job, and not because of a limit; the text says how."""


class ExtractionProcess:
    """One process, which reads one file at a time.

    Raises:
        ProcessEnded: it cannot be started.

    Attributes:
        idle_since: the end of its last job, on the monotonic clock.
    """

    def __init__(self, limits: Limits) -> None:
        self.idle_since = time.monotonic()
        self._limits = limits
        self._usable = True
        self._kill_at = float("inf")
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                [python(), "-m", f"{__package__}.child", str(limits.memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment(os.environ, sys.path),
                start_new_session=True,  # Ctrl-C is for the server
            )
        except OSError as error:
            raise ProcessEnded(f"it cannot be started: {error.strerror}") from error

    @property
    def usable(self) -> bool:
        """Whether it can read another file."""
        return self._usable and self._process.poll() is None

    def read(self, head: Mapping[str, Any], content: Iterable[bytes]) -> TextPieces:
        """Return the text of a file; blocks this thread.

        Args:
            head: `filename`, `cut`, `max_chars`, `extractors`.

        Raises:
            RequestError: there is no text; the message says why.
            ProcessEnded: the process has ended, and it is unknown why.
        """
        jobs, answers = self._pipes()
        self._kill_at = time.monotonic() + SEND_SECONDS
        try:
            self._send(jobs, head, content)
            self._kill_at = time.monotonic() + self._limits.seconds + LATE_SECONDS
            answer = unpack(read_frame(answers, HEAD_BYTES))
            texts = [text for frame in _polite(read_series(answers, MAX_RESULT_BYTES)) for text in unpack(frame)]
        except (BrokenPipeError, EOFError, ValueError):
            raise self._end() from None
        except BaseException:  # the content could not be read, or this thread is being killed
            self.kill()
            raise
        self._kill_at, self.idle_since = float("inf"), time.monotonic()
        self._usable = not answer["last"]
        if error := answer.get("error"):
            raise self._too_much_memory() if error == "memory" else _rejected(answer["message"], answer["code"])
        return TextPieces(texts, answer["note"])

    def kill_if_late(self, now: float) -> None:
        """Kill the process if its job takes longer than the deadline allows."""
        if now > self._kill_at:
            self.kill()

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        self._usable = False
        self._process.kill()

    def close(self) -> None:
        """End the idle process and wait until it is gone."""
        self._usable = False
        jobs, answers = self._pipes()
        with suppress(OSError):  # it has ended before
            jobs.close()
        answers.close()
        self._wait()

    def _send(self, jobs: IO[bytes], head: Mapping[str, Any], content: Iterable[bytes]) -> None:
        write_frame(jobs, pack({**head, "seconds": self._limits.seconds}))
        for chunk in content:
            if chunk:
                write_frame(jobs, chunk)
        write_frame(jobs, b"")
        jobs.flush()

    def _end(self) -> Exception:
        """End a process that does not answer, and return what happened."""
        self._usable = False
        late = time.monotonic() > self._kill_at
        status = self._wait()
        if late or status == -getattr(signal, "SIGALRM", 0):
            return _rejected(f"Reading the file takes longer than {self._limits.seconds:g} seconds.")
        return ProcessEnded(f"signal {-status}" if status < 0 else f"status {status}")

    def _wait(self) -> int:
        """Return the exit status; a process that is still there is killed."""
        try:
            return self._process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _too_much_memory(self) -> RequestError:
        megabytes = self._limits.memory_bytes >> 20
        return _rejected(f"Reading the file needs more than {megabytes} MB of memory.")

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        jobs, answers = self._process.stdin, self._process.stdout
        assert jobs is not None
        assert answers is not None
        return jobs, answers


def python() -> str:
    """Return the interpreter: `sys.executable`, except in a server that embeds Python, where that is the server."""
    if "python" in Path(sys.executable or "").name.lower():
        return sys.executable
    return str(Path(sys.exec_prefix, "bin", f"python{sys.version_info.major}"))


def environment(environ: Mapping[str, str], path: Iterable[str]) -> dict[str, str]:
    """Return the environment of a process: modules are where this process finds them, and no secret is in it."""
    kept = {name: value for name, value in environ.items() if name.upper().startswith(KEPT)}
    return {**kept, "PYTHONPATH": os.pathsep.join(each or os.getcwd() for each in path), "PYTHONSAFEPATH": "1"}


def _polite(frames: Iterator[bytes]) -> Iterator[bytes]:
    """Yield frames, with time for other greenlets between them."""
    for frame in frames:
        yield frame
        time.sleep(0)


def _rejected(message: str, code: str = "invalid_file") -> RequestError:
    return RequestError(message, param="file", code=code)
