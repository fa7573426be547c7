"""Texts of files, read outside this process: a bounded number of processes, fair between owners.

Nothing starts before the first file. A forked worker starts its own processes.
"""

from __future__ import annotations

import io
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from ..errors import RequestError
from ..per_process import PerProcess
from ..threads import WORK
from ..turns import Turns
from .extract import MAX_TEXT_CHARS, NO_EXTRACTORS, SEARCHABLE, ExtractedText, extract_text
from .passages import cut
from .processes import ExtractionProcess, Limits, TextPieces

IDLE_SECONDS = 60.0
"""How long a process without work is kept."""
MEMORY_BYTES = 1 << 20
"""The most of a file in memory while it is read in this process; a larger one is on disk."""


class _Children:
    """The extraction processes of one worker."""

    def __init__(self, places: int) -> None:
        self.turns = Turns(places)
        self.idle: deque[ExtractionProcess] = deque()
        self.busy: set[ExtractionProcess] = set()


class TextExtractor:
    """Reads the texts of files.

    Args:
        processes: how many files are read at the same time; with 0 they are read in this process, without limits.
        limits: of one file.
        extractors: the host's own readers, `module:function` by ending.

    Attributes:
        processes: as the argument.
        searchable: endings of the files that can be read.
    """

    def __init__(
        self, processes: int = 1, limits: Limits | None = None, extractors: Mapping[str, str] = NO_EXTRACTORS
    ) -> None:
        self.processes = processes
        self.searchable = SEARCHABLE | extractors.keys()
        self._extractors = dict(extractors)
        self._limits = limits or Limits()
        self._of_process = PerProcess(lambda: _Children(processes))

    def text(self, owner: str, filename: str, content: Iterable[bytes], max_chars: int) -> ExtractedText:
        """Return the beginning of the text of a file; blocks this thread.

        Waits for its turn at most as long as the reading of one file may take.

        Args:
            filename: its ending selects the reader.
            content: its bytes in pieces.

        Raises:
            RequestError: there is no text; the message says why.
            ProcessEnded: the process has ended, and it is unknown why.
        """
        pieces = self._read(owner, filename, content, max_chars, cut_it=False, seconds=self._limits.seconds)
        return ExtractedText("".join(pieces.texts), pieces.note)

    def passages(self, owner: str, filename: str, content: Iterable[bytes]) -> TextPieces:
        """Return the text of a file in passages; blocks this thread and waits for its turn.

        The errors are those of `text`.
        """
        return self._read(owner, filename, content, MAX_TEXT_CHARS, cut_it=True, seconds=-1)

    def look(self) -> None:
        """End the processes that have no work, and kill those that are late; called every now and then."""
        if not self.processes:
            return
        here, now = self._of_process.get(), time.monotonic()
        for process in list(here.busy):
            process.kill_if_late(now)
        for _ in range(len(here.idle)):
            process = here.idle.popleft()
            if process.usable and now - process.idle_since < IDLE_SECONDS:
                here.idle.append(process)
            else:
                process.close()

    def stop(self) -> None:
        """End the processes of this worker; the next file starts new ones."""
        here = self._of_process.pop()
        if here is not None:
            for busy in list(here.busy):
                busy.kill()
            for idle in list(here.idle):
                idle.close()

    def _read(
        self, owner: str, filename: str, content: Iterable[bytes], max_chars: int, *, cut_it: bool, seconds: float
    ) -> TextPieces:
        if not self.processes:
            return _read_here(filename, content, max_chars, self._extractors, cut_it=cut_it)
        head = {"filename": filename, "cut": cut_it, "max_chars": max_chars, "extractors": self._extractors}
        with self._of_process.get().turns.turn(owner, seconds=seconds) as taken:
            if not taken:
                raise RequestError("Other files are being read at the moment. Try again later.", param="file")
            with self._process() as process:
                return process.read(head, content)

    @contextmanager
    def _process(self) -> Iterator[ExtractionProcess]:
        """Give an idle or a new process; ended ones are not given again."""
        here = self._of_process.get()
        process = self._idle(here.idle) or ExtractionProcess(self._limits)
        here.busy.add(process)
        try:
            yield process
        finally:
            here.busy.discard(process)
            if process.usable:
                here.idle.append(process)
            else:
                process.close()

    def _idle(self, idle: deque[ExtractionProcess]) -> ExtractionProcess | None:
        while idle:
            process = idle.pop()
            if process.usable:
                return process
            process.close()
        return None


def _read_here(
    filename: str, content: Iterable[bytes], max_chars: int, extractors: Mapping[str, str], *, cut_it: bool
) -> TextPieces:
    with SpooledTemporaryFile(MEMORY_BYTES) as file:
        for chunk in content:
            file.write(chunk)
        file.seek(0)
        # A SpooledTemporaryFile of Python 3.10 is not a whole file.
        whole = file if hasattr(file, "seekable") else io.BytesIO(file.read())
        return WORK.run(_pieces, filename, cast(BinaryIO, whole), max_chars, extractors, cut_it)


def _pieces(
    filename: str, content: BinaryIO, max_chars: int, extractors: Mapping[str, str], cut_it: bool
) -> TextPieces:
    extracted = extract_text(filename, content, extractors)
    text = extracted.text[:max_chars]
    return TextPieces(cut(text) if cut_it else [text], extracted.note)
