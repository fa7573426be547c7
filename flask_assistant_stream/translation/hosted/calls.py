"""Tools of the upstream that the Assistants API has no type for: each is shown as a function call."""

from __future__ import annotations

import json
from typing import Any

from ...protocol.generated_files import IMAGE_ENDINGS
from ...protocol.objects import Object
from ...protocol.text import mend
from ...protocol.writer import RunWriter
from ..coerce import is_json_object, list_of, object_of, text_of
from ..outputs import Item
from .base import HostedTool, report_file

_ACTIONS = ("action", "operation")
_LISTED = ("queries", "actions")


class HostedCall(HostedTool):
    """A tool that the Assistants API has no type for. It is shown as a function call with its output."""

    def __init__(self, id: str | None, index: int | None, ordinal: int) -> None:
        super().__init__(id, index, ordinal)
        self.item: Item = {}
        self._arguments_written = False

    def take(self, item: Item) -> None:
        """Merge a copy: a later one may have fewer keys."""
        self.item.update({key: value for key, value in item.items() if value is not None})

    @property
    def ready(self) -> bool:
        return bool(self.item)

    @property
    def name(self) -> str:
        """The function's name: the type of the item, without `_call`."""
        return self.kind.removesuffix("_call")

    @property
    def arguments(self) -> str:
        """The function's arguments as JSON. The key that holds them differs by tool."""
        action = next((self.item[key] for key in _ACTIONS if isinstance(self.item.get(key), dict)), None)
        if action is not None:
            return json_text(action)
        return json_text({key: self.item[key] for key in _LISTED if list_of(self.item.get(key))})

    @property
    def output(self) -> str | None:
        """The function's output, or None if the upstream does not send it."""
        return None

    def show_begin(self, writer: RunWriter) -> None:
        self._write(writer, {"name": self.name, "arguments": "", "output": None}, id=self.id)

    def show_news(self, writer: RunWriter) -> None:
        if not self._arguments_written and (self.done or self.news):
            self._arguments_written = True
            self._write(writer, {"arguments": self.arguments})

    def show_end(self, writer: RunWriter) -> None:
        if self.output is not None:
            self._write(writer, {"output": self.output})

    def _write(self, writer: RunWriter, what: Object, **id: str | None) -> None:
        writer.add_to_call({"index": 0, **id, "type": "function", "function": what})


class ToolSearch(HostedCall):
    """A search among tools."""

    kind = "tool_search_call"

    @property
    def arguments(self) -> str:
        return json_text(object_of(self.item.get("arguments")))


class CustomCall(HostedCall):
    """A tool that takes plain text."""

    kind = "custom_tool_call"

    @property
    def name(self) -> str:
        return text_of(self.item.get("name")) or "custom_tool"

    @property
    def arguments(self) -> str:
        return json_text({"input": text_of(self.item.get("input"))})


class McpCall(HostedCall):
    """A tool of an MCP server that the upstream calls."""

    kind = "mcp_call"

    def __init__(self, id: str | None, index: int | None, ordinal: int) -> None:
        super().__init__(id, index, ordinal)
        self.streamed: list[str] = []
        self.whole = ""

    @property
    def news(self) -> bool:
        """Whether its arguments are complete and not written yet. The call itself may take long."""
        return bool(self.whole) and not self._arguments_written

    @property
    def name(self) -> str:
        return ".".join(filter(None, (text_of(self.item.get(key)) for key in ("server_label", "name")))) or "mcp"

    @property
    def arguments(self) -> str:
        sources = (text_of(self.item.get("arguments")), self.whole, mend("".join(self.streamed)))
        return next(filter(is_json_object, sources), "{}")

    @property
    def output(self) -> str | None:
        error, output = self.item.get("error"), self.item.get("output")
        if not error:
            return mend(output) if isinstance(output, str) else None
        fields = object_of(error)
        return text_of(error) or text_of(fields.get("message")) or text_of(fields.get("content")) or json_text(error)


class ImageGeneration(HostedCall):
    """An image from the upstream. Its bytes become a file, not an output."""

    kind = "image_generation_call"

    _file_id: str | None = None

    @property
    def arguments(self) -> str:
        keys = ("action", "prompt", "revised_prompt", "size", "quality", "background", "output_format")
        return json_text({key: self.item[key] for key in keys if isinstance(self.item.get(key), str)})

    @property
    def output(self) -> str | None:
        return json_text({"file_id": self._file_id}) if self._file_id else None

    def show_end(self, writer: RunWriter) -> None:
        image, ending = self.item.get("result"), text_of(self.item.get("output_format"))
        if isinstance(image, str) and image:
            self._file_id = report_file(writer, self.name, ending if ending in IMAGE_ENDINGS else "png", data=image)
        super().show_end(writer)


def _plain(item_type: str) -> type[HostedCall]:
    """Return the class of a tool whose arguments are an action and which returns no output."""

    class PlainCall(HostedCall):
        kind = item_type

    return PlainCall


_PLAIN = ("web_search_call", "computer_call", "local_shell_call", "shell_call", "apply_patch_call")
CALLS: tuple[type[HostedCall], ...] = (McpCall, ImageGeneration, CustomCall, ToolSearch, *map(_plain, _PLAIN))


def json_text(value: Any) -> str:
    """Return a value as JSON, or `{}` for a value that JSON cannot hold."""
    try:
        return mend(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    except (ValueError, RecursionError):
        return "{}"
