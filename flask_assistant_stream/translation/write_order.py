"""The order of writing: outputs overlap, but a stream has one open step (spec/servers.md#overlapping-items)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..protocol.writer import WHOLE, Closing, RunWriter
from .calls import FunctionCall
from .outputs import AssistantMessage, Output, Part


class WriteOrder:
    """Let the outputs of a response write one at a time, in the order of their first content.

    Attributes:
        current: the output with the open step, or None.
        last: the output with the latest content, calls included.
    """

    def __init__(self, writer: RunWriter) -> None:
        self.current: Output | None = None
        self.last: Output | None = None
        self._writer = writer
        self._queue: deque[Output] = deque()

    def touch(self, output: Output) -> None:
        """Write the news of an output now, or queue the output."""
        if output.waiting or (isinstance(output, FunctionCall) and not output.done):
            self.last = output
        if output.waiting and output is not self.current and output not in self._queue:
            self._queue.append(output)
        self._advance()

    def add_text(self, message: AssistantMessage, part: Part, piece: str) -> None:
        """Write streamed text now if the message is open, else queue the message."""
        if message is self.current and part.slot is not None:
            part.pieces.append(piece)
            self.last = message
            self._writer.add_text(part.slot, piece)
            return
        message.add(part, piece)
        self.touch(message)

    def settle(self, closing: Closing, cut: Callable[[Output], bool]) -> Closing:
        """Write everything that waits.

        Args:
            closing: for outputs that `cut` selects, and for a step that another worker left open. All others are whole.

        Returns:
            How to close the step that is still open.
        """
        while True:
            current = self.current
            if current is not None and current.waiting:
                current.show(self._writer)
            how = closing if current is None or cut(current) else WHOLE
            if not self._queue:
                return how
            self._writer.close_step(how)
            self._open_next()

    def _advance(self) -> None:
        while self.current is not None or self._queue:
            current = self.current
            if current is None:
                self._open_next()
                continue
            if current.waiting:
                current.show(self._writer)
            if not current.done or (current.lingers and not self._queue):
                return
            self._writer.close_step()
            self.current = None

    def _open_next(self) -> None:
        self.current = self._queue.popleft()
        self.current.open(self._writer)
