"""The tools that an app gives to its assistants in code: functions, and tools as the APIs write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ConfigError
from ..protocol.objects import Object
from .registry import Tool, Tools

OWN_TYPES = ("function", "file_search", "code_interpreter")
"""Tools of the Assistants API: those of an assistant. All others are the upstream's alone."""


class AppTools:
    """The tools of one extension.

    Args:
        given: the argument `tools`: functions, `Tool` objects, and dicts of the Assistants API.

    Attributes:
        functions: of the default assistant; more may come at any time.
    """

    def __init__(self, given: Iterable[Any] | None) -> None:
        self.functions = Tools()
        self._written = _sorted_out(given or (), self.functions, "tools")

    def definitions(self) -> list[Object]:
        """Return the default assistant's tools as the Assistants API writes them."""
        return [*self._written, *(tool.definition for tool in self.functions)]

    def of_assistants(
        self, given: Iterable[Mapping[str, Any]], default_id: str
    ) -> tuple[list[Mapping[str, Any]], dict[str, Tools]]:
        """Take the functions out of declared assistants.

        Args:
            given: the argument `assistants`; what is wrong with them otherwise is `assistants.declare`'s affair.
            default_id: functions that the assistant of this id declares are as good as given to the extension.

        Returns:
            The assistants as the API writes them, and the functions of each that has some.
        """
        plain: list[Mapping[str, Any]] = []
        by_assistant = {default_id: self.functions}
        for one in given:
            tools = one.get("tools") if isinstance(one, Mapping) else None
            if not isinstance(tools, (list, tuple)):
                plain.append(one)
                continue
            id = str(one.get("id"))
            functions = by_assistant.setdefault(id, Tools())
            written = _sorted_out(tools, functions, f"assistants: the tools of {id!r}")
            declared = () if id == default_id else (tool.definition for tool in functions)
            plain.append({**one, "tools": [*written, *declared]})
        return plain, by_assistant


def check_upstream_tools(given: Iterable[Mapping[str, Any]] | None) -> tuple[Object, ...]:
    """Return the argument `upstream_tools`, checked as far as it can be: the upstream knows its tools.

    Raises:
        ConfigError: one is no tool of the Responses API, or is one that belongs to an assistant.
    """
    tools = []
    for tool in given or ():
        kind = tool.get("type") if isinstance(tool, Mapping) else None
        if not isinstance(kind, str) or not kind:
            raise ConfigError('upstream_tools: each is a dict of the Responses API, such as {"type": "web_search"}.')
        if kind in OWN_TYPES:
            raise ConfigError(f"upstream_tools: {kind} is a tool of assistants; give it in `tools`.")
        tools.append(dict(tool))
    return tuple(tools)


def _sorted_out(given: Iterable[Any], functions: Tools, what: str) -> list[Object]:
    """Register the functions among some tools and return the others."""
    written: list[Object] = []
    for tool in given:
        if isinstance(tool, Mapping):
            written.append(_checked(tool, what))
        elif callable(tool) or isinstance(tool, Tool):
            functions.add(tool)
        else:
            raise ConfigError(f"{what}: each is a function or a dict of the Assistants API, not {tool!r}.")
    return written


def _checked(tool: Mapping[str, Any], what: str) -> Object:
    if tool.get("type") not in OWN_TYPES:
        raise ConfigError(
            f"{what}: the type of a tool is one of {', '.join(OWN_TYPES)}, not {tool.get('type')!r}. What the upstream "
            "has besides, such as web_search, is given in upstream_tools."
        )
    if tool["type"] == "function" and not isinstance((tool.get("function") or {}).get("name"), str):
        raise ConfigError(f'{what}: a function tool needs {{"function": {{"name": …}}}}.')
    return dict(tool)
