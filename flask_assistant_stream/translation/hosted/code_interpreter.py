"""Code that the upstream runs in a container."""

from __future__ import annotations

from typing import Any

from ...protocol.deltas import GrowingText
from ...protocol.generated_files import image_ending
from ...protocol.objects import Object
from ...protocol.text import mend
from ...protocol.writer import RunWriter
from ..coerce import check_count, content_of, json_or_text, objects_of
from ..outputs import Item
from .base import HostedTool, report_file


class CodeInterpreter(HostedTool):
    """Code that runs in a container of the upstream."""

    kind = "code_interpreter_call"

    def __init__(self, id: str | None, index: int | None, ordinal: int) -> None:
        super().__init__(id, index, ordinal)
        self._code = GrowingText()
        self._new = ""
        self._outputs: list[Object] = []

    @property
    def news(self) -> bool:
        return bool(self._new)

    def add(self, piece: Any) -> None:
        self._new += self._code.add(content_of(piece, "a piece of code"))

    def complete(self, code: Any) -> None:
        self._new += self._code.complete(content_of(code, "code"))

    def begin(self, item: Item) -> None:
        """Take nothing: the first copy has no code, or code that arrives again."""

    def take(self, item: Item) -> None:
        """Take code and outputs. The outputs are present only if the request asked for them."""
        self.complete(item.get("code"))
        outputs = objects_of(item.get("outputs"))
        check_count(len(outputs), "outputs of code")
        for output in outputs:
            content_of(output.get("url"), "the address of an image")
        self._outputs = outputs or self._outputs

    def show_begin(self, writer: RunWriter) -> None:
        self._write(writer, {"input": "", "outputs": []}, id=self.id)

    def show_news(self, writer: RunWriter) -> None:
        new, self._new = self._new, ""
        if new and not self._ended:
            self._write(writer, {"input": new})

    def show_end(self, writer: RunWriter) -> None:
        shown: list[Object] = []
        for output in self._outputs:
            entry = _output(writer, output)
            if entry is not None:
                shown.append({"index": len(shown), **entry})
        if shown:
            self._write(writer, {"outputs": shown})

    def _write(self, writer: RunWriter, what: Object, **id: str | None) -> None:
        writer.add_to_call({"index": 0, **id, "type": "code_interpreter", "code_interpreter": what})


def _output(writer: RunWriter, output: Object) -> Object | None:
    """Translate an output. The upstream gives an image as a URL, never as bytes."""
    if output.get("type") == "logs" and output.get("logs") is not None:
        return {"type": "logs", "logs": mend(json_or_text(output["logs"]))}
    url = output.get("url")
    if output.get("type") == "image" and url:
        where = {"data": url} if url.startswith("data:") else {"url": mend(url)}
        file_id = report_file(writer, "code_interpreter", image_ending(url), **where)
        return {"type": "image", "image": {"file_id": file_id}}
    return None
