"""Write the items of one response, in the shapes and the order of the Responses API's recorded streams.

For engines without an upstream: the offline and the scripted one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..protocol.ids import NewId, new_id
from .base import Item


class ResponseItems:
    """The items of one response; every method returns or yields the next ones in order.

    Args:
        request: the `POST /responses` body; the response echoes its fields except the instructions.
    """

    def __init__(self, request: dict[str, Any], *, new_id: NewId = new_id, now: Callable[[], float]) -> None:
        self._request = request
        self._new_id = new_id
        self._now = now
        self._id = new_id("resp")
        self._created_at = int(now())
        self._seq = 0
        self._output: list[dict[str, Any]] = []

    def begin(self) -> list[Item]:
        """Return `response.created` and `response.in_progress`."""
        names = ("response.created", "response.in_progress")
        return [self._item(name, response=self._response("in_progress")) for name in names]

    def text(self, pieces: Iterable[str], citations: Iterable[dict[str, Any]] = ()) -> Iterator[Item]:
        """Yield a message with a delta for each of `pieces`.

        Args:
            pieces: their concatenation is the text.
            citations: annotations in order, each with the `index` of the character that follows it, or the
                `end_index` of the text it refers to.
        """
        item, place = self._open_message()
        yield self._added(item)
        empty = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
        yield self._item("response.content_part.added", **place, part=empty)
        text, annotations, waiting = "", list[dict[str, Any]](), list(citations)
        for piece in pieces:
            yield self._item("response.output_text.delta", **place, delta=piece, logprobs=[])
            text += piece
            while waiting and waiting[0].get("index", waiting[0].get("end_index", 0)) <= len(text):
                annotations.append(waiting.pop(0))
                fields = {"annotation_index": len(annotations) - 1, "annotation": annotations[-1]}
                yield self._item("response.output_text.annotation.added", **place, **fields)
        yield self._item("response.output_text.done", **place, text=text, logprobs=[])
        yield from self._close_message(item, place, {**empty, "annotations": annotations, "text": text})

    def refusal(self, pieces: Iterable[str]) -> Iterator[Item]:
        """Yield a refusal with a delta for each of `pieces`."""
        item, place = self._open_message()
        yield self._added(item)
        yield self._item("response.content_part.added", **place, part={"type": "refusal", "refusal": ""})
        said = ""
        for piece in pieces:
            said += piece
            yield self._item("response.refusal.delta", **place, delta=piece)
        yield self._item("response.refusal.done", **place, refusal=said)
        yield from self._close_message(item, place, {"type": "refusal", "refusal": said})

    def call(self, name: str, arguments: str, pieces: Iterable[str] | None = None) -> Iterator[Item]:
        """Yield a call of the function `name`.

        Args:
            arguments: JSON.
            pieces: its deltas; one delta by default.
        """
        item = {"id": self._new_id("fc"), "type": "function_call", "status": "in_progress", "arguments": ""}
        item.update(call_id=self._new_id("call"), name=name)
        yield self._added(item)
        place = self._place(item)
        for piece in (arguments,) if pieces is None else pieces:
            yield self._item("response.function_call_arguments.delta", **place, delta=piece)
        yield self._item("response.function_call_arguments.done", **place, arguments=arguments)
        yield self._done({**item, "status": "completed", "arguments": arguments})

    def file_search(self, queries: list[str], results: list[dict[str, Any]] | None = None) -> Iterator[Item]:
        """Yield a search in vector stores; `results` only if the request asks to include them."""
        item = {"id": self._new_id("fs"), "type": "file_search_call", "status": "in_progress", "queries": []}
        yield self._added({**item, "results": None})
        yield from self._stages(item, "in_progress", "searching", "completed")
        yield self._done({**item, "status": "completed", "queries": queries, "results": results})

    def code_interpreter(
        self, code: str, outputs: list[dict[str, Any]] | None = None, pieces: Iterable[str] | None = None
    ) -> Iterator[Item]:
        """Yield code that runs in a container.

        Args:
            code: the whole code.
            outputs: `logs` and `image`, only if the request asks to include them.
            pieces: the code's deltas; one delta by default.
        """
        item: Item = {"id": self._new_id("ci"), "type": "code_interpreter_call", "status": "in_progress", "code": ""}
        item.update(container_id=self._new_id("cntr"), outputs=None)
        yield self._added(item)
        place = self._place(item)
        yield self._item("response.code_interpreter_call.in_progress", **place)
        for piece in (code,) if pieces is None else pieces:
            yield self._item("response.code_interpreter_call_code.delta", **place, delta=piece)
        yield self._item("response.code_interpreter_call_code.done", **place, code=code)
        yield from self._stages(item, "interpreting", "completed")
        yield self._done({**item, "status": "completed", "code": code, "outputs": outputs})

    def web_search(self, query: str) -> Iterator[Item]:
        """Yield a search of the web."""
        item = {"id": self._new_id("ws"), "type": "web_search_call", "status": "in_progress"}
        yield self._added({**item, "action": {"type": "search", "query": ""}})
        yield from self._stages(item, "in_progress", "searching", "completed")
        action = {"type": "search", "query": query, "queries": [query]}
        yield self._done({**item, "status": "completed", "action": action})

    def mcp_call(
        self, server_label: str, name: str, arguments: str, output: str | None = None, error: str | None = None
    ) -> Iterator[Item]:
        """Yield a call of an MCP server's tool with its output or error."""
        item = {"id": self._new_id("mcp"), "type": "mcp_call", "status": "in_progress", "approval_request_id": None}
        item.update(arguments="", error=None, name=name, output=None, server_label=server_label)
        yield self._added(item)
        place = self._place(item)
        yield from self._stages(item, "in_progress")
        yield self._item("response.mcp_call_arguments.delta", **place, delta=arguments)
        yield self._item("response.mcp_call_arguments.done", **place, arguments=arguments)
        stage = "completed" if error is None else "failed"
        yield from self._stages(item, stage)
        failure = None if error is None else {"type": "mcp_tool_execution_error", "content": error}
        yield self._done({**item, "status": stage, "arguments": arguments, "output": output, "error": failure})

    def mcp_approval_request(self, server_label: str, name: str, arguments: str) -> Iterator[Item]:
        """Yield a request to approve a call of an MCP server's tool."""
        item = {"id": self._new_id("mcpr"), "type": "mcp_approval_request", "arguments": arguments}
        item.update(name=name, server_label=server_label)
        yield self._added(item)
        yield self._done(item)

    def image_generation(self, result: str) -> Iterator[Item]:
        """Yield an image; `result` is its base64."""
        item = {"id": self._new_id("ig"), "type": "image_generation_call", "status": "in_progress", "result": None}
        yield self._added(item)
        yield from self._stages(item, "in_progress", "generating", "completed")
        yield self._done({**item, "status": "completed", "result": result})

    def reasoning(self, summary: Iterable[Iterable[str]], encrypted_content: str = "sealed") -> Iterator[Item]:
        """Yield a reasoning item; each part of the `summary` is a list of pieces."""
        item = {"id": self._new_id("rs"), "type": "reasoning", "summary": [], "encrypted_content": encrypted_content}
        yield self._added(item)
        parts: list[dict[str, Any]] = []
        for number, pieces in enumerate(summary):
            place, part, text = {**self._place(item), "summary_index": number}, {"type": "summary_text", "text": ""}, ""
            yield self._item("response.reasoning_summary_part.added", **place, part=part)
            for piece in pieces:
                text += piece
                yield self._item("response.reasoning_summary_text.delta", **place, delta=piece)
            yield self._item("response.reasoning_summary_text.done", **place, text=text)
            parts.append({**part, "text": text})
            yield self._item("response.reasoning_summary_part.done", **place, part=parts[-1])
        yield self._done({**item, "summary": parts})

    def complete(self, usage: dict[str, Any] | None = None) -> Item:
        """Return `response.completed`."""
        return self._item("response.completed", response=self._response("completed", usage=usage))

    def incomplete(self, reason: str, usage: dict[str, Any] | None = None) -> Item:
        """Return `response.incomplete`; `reason` is `max_output_tokens` or `content_filter`."""
        response = self._response("incomplete", usage=usage, incomplete_details={"reason": reason})
        return self._item("response.incomplete", response=response)

    def fail(self, code: str, message: str) -> Item:
        """Return `response.failed`."""
        error = {"code": code, "message": message}
        return self._item("response.failed", response=self._response("failed", error=error))

    def error(self, code: str, message: str, *, nested: bool = False) -> Item:
        """Return an `error` item: flat as documented, or `nested` as production sends it."""
        error = {"code": code, "message": message, "param": None}
        if nested:
            return self._item("error", error={"type": code, **error})
        return self._item("error", **error)

    def _open_message(self) -> tuple[dict[str, Any], dict[str, Any]]:
        item = {"id": self._new_id("msg"), "type": "message", "status": "in_progress", "content": []}
        item["role"] = "assistant"
        return item, {**self._place(item), "content_index": 0}

    def _close_message(self, item: dict[str, Any], place: dict[str, Any], part: dict[str, Any]) -> Iterator[Item]:
        yield self._item("response.content_part.done", **place, part=part)
        yield self._done({**item, "status": "completed", "content": [part]})

    def _place(self, item: dict[str, Any]) -> dict[str, Any]:
        return {"item_id": item["id"], "output_index": len(self._output)}

    def _stages(self, item: dict[str, Any], *stages: str) -> Iterator[Item]:
        """Yield the progress items of a tool."""
        for stage in stages:
            yield self._item(f"response.{item['type']}.{stage}", **self._place(item))

    def _added(self, item: dict[str, Any]) -> Item:
        return self._item("response.output_item.added", output_index=len(self._output), item=item)

    def _done(self, item: dict[str, Any]) -> Item:
        self._output.append(item)
        return self._item("response.output_item.done", output_index=len(self._output) - 1, item=item)

    def _item(self, name: str, **fields: Any) -> Item:
        self._seq += 1
        return {"type": name, "sequence_number": self._seq - 1, **fields}

    def _response(self, status: str, **fields: Any) -> dict[str, Any]:
        echo = self._request.get
        response: dict[str, Any] = {
            "id": self._id,
            "object": "response",
            "created_at": self._created_at,
            "status": status,
            "background": False,
            "completed_at": int(self._now()) if status == "completed" else None,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "max_output_tokens": echo("max_output_tokens"),
            "max_tool_calls": None,
            "model": echo("model", "offline"),
            "output": list(self._output),
            "parallel_tool_calls": echo("parallel_tool_calls", True),
            "previous_response_id": None,
            "prompt_cache_key": None,
            "reasoning": {"effort": None, "summary": None},
            "safety_identifier": None,
            "service_tier": "default",
            "store": echo("store", True),
            "temperature": echo("temperature", 1.0),
            "text": echo("text") or {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": echo("tool_choice", "auto"),
            "tools": echo("tools") or [],
            "top_logprobs": 0,
            "top_p": echo("top_p", 1.0),
            "truncation": echo("truncation", "disabled"),
            "usage": None,
            "user": None,
            "metadata": echo("metadata") or {},
        }
        return {**response, **fields}


def container_file_citation(
    container_id: str, file_id: str, filename: str, start_index: int, end_index: int
) -> dict[str, Any]:
    """Return an annotation for a file of the code interpreter; the indexes enclose the text that it refers to."""
    file = {"container_id": container_id, "file_id": file_id, "filename": filename}
    return {"type": "container_file_citation", **file, "start_index": start_index, "end_index": end_index}


def url_citation(url: str, title: str, start_index: int, end_index: int) -> dict[str, Any]:
    """Return an annotation for a web page; the indexes enclose the text that it refers to."""
    page = {"url": url, "title": title}
    return {"type": "url_citation", **page, "start_index": start_index, "end_index": end_index}


def usage(input_tokens: int, output_tokens: int) -> dict[str, Any]:
    """Return a usage object without cached or reasoning tokens."""
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": input_tokens + output_tokens,
    }


def words(text: str) -> list[str]:
    """Cut a text into words, each with the space before it; joined they give the text."""
    return re.findall(r"\s*\S+|\s+$", text)


def by_delta(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Group items like the reads from an upstream: each list ends with a delta, the last with the end."""
    read: list[Item] = []
    for item in items:
        read.append(item)
        if item["type"].endswith(".delta"):
            yield read
            read = []
    if read:
        yield read
