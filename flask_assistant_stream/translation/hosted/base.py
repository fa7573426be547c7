"""A tool that the upstream runs, shown as a run step with one entry (spec/responses.md#hosted-tools)."""

from __future__ import annotations

from abc import abstractmethod

from ...protocol.generated_files import GeneratedFile
from ...protocol.ids import CALL, FILE
from ...protocol.writer import RunWriter
from ..outputs import Output


class HostedTool(Output):
    """A tool that the upstream runs. Its step shows the begin, the progress and, once it is done, the results."""

    _shown = False
    _ended = False

    @property
    def ready(self) -> bool:
        """Whether enough has arrived to show it."""
        return True

    @property
    def news(self) -> bool:
        """Whether there is something new to show while it runs."""
        return False

    @property
    def waiting(self) -> bool:
        """Whether its step must open, grow or close."""
        if not self._shown:
            return self.done or self.ready
        return not self._ended and (self.done or self.news)

    def open(self, writer: RunWriter) -> None:
        writer.open_step({"type": "tool_calls", "tool_calls": []})

    def show(self, writer: RunWriter) -> None:
        """Write the begin once, then the news, then the results once it is done."""
        if not self._shown:
            self.id = self.id or writer.new_id(CALL)
            self.show_begin(writer)
            self._shown = True
        self.show_news(writer)
        if self.done and not self._ended:
            self.show_end(writer)
            self._ended = True

    @abstractmethod
    def show_begin(self, writer: RunWriter) -> None:
        """Write the first delta, with the id."""

    def show_news(self, writer: RunWriter) -> None:
        """Write what has arrived since the last call."""

    @abstractmethod
    def show_end(self, writer: RunWriter) -> None:
        """Write the results."""


def report_file(writer: RunWriter, name: str, ending: str, **where: str) -> str:
    """Report a file without an id and a name of its own. Return its new id."""
    file_id = writer.new_id(FILE)
    writer.add_file(GeneratedFile(file_id, f"{name}-{writer.file_count + 1}.{ending}", **where))
    return file_id
