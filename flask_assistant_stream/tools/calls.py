"""Execute the calls of one response in parallel: a thread each, none longer than its tool's time limit.

Knows neither Flask nor stores: `around` makes the app's context.
"""

from __future__ import annotations

import contextvars
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import PurePath

from ..errors import ToolError
from ..protocol.objects import Object
from ..run_logger import RunLogger
from .registry import Tool, ToolContext, Tools, UnusableResult

Around = Callable[[], AbstractContextManager[object]]
"""Makes the context manager around each tool, in its thread."""


class ToolCalls:
    """Executes the calls of one response, once.

    A call that is too late or stopped keeps its thread, as nothing can end a thread; its result is dropped.

    Args:
        calls: `{id, type, function: {name, arguments}}`, each id once.
        make_context: returns the context of a call id.
        around: makes the host's context of each tool.
        max_chars: maximum length of an output.
    """

    def __init__(
        self,
        tools: Tools,
        calls: Sequence[Object],
        make_context: Callable[[str], ToolContext],
        *,
        around: Around,
        log: RunLogger,
        max_chars: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tools = tools
        self._calls = calls
        self._make_context = make_context
        self._around = around
        self._log = log
        self._max_chars = max_chars
        self._now = now
        self._changed = threading.Condition()
        self._outputs: dict[str, str] = {}
        self._deadlines: dict[str, tuple[float, Tool]] = {}
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called, so that outputs may be missing."""
        return self._stopped

    def run(self) -> dict[str, str]:
        """Execute all calls and return their outputs by call id, in the order of the calls.

        Blocks until each call has an output. After `stop`, even an earlier one, it returns at once with the outputs
        so far.
        """
        for call in self._calls:
            self._start(call)
        while late := self._wait():
            for tool in late:
                self._log.warning(f"tool {tool.name} did not answer within {tool.timeout_seconds:g} s")
        with self._changed:
            self._deadlines.clear()  # later results are dropped
            return {call["id"]: self._outputs[call["id"]] for call in self._calls if call["id"] in self._outputs}

    def stop(self) -> None:
        """Make `run` return; from any thread, at any time."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    # -- the thread that runs them -------------------------------------------------------------------------

    def _start(self, call: Object) -> None:
        name = call["function"]["name"]
        tool = self._tools.get(name)
        if tool is None:
            self._log.warning(f"the model called an unknown tool: {name[:64]!r}")
            self._outputs[call["id"]] = f"There is no tool {name}."
            return
        with self._changed:
            if self._stopped:
                return
            self._deadlines[call["id"]] = (self._now() + tool.timeout_seconds, tool)
        context = self._make_context(call["id"])
        # An empty context: gevent would copy this one, with the request that started the run.
        threading.Thread(
            target=contextvars.Context().run,
            args=(self._execute, tool, call["function"]["arguments"], context),
            name=f"{context.run_id}.{name}",
            daemon=True,
        ).start()

    def _wait(self) -> list[Tool]:
        """Wait for outputs; return the tools that exceeded their time limit, or none when every call has its output."""
        with self._changed:
            while self._deadlines and not self._stopped:
                left = min(deadline for deadline, _ in self._deadlines.values()) - self._now()
                if left <= 0:
                    return self._give_up()
                self._changed.wait(left)
        return []

    def _give_up(self) -> list[Tool]:
        """Give the calls that exceeded their time limit an output."""
        now = self._now()
        late = {call_id: tool for call_id, (deadline, tool) in self._deadlines.items() if deadline <= now}
        for call_id, tool in late.items():
            del self._deadlines[call_id]
            self._outputs[call_id] = f"The tool {tool.name} did not answer within {tool.timeout_seconds:g} seconds."
        return list(late.values())

    # -- the thread of a call ------------------------------------------------------------------------------

    def _execute(self, tool: Tool, arguments: str, context: ToolContext) -> None:
        """Execute a call; the body of its thread."""
        begun = self._now()
        output = self._output(tool, arguments, context)
        dropped = "" if context.call_id in self._deadlines else ", too late"
        self._log.info(f"tool {tool.name} ended after {self._now() - begun:.3f} s{dropped}")
        with self._changed:
            if self._deadlines.pop(context.call_id, None) is not None:
                self._outputs[context.call_id] = output
                self._changed.notify_all()

    def _output(self, tool: Tool, arguments: str, context: ToolContext) -> str:
        """Return the output for the model, whatever the tool does."""
        try:
            with self._around():
                return self._limited(tool, tool.call(arguments, context))
        except ToolError as error:
            return self._limited(tool, error.message)
        except UnusableResult as error:
            self._log.error(f"tool {tool.name} {error}, at {place(error, tool)}")
        except BaseException as error:  # also SystemExit, which would leave the run waiting
            self._log.error(f"tool {tool.name} failed: {type(error).__name__} at {place(error, tool)}")
            self._log.traceback(f"tool {tool.name} failed")
        return f"The tool {tool.name} failed."

    def _limited(self, tool: Tool, output: str) -> str:
        if len(output) <= self._max_chars:
            return output
        self._log.warning(f"the output of tool {tool.name} is too long: {len(output)} characters")
        return (
            f"The output of {tool.name} is too long: {len(output)} characters, and the limit is {self._max_chars}. "
            "Ask for less."
        )


def place(error: BaseException, tool: Tool) -> str:
    """Return the line where a tool's own code failed: the innermost one in its file, or the tool itself."""
    code = tool.code
    name, line = code.co_name, code.co_firstlineno
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == code.co_filename:
            name, line = frame.f_code.co_name, number
    return f"{PurePath(code.co_filename).name}:{line} in {name}"
