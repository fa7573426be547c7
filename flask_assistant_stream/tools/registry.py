"""Server tools: Python functions that a model may call, and their registry. Knows neither runs nor Flask."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, TypeVar, overload

from ..errors import ConfigError, ToolError
from ..protocol.objects import Object
from ..protocol.text import mend
from .arguments import ArgumentReader, ToolContext, docstring_of, parameters_of, whole_function, written_function
from .coroutines import run_coroutine

__all__ = ["Tool", "ToolContext", "Tools", "result_text", "tool_of"]

TIMEOUT_SECONDS = 30.0
MAX_TIMEOUT_SECONDS = 86_400.0
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call; created by `tool_of`.

    Attributes:
        parameters: JSON schema of its arguments, an object.
        function: plain or `async def`.
        requires_approval: ask the user before each call.
    """

    name: str
    description: str
    parameters: Object = field(hash=False)
    function: Callable[..., Any]
    timeout_seconds: float
    requires_approval: bool
    reader: ArgumentReader = field(repr=False, compare=False)

    @property
    def definition(self) -> Object:
        """The tool as the Assistants API describes functions (`spec/assistants.md#limits`)."""
        described = {"name": self.name, "description": self.description, "parameters": self.parameters, "strict": False}
        return {"type": "function", "function": described}

    @property
    def code(self) -> CodeType:
        """The code of the function, behind decorators and partials."""
        return written_function(self.function).__code__

    def call(self, arguments: str, context: ToolContext) -> str:
        """Call the function and return its result as text.

        Args:
            arguments: a JSON object, as written by the model; blank counts as empty.
            context: for a function that has a parameter for it.

        Raises:
            ToolError: the arguments are invalid, or the function raised it.
            Exception: any other of the function, or its result cannot be written as JSON.
        """
        try:
            positional, named = self.reader.read(arguments, context)
        except ToolError as error:
            raise ToolError(f"Invalid arguments of {self.name}: {error.message}") from None
        result = self.function(*positional, **named)
        return result_text(run_coroutine(result) if inspect.iscoroutine(result) else result)


def tool_of(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    requires_approval: bool = False,
) -> Tool:
    """Create a tool from a function with annotated parameters.

    Args:
        function: its signature becomes the schema, its docstring the descriptions.
        name: replaces the function's.
        description: replaces the docstring's.
        timeout_seconds: time limit of one call.
        requires_approval: ask the user before each call.

    Raises:
        ConfigError: the function cannot be a tool; the fix is in the message.
    """
    name = _checked_name(function, name)
    if isinstance(timeout_seconds, bool) or not isinstance(timeout_seconds, int | float):
        raise ConfigError(f"Tool {name!r}: timeout_seconds must be a number, not {timeout_seconds!r}.")
    if not 0 < timeout_seconds <= MAX_TIMEOUT_SECONDS:
        raise ConfigError(f"Tool {name!r}: timeout_seconds must be above 0 and at most {MAX_TIMEOUT_SECONDS:g}.")
    docstring, parameter_texts = docstring_of(function)
    reader = ArgumentReader(name, parameters_of(function, name), parameter_texts)
    return Tool(
        name=name,
        description=docstring if description is None else description,
        parameters=reader.schema,
        function=function,
        timeout_seconds=float(timeout_seconds),
        requires_approval=bool(requires_approval),
        reader=reader,
    )


class Tools:
    """Tools by name, in the order they were added."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}

    def add(self, function: Callable[..., Any] | Tool, **options: Any) -> Tool:
        """Add a function or a tool and return the tool; one that was added before stays as it is.

        Args:
            options: of `tool_of`, for a function.

        Raises:
            ConfigError: the function cannot be a tool, or its name is taken.
        """
        if isinstance(function, Tool):
            if options:
                raise ConfigError(f"{function.name!r} is a Tool already: pass the options to tool_of.")
            tool = function
        else:
            tool = tool_of(function, **options)
        # One step instead of a lock: a lock from before gevent's patching would block every greenlet.
        added = self._tools.setdefault(tool.name, tool)
        if added.function != tool.function:
            raise ConfigError(f"There are two tools named {tool.name!r}. Rename one: name='{tool.name}_2'.")
        if options and added != tool:
            raise ConfigError(
                f"Tool {tool.name!r} was added before with other options. Pass them once, where it is added first."
            )
        return added

    @overload
    def tool(self, function: F) -> F: ...

    @overload
    def tool(self, **options: Any) -> Callable[[F], F]: ...

    def tool(self, function: F | None = None, **options: Any) -> F | Callable[[F], F]:
        """Add the function below, as a decorator: `@tools.tool` or `@tools.tool(requires_approval=True)`."""

        def decorate(function: F) -> F:
            self.add(function, **options)
            return function

        return decorate if function is None else decorate(function)

    def get(self, name: str) -> Tool | None:
        """Return the tool of that name."""
        return self._tools.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tools."""
        return tuple(self._tools)

    def __iter__(self) -> Iterator[Tool]:
        return iter(tuple(self._tools.values()))

    def __len__(self) -> int:
        return len(self._tools)


# -- checks and results ----------------------------------------------------------------------------------------


def _checked_name(function: Any, name: str | None) -> str:
    """Return a tool's name, or raise the reason why the function cannot be a tool."""
    if isinstance(function, Mapping):
        raise ConfigError(
            "A tool in form of a dict belongs to the client: put it into the tools of an assistant. A tool of the "
            "server is a function."
        )
    if not callable(function) or isinstance(function, type):
        raise ConfigError(f"{function!r} cannot be a tool: pass a function.")
    whole = whole_function(function)
    name = getattr(whole, "__name__", "") if name is None else name
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(
            f"{function!r} cannot be a tool named {name!r}: a name is 1 to 64 of a-z A-Z 0-9 _ -. Pass it as name=…."
        )
    called = whole if inspect.isroutine(whole) else type(whole).__call__
    if inspect.isasyncgenfunction(called):
        raise ConfigError(f"Tool {name!r} is an async generator. Return one value instead, such as a list.")
    return name


class UnusableResult(ValueError):
    """A function returned a value that JSON cannot hold; the message names its type and the fix."""


def result_text(result: Any) -> str:
    """Return a function's result for the model: text as it is, everything else (None, too) as JSON.

    Raises:
        UnusableResult: it is or has an object of the host's own.
        Exception: it cannot be written as JSON for another reason, or a generator in it failed.
    """
    if isinstance(result, str):
        return mend(str.__str__(result))  # the text itself, also of a subclass such as an enum
    from pydantic_core import PydanticSerializationError, to_json

    foreign: list[str] = []

    def refuse(value: Any) -> None:
        foreign.append(type(value).__name__)
        raise TypeError

    try:
        return to_json(result, inf_nan_mode="strings", fallback=refuse).decode("utf-8")
    except PydanticSerializationError:
        if not foreign:
            raise
        raise UnusableResult(f"returned {foreign[0]}; return a dict, a string or a pydantic model") from None
