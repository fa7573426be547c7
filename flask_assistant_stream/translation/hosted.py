"""Tools that the upstream itself runs, each shown as a run step with one entry (`spec/responses.md#hosted-tools`)."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from ..protocol.deltas import GrowingText
from ..protocol.generated_files import IMAGE_ENDINGS, GeneratedFile, image_ending
from ..protocol.ids import CALL, FILE
from ..protocol.objects import Object
from ..protocol.text import mend
from ..protocol.writer import RunWriter
from .coerce import is_json_object, list_of, object_of, objects_of, text_of
from .outputs import Item, Output


class HostedTool(Output):
    """A tool that the upstream runs: told when it begins, while it goes, and with its results when it is done."""

    def __init__(self, id: str | None, index: int | None, ordinal: int) -> None:
        super().__init__(id, index, ordinal)
        self._shown = False
        self._ended = False

    @property
    def ready(self) -> bool:
        """Whether enough is known to show it."""
        return True

    @property
    def news(self) -> bool:
        """Whether there is more to show of it while it runs."""
        return False

    @property
    def waiting(self) -> bool:
        """Whether its step is to be opened, to grow or to be closed."""
        if not self._shown:
            return self.done or self.ready
        return not self._ended and (self.done or self.news)

    def open(self, writer: RunWriter) -> None:
        """Open its step."""
        writer.open_step({"type": "tool_calls", "tool_calls": []})

    def show(self, writer: RunWriter) -> None:
        """Write the begin once, then what is new, then, once it is done, the results."""
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
        """Write what has come since."""

    @abstractmethod
    def show_end(self, writer: RunWriter) -> None:
        """Write the results."""


class FileSearchCall(HostedTool):
    """A file search. Its results are in the completed step alone, as the Assistants API had it."""

    kind = "file_search_call"

    def __init__(self, id: str | None, index: int | None, ordinal: int, *, threshold: float = 0.0) -> None:
        super().__init__(id, index, ordinal)
        self._threshold = threshold
        self._results: list[Object] = []

    def take(self, item: Item) -> None:
        """Take results, which are there only if the request asked for them."""
        self._results = list(_results(item.get("results"))) or self._results

    def show_begin(self, writer: RunWriter) -> None:
        """Write the search as it was asked for."""
        writer.step_delta({"index": 0, **self._tool_call([])})
        writer.set_calls([self._tool_call([])])

    def show_end(self, writer: RunWriter) -> None:
        """Put the results into the step to be closed."""
        writer.set_calls([self._tool_call(self._results)])

    def _tool_call(self, results: list[Object]) -> Object:
        ranking = {"ranker": "auto", "score_threshold": self._threshold}
        return {"id": self.id, "type": "file_search", "file_search": {"ranking_options": ranking, "results": results}}


class CodeInterpreter(HostedTool):
    """Code that runs in a container of the upstream's."""

    kind = "code_interpreter_call"

    def __init__(self, id: str | None, index: int | None, ordinal: int) -> None:
        super().__init__(id, index, ordinal)
        self._code = GrowingText()
        self._new = ""
        self._outputs: list[Object] = []

    @property
    def news(self) -> bool:
        """Whether there is code to tell."""
        return bool(self._new)

    def add(self, piece: Any) -> None:
        """Take a piece of the code."""
        self._new += self._code.add(piece)

    def complete(self, code: Any) -> None:
        """Take the whole code."""
        self._new += self._code.complete(code)

    def begin(self, item: Item) -> None:
        """Take nothing: the code of the copy that opens it is empty or comes once more."""

    def take(self, item: Item) -> None:
        """Take code and outputs; the latter are there only if the request asked for them."""
        self.complete(item.get("code"))
        self._outputs = objects_of(item.get("outputs")) or self._outputs

    def show_begin(self, writer: RunWriter) -> None:
        """Write an empty call."""
        self._tell(writer, {"input": "", "outputs": []}, id=self.id)

    def show_news(self, writer: RunWriter) -> None:
        """Write the code that has come."""
        new, self._new = self._new, ""
        if new and not self._ended:
            self._tell(writer, {"input": new})

    def show_end(self, writer: RunWriter) -> None:
        """Write logs and images."""
        shown: list[Object] = []
        for output in self._outputs:
            made = _output(writer, output)
            if made is not None:
                shown.append({"index": len(shown), **made})
        if shown:
            self._tell(writer, {"outputs": shown})

    def _tell(self, writer: RunWriter, what: Object, **id: str | None) -> None:
        writer.add_to_call({"index": 0, **id, "type": "code_interpreter", "code_interpreter": what})


class HostedCall(HostedTool):
    """A tool that the Assistants API has no word for: shown as a function that was called and has its output."""

    def __init__(self, id: str | None, index: int | None, ordinal: int) -> None:
        super().__init__(id, index, ordinal)
        self.item: Item = {}
        self._told = False

    def take(self, item: Item) -> None:
        """Take what a copy says; a later one may say less."""
        self.item.update({key: value for key, value in item.items() if value is not None})

    @property
    def ready(self) -> bool:
        """Whether a copy has come, so that its name is known."""
        return bool(self.item)

    @property
    def name(self) -> str:
        """The function's name: the type of the item, without `_call`."""
        return self.kind.removesuffix("_call")

    @property
    def arguments(self) -> str:
        """The function's arguments, JSON: what the upstream was asked to do, under whichever key it is."""
        action = next((self.item[key] for key in _ACTIONS if isinstance(self.item.get(key), dict)), None)
        if action is not None:
            return json_text(action)
        return json_text({key: self.item[key] for key in _LISTED if list_of(self.item.get(key))})

    @property
    def output(self) -> str | None:
        """The function's output, or None where the upstream keeps it to itself."""
        return None

    def show_begin(self, writer: RunWriter) -> None:
        """Write the name."""
        self._tell(writer, {"name": self.name, "arguments": "", "output": None}, id=self.id)

    def show_news(self, writer: RunWriter) -> None:
        """Write the arguments once they are whole."""
        if not self._told and (self.done or self.news):
            self._told = True
            self._tell(writer, {"arguments": self.arguments})

    def show_end(self, writer: RunWriter) -> None:
        """Write the output."""
        if self.output is not None:
            self._tell(writer, {"output": self.output})

    def _tell(self, writer: RunWriter, what: Object, **id: str | None) -> None:
        writer.add_to_call({"index": 0, **id, "type": "function", "function": what})


class WebSearch(HostedCall):
    """A search of the web, or a look at a page that it found."""

    kind = "web_search_call"


class ComputerUse(HostedCall):
    """Something done on a screen."""

    kind = "computer_call"


class LocalShell(HostedCall):
    """A command for a shell."""

    kind = "local_shell_call"


class Shell(HostedCall):
    """Commands for a shell."""

    kind = "shell_call"


class ApplyPatch(HostedCall):
    """A change of a file."""

    kind = "apply_patch_call"


class ToolSearch(HostedCall):
    """A search among tools."""

    kind = "tool_search_call"

    @property
    def arguments(self) -> str:
        """What was searched for."""
        return json_text(object_of(self.item.get("arguments")))


class CustomCall(HostedCall):
    """A tool that takes plain text."""

    kind = "custom_tool_call"

    @property
    def name(self) -> str:
        """Its own name."""
        return text_of(self.item.get("name")) or "custom_tool"

    @property
    def arguments(self) -> str:
        """The text."""
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
        """Whether its arguments are whole and not told: it is called then, which may take long."""
        return bool(self.whole) and not self._told

    @property
    def name(self) -> str:
        """The server's label and the tool's name."""
        return ".".join(filter(None, (text_of(self.item.get(key)) for key in ("server_label", "name")))) or "mcp"

    @property
    def arguments(self) -> str:
        """The arguments, best evidence first."""
        found = (text_of(self.item.get("arguments")), self.whole, mend("".join(self.streamed)))
        return next(filter(is_json_object, found), "{}")

    @property
    def output(self) -> str | None:
        """What the server answered, or what went wrong."""
        error, output = self.item.get("error"), self.item.get("output")
        if not error:
            return mend(output) if isinstance(output, str) else None
        said = object_of(error)
        return text_of(error) or text_of(said.get("message")) or text_of(said.get("content")) or json_text(error)


class ImageGeneration(HostedCall):
    """An image that the upstream makes; its bytes are a file, not an output."""

    kind = "image_generation_call"

    _file_id: str | None = None

    @property
    def arguments(self) -> str:
        """What it was asked for."""
        keys = ("action", "prompt", "revised_prompt", "size", "quality", "background", "output_format")
        return json_text({key: self.item[key] for key in keys if isinstance(self.item.get(key), str)})

    @property
    def output(self) -> str | None:
        """The id of the file."""
        return json_text({"file_id": self._file_id}) if self._file_id else None

    def show_end(self, writer: RunWriter) -> None:
        """Report the file, then write its id."""
        image, ending = self.item.get("result"), text_of(self.item.get("output_format"))
        if isinstance(image, str) and image:
            self._file_id = _make(writer, self.name, ending if ending in IMAGE_ENDINGS else "png", data=image)
        super().show_end(writer)


CALLS: tuple[type[HostedCall], ...] = (
    WebSearch,
    McpCall,
    ImageGeneration,
    CustomCall,
    ComputerUse,
    LocalShell,
    Shell,
    ApplyPatch,
    ToolSearch,
)

_ACTIONS = ("action", "operation")
_LISTED = ("queries", "actions")


def json_text(value: Any) -> str:
    """Write a value of an item as JSON; what JSON cannot say is an empty object."""
    try:
        return mend(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    except (ValueError, RecursionError):
        return "{}"


def _output(writer: RunWriter, output: Object) -> Object | None:
    """Translate an output of the code interpreter; the bytes of an image are at a URL only."""
    logs, url = output.get("logs"), output.get("url")
    if output.get("type") == "logs" and isinstance(logs, str):
        return {"type": "logs", "logs": mend(logs)}
    if output.get("type") == "image" and isinstance(url, str) and url:
        where = {"data": url} if url.startswith("data:") else {"url": mend(url)}
        return {"type": "image", "image": {"file_id": _make(writer, "code_interpreter", image_ending(url), **where)}}
    return None


def _make(writer: RunWriter, name: str, ending: str, **where: str) -> str:
    """Report a file that has no id and no name of its own, and return the id it gets."""
    file_id = writer.new_id(FILE)
    writer.add_file(GeneratedFile(file_id, f"{name}-{writer.file_count + 1}.{ending}", **where))
    return file_id


def _results(found: Any) -> Iterator[Object]:
    for one in objects_of(found):
        file_id, text = text_of(one.get("file_id")), one.get("text")
        if file_id:
            yield {
                "file_id": file_id,
                "file_name": text_of(one.get("filename")) or file_id,
                "score": _score(one.get("score")),
                **({"content": [{"type": "text", "text": mend(text)}]} if isinstance(text, str) else {}),
            }


def _score(value: Any) -> float:
    return value if isinstance(value, (int, float)) and 0 <= value <= 1 else 0
