"""The extraction process: `python -m flask_assistant_stream.extraction.child MEMORY_BYTES`.

It receives files on its standard input and answers on its standard output, one at a time, see `frames`. Everything
that can go wrong with a file goes wrong here: the kernel ends the process after the time or the memory of a job, and
the worker starts another one. It ends when its input closes, also after the worker was killed.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO, Any, BinaryIO, cast

from ..errors import AssistantStreamError
from .extract import extract_text
from .frames import pack, read_frame, read_series, unpack, write_frame, write_series
from .passages import cut

HEAD_BYTES = 1 << 20
GROUP = 50
"""Passages of a frame."""
PIECE_CHARS = 1 << 16
"""Characters of a frame with uncut text."""
NICE = 10
"""Lower priority: a worker answers its clients first."""

Job = tuple[dict[str, Any], BinaryIO]


def main() -> None:
    """Answer one job after the other, until the input closes or a job has used much of the memory."""
    memory = int(sys.argv[1])
    jobs, answers = _own_pipes()
    _limit(memory)
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(jobs, waiting), daemon=True).start()
    while True:
        head, content = waiting.get()
        _limit_time(head["seconds"])
        answer, pieces = _read(head, content, memory)
        _limit_time(0)
        last = _used_bytes() > memory // 2 or answer.get("error") == "memory"
        write_frame(answers, pack({**answer, "last": last}))
        write_series(answers, map(pack, pieces))
        content.close()
        del pieces
        if last:
            return


def _read(head: dict[str, Any], content: BinaryIO, memory: int) -> tuple[dict[str, Any], Iterable[Any]]:
    """Return the answer to a job and the pieces of the text: passages, or a text cut anywhere."""
    try:
        extracted = extract_text(head["filename"], content, head["extractors"])
        text = extracted.text[: head["max_chars"]]
        pieces = _grouped(cut(text)) if head["cut"] else _halved(text)
        return {"note": extracted.note}, pieces
    except MemoryError:
        return {"error": "memory"}, ()
    except AssistantStreamError as error:
        if error.__cause__ is not None and (isinstance(error.__cause__, MemoryError) or _used_bytes() > memory // 2):
            # A library without memory reports anything: lxml an "unknown error".
            return {"error": "memory"}, ()
        return {"error": "file", "message": error.message, "code": error.code}, ()


def _grouped(passages: list[str]) -> Iterator[list[str]]:
    return (passages[first : first + GROUP] for first in range(0, len(passages), GROUP))


def _halved(text: str) -> Iterator[list[str]]:
    return ([text[first : first + PIECE_CHARS]] for first in range(0, len(text), PIECE_CHARS))


def _receive(jobs: IO[bytes], waiting: queue.SimpleQueue[Job]) -> None:
    """Receive jobs; end the process when the pipe closes, also in the middle of a job."""
    try:
        while True:
            head = unpack(read_frame(jobs, HEAD_BYTES))
            content = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 (the job closes it)
            for chunk in read_series(jobs, sys.maxsize):
                content.write(chunk)
            content.seek(0)
            waiting.put((head, content))
    except EOFError:
        os._exit(0)
    except BaseException:
        os._exit(1)


def _own_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Return the two pipes; afterwards nothing else, such as a reader that prints, can reach them."""
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):
        os.dup2(nowhere, standard)
    return jobs, answers


def _limit(memory: int) -> None:
    """Limit the memory of this process, and keep it from writing a core file, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for limit, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with suppress(OSError, ValueError):  # macOS has no RLIMIT_AS
            resource.setrlimit(limit, (value, hard))
    os.nice(NICE)


def _limit_time(seconds: float) -> None:
    """Let the kernel end this process after some seconds, whatever it does then; 0 ends the limit."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _used_bytes() -> int:
    """Return the most memory that this process has used; 0 where that is unknown."""
    with suppress(OSError), open("/proc/self/status", encoding="ascii") as status:
        # `getrusage` counts what the worker had when it started this process.
        return int(status.read().partition("VmHWM:")[2].split()[0]) << 10
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    main()
