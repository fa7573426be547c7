"""The engine without a network and a model: it says so, calls tools on request and quotes files.

It emits the items of the Responses API, so that everything behind it works without a key.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..protocol.ids import NewId, new_id
from .base import Engine, Item, ItemStream, Search
from .examples import example_of
from .file_search import file_search_of, input_of, results_of, shown_results
from .quotes import Answer, fitting, quoting
from .response_items import ResponseItems, by_delta, usage, words

MAX_ECHO = 2000

_COMMAND = re.compile(r"/([A-Za-z0-9_-]{1,64})(?:\s+(.*))?", re.DOTALL)


class OfflineEngine(Engine):
    """Answers without an upstream.

    The last user message `/name {json}` calls the function tool `name` if the request declares it. With the tool
    `file_search` in the request, any other last message is the query, and the answer quotes the best passages.

    Args:
        delay: seconds between two words.
    """

    name = "offline"
    writes_titles = False

    def __init__(self, delay: float = 0.02, *, new_id: NewId = new_id, now: Callable[[], float] = time.time) -> None:
        self._delay = delay
        self._new_id = new_id
        self._now = now

    def stream(self, request: dict[str, Any], *, search: Search | None = None) -> ItemStream:
        """Start a response; without `search` no files are searched."""
        writer = ResponseItems(request, new_id=self._new_id, now=self._now)
        return PacedStream(by_delta(_items(request, writer, search)), self._delay)


class PacedStream(ItemStream):
    """Lists of items, consumed lazily, with a pause of `delay` seconds between them; `close` interrupts the pause."""

    def __init__(self, reads: Iterable[list[Item]], delay: float) -> None:
        self._reads = reads
        self._delay = delay
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[list[Item]]:
        pause = 0.0
        for items in self._reads:
            if self._closed.wait(pause) if pause else self._closed.is_set():
                return
            yield items
            pause = self._delay

    def close(self) -> None:
        self._closed.set()


def _items(request: dict[str, Any], writer: ResponseItems, search: Search | None) -> Iterator[Item]:
    yield from writer.begin()
    items = input_of(request)
    input_tokens, command = _count(_all_text(request, items)), _command(request, items)
    if isinstance(command, dict):
        arguments = json.dumps(command["arguments"])
        yield from writer.call(command["name"], arguments, words(arguments))
        yield writer.complete(usage(input_tokens, _count(arguments)))
        return
    tool = file_search_of(request)
    query = "" if command or search is None else _query(tool, items)
    results = results_of(tool, query, search) if query and search else []
    if query:
        yield from writer.file_search([query], shown_results(request, results))
        input_tokens += sum(_count(result["text"]) for result in results)
    if fit := fitting(results, query):
        yield from _say(request, writer, quoting(fit, query), input_tokens)
    else:
        yield from _say(request, writer, Answer(command or _answer(request, items, searched=bool(query))), input_tokens)


def _say(request: dict[str, Any], writer: ResponseItems, answer: Answer, input_tokens: int) -> Iterator[Item]:
    """Yield an answer word by word, up to the request's output limit, and the end of the response."""
    pieces = words(answer.text)
    limit = request.get("max_output_tokens")
    whole = limit is None or len(pieces) <= limit
    kept = pieces if whole else pieces[:limit]
    length = sum(map(len, kept))
    yield from writer.text(kept, [citation for citation in answer.citations if citation["index"] <= length])
    spent = usage(input_tokens, len(kept))
    yield writer.complete(spent) if whole else writer.incomplete("max_output_tokens", spent)


def _query(tool: dict[str, Any], items: list[dict[str, Any]]) -> str:
    """Return the query: the last user message, or "" if no files are to be searched."""
    last = items[-1] if items else {}
    return _first_text(last).strip()[:MAX_ECHO] if last.get("role") == "user" and tool else ""


def _command(request: dict[str, Any], items: list[dict[str, Any]]) -> dict[str, Any] | str | None:
    """Read `/name {json}`: return name and arguments, a text that names the error, or None if it is not a call."""
    last = items[-1] if items else {}
    match = _COMMAND.fullmatch(_first_text(last).strip()) if last.get("role") == "user" else None
    if match is None or match[1] not in _functions(request) or request.get("tool_choice") == "none":
        return None
    try:
        arguments = json.loads(match[2] or "{}")
    except (ValueError, RecursionError) as error:
        return f"The text after `/{match[1]}` is not JSON: {error}. Write {_hint(request, match[1])}."
    if not isinstance(arguments, dict):
        return f"The text after `/{match[1]}` must be a JSON object. Write {_hint(request, match[1])}."
    return {"name": match[1], "arguments": arguments}


def _answer(request: dict[str, Any], items: list[dict[str, Any]], *, searched: bool) -> str:
    outputs = _outputs(items)
    if outputs:
        blocks = [f"`{name}` answered:\n\n```\n{output}\n```" for name, output in outputs]
        return "\n\n".join(["The **offline engine** has the tool outputs.", *blocks])
    question = next((_text(item) for item in reversed(items) if item.get("role") == "user"), "").strip()
    shown = question if len(question) <= MAX_ECHO else question[:MAX_ECHO] + " …"
    quote = "\n".join(f"> {line}" for line in (shown or "(no text)").splitlines())
    return "\n\n".join((_OPENING, quote, "\n".join(_facts(request, items, searched)), _CLOSING))


_OPENING = "This is the **offline engine**: no model is connected, and nothing leaves this machine. You wrote:"
_CLOSING = "To talk to a model, set `OPENAI_API_KEY` where the app is configured, and start the app again."


def _facts(request: dict[str, Any], items: list[dict[str, Any]], searched: bool) -> Iterator[str]:
    count = sum(1 for item in items if "role" in item)
    yield f"- *History:* {count} message{'' if count == 1 else 's'} in this thread, yours included."
    if searched:
        yield "- *Files:* nothing in the files fits what you wrote."
    if request.get("instructions"):
        yield "- *Instructions:* the assistant has some; a model would follow them."
    for name in _functions(request):
        hint = _hint(request, name)
        yield f"- *Tool:* write {hint} and I call it{' with that JSON' if '{' in hint else ''}."


def _hint(request: dict[str, Any], name: str) -> str:
    """Return how to call a tool: with arguments that its schema accepts, if they can be derived from it."""
    tool = next(tool for tool in request["tools"] if tool.get("name") == name)
    arguments = example_of(tool.get("parameters") or {})
    if not isinstance(arguments, dict):
        return f"`/{name}`, followed by its arguments as a JSON object,"
    return f"`/{name} {json.dumps(arguments, ensure_ascii=False)}`" if arguments else f"`/{name}`"


def _functions(request: dict[str, Any]) -> list[str]:
    return [tool["name"] for tool in request.get("tools") or () if tool.get("type") == "function"]


def _outputs(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the tool outputs at the end of the input: function name and output."""
    names = {item["call_id"]: item["name"] for item in items if item.get("type") == "function_call"}
    outputs = []
    for item in reversed(items):
        if item.get("type") != "function_call_output":
            break
        outputs.append((str(names.get(item["call_id"], "a tool")), _flat(item.get("output"))))
    return outputs[::-1]


def _all_text(request: dict[str, Any], items: list[dict[str, Any]]) -> str:
    outputs = (_flat(item.get("output")) for item in items)
    return " ".join((request.get("instructions") or "", *map(_text, items), *outputs))


def _text(item: dict[str, Any]) -> str:
    return _flat(item.get("content"))


def _first_text(item: dict[str, Any]) -> str:
    """Return the user's own words: the first text of a message; later ones are about files."""
    content = item.get("content")
    texts = [content] if isinstance(content, str) else [part.get("text") for part in content or ()]
    return next((text for text in texts if isinstance(text, str)), "")


def _flat(content: Any) -> str:
    """Return the text of a string or of a list of parts."""
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""


def _count(text: str) -> int:
    return len(text.split())
