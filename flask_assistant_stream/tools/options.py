"""The tools of assistants that an app declares in code: functions, and tools in the form of the APIs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ConfigError
from ..protocol.objects import Object
from .registry import Tool, Tools

OWN_TYPES = ("function", "file_search", "code_interpreter")
"""Tool types of the Assistants API; all others belong to the upstream."""


class AppTools:
    """The tools of one extension: functions, `Tool` objects, and dicts of the Assistants API.

    Attributes:
        functions: of the default assistant; more may be added at any time.
    """

    def __init__(self, tools: Iterable[Any] | None) -> None:
        self.functions = Tools()
        self._definitions = _register(tools or (), self.functions, "tools")

    def definitions(self) -> list[Object]:
        """Return the default assistant's tools in the form of the Assistants API."""
        return [*self._definitions, *(tool.definition for tool in self.functions)]

    def of_assistants(
        self, assistants: Iterable[Mapping[str, Any]], default_id: str
    ) -> tuple[list[Mapping[str, Any]], dict[str, Tools]]:
        """Separate the functions from declared assistants.

        Args:
            assistants: the argument `assistants`; `assistants.declare` checks everything but the tools.
            default_id: functions of the assistant with this id are added to the extension's.

        Returns:
            The assistants in the form of the API, and the functions of each assistant with functions.
        """
        plain: list[Mapping[str, Any]] = []
        by_assistant = {default_id: self.functions}
        for assistant in assistants:
            tools = assistant.get("tools") if isinstance(assistant, Mapping) else None
            if not isinstance(tools, (list, tuple)):
                plain.append(assistant)
                continue
            id = str(assistant.get("id"))
            functions = by_assistant.setdefault(id, Tools())
            definitions = _register(tools, functions, f"assistants: the tools of {id!r}")
            if id != default_id:
                definitions += [tool.definition for tool in functions]
            plain.append({**assistant, "tools": definitions})
        return plain, by_assistant


def check_upstream_tools(tools: Iterable[Mapping[str, Any]] | None) -> tuple[Object, ...]:
    """Return the argument `upstream_tools`; only the types are checked, as the upstream knows its tools.

    Raises:
        ConfigError: an element is not a tool of the Responses API, or belongs to an assistant.
    """
    checked = []
    for tool in tools or ():
        kind = tool.get("type") if isinstance(tool, Mapping) else None
        if not isinstance(kind, str) or not kind:
            raise ConfigError('upstream_tools: each is a dict of the Responses API, such as {"type": "web_search"}.')
        if kind in OWN_TYPES:
            raise ConfigError(f"upstream_tools: {kind} is a tool of assistants; pass it in `tools`.")
        checked.append(dict(tool))
    return tuple(checked)


def _register(tools: Iterable[Any], functions: Tools, name: str) -> list[Object]:
    """Register the functions among some tools and return the others."""
    definitions: list[Object] = []
    for tool in tools:
        if isinstance(tool, Mapping):
            definitions.append(_checked(tool, name))
        elif callable(tool) or isinstance(tool, Tool):
            functions.add(tool)
        else:
            raise ConfigError(f"{name}: each is a function or a dict of the Assistants API, not {tool!r}.")
    return definitions


def _checked(tool: Mapping[str, Any], name: str) -> Object:
    if tool.get("type") not in OWN_TYPES:
        raise ConfigError(
            f"{name}: the type of a tool is one of {', '.join(OWN_TYPES)}, not {tool.get('type')!r}. Pass other tools "
            "of the upstream, such as web_search, in upstream_tools."
        )
    if tool["type"] == "function" and not isinstance((tool.get("function") or {}).get("name"), str):
        raise ConfigError(f'{name}: a function tool needs {{"function": {{"name": …}}}}.')
    return dict(tool)
