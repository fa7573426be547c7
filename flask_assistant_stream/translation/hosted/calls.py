"""Tools of the upstream that the Assistants API has no type for: each is shown as a function call."""

from __future__ import annotations

from typing import Any

from ...protocol.generated_files import IMAGE_ENDINGS
from ...protocol.objects import Object
from ...protocol.text import mend
from ...protocol.writer import RunWriter
from ..coerce import (
    UNREADABLE,
    arguments_of,
    content_of,
    is_json_object,
    json_or_text,
    json_text,
    object_of,
    text_of,
)
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
        key = next((key for key in _ACTIONS if self.item.get(key)), None)
        if key is not None:
            return _shown_arguments(key, self.item[key])
        return json_text({key: self.item[key] for key in _LISTED if self.item.get(key)})

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
        return _shown_arguments("arguments", self.item.get("arguments"))


class CustomCall(HostedCall):
    """A tool that takes plain text."""

    kind = "custom_tool_call"

    @property
    def name(self) -> str:
        return text_of(self.item.get("name")) or "custom_tool"

    @property
    def arguments(self) -> str:
        return json_text({"input": self.item.get("input", "")})


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
        sources = (arguments_of(self.item.get("arguments")), self.whole, arguments_of("".join(self.streamed)))
        text = next(filter(is_json_object, sources), None) or next(filter(None, sources), "")
        return _shown_arguments("arguments", text)

    @property
    def output(self) -> str | None:
        error, output = self.item.get("error"), self.item.get("output")
        if not error:
            return None if output is None else mend(json_or_text(output))
        fields = object_of(error)
        return text_of(error) or text_of(fields.get("message")) or text_of(fields.get("content")) or json_text(error)


class ImageGeneration(HostedCall):
    """An image from the upstream. Its bytes become a file, not an output."""

    kind = "image_generation_call"

    _file_id: str | None = None

    def take(self, item: Item) -> None:
        content_of(item.get("result"), "an image")
        super().take(item)

    @property
    def arguments(self) -> str:
        keys = ("action", "prompt", "revised_prompt", "size", "quality", "background", "output_format")
        return json_text({key: self.item[key] for key in keys if key in self.item})

    @property
    def output(self) -> str | None:
        return json_text({"file_id": self._file_id}) if self._file_id else None

    def show_end(self, writer: RunWriter) -> None:
        image, ending = self.item.get("result"), text_of(self.item.get("output_format"))
        if image:
            self._file_id = report_file(writer, self.name, ending if ending in IMAGE_ENDINGS else "png", data=image)
        super().show_end(writer)


def _plain(item_type: str) -> type[HostedCall]:
    """Return the class of a tool whose arguments are an action and which returns no output."""

    class PlainCall(HostedCall):
        kind = item_type

    return PlainCall


_PLAIN = ("web_search_call", "computer_call", "local_shell_call", "shell_call", "apply_patch_call")
CALLS: tuple[type[HostedCall], ...] = (McpCall, ImageGeneration, CustomCall, ToolSearch, *map(_plain, _PLAIN))


def _shown_arguments(key: str, value: Any) -> str:
    """Return the arguments of a call that the upstream has made: an object as it is, any other value under a key."""
    text = arguments_of(value) or "{}"
    return text if is_json_object(text) else json_text({key: UNREADABLE if text == UNREADABLE else value})
