"""An engine that plays a test's scripts: items, recorded streams, failures, and gates that the test opens."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from ..engines.base import Engine, Item, ItemStream, Search
from ..engines.response_items import ResponseItems, by_delta, usage, words
from ..engines.sse import SSEDecoder
from ..errors import EngineError

Step: TypeAlias = "Item | list[Item] | threading.Event | EngineError | Callable[[], object]"
"""A step of a script: an item, the items of one read, a gate to wait for, an error to raise, a function to call."""

Script: TypeAlias = "Iterable[Step] | str | Path"
"""Steps in order, or the path of an `.sse` file."""


class ScriptedEngine(Engine):
    """Plays the next script for each call of `stream`.

        engine = ScriptedEngine(text("Hello"), call("get_weather", {"city": "Oslo"}), failure("server_error"))

    A `threading.Event` in a script holds the stream open until the test sets it; any other callable is called
    between two reads. `close()` on the stream ends it at once, at a gate too.

    Args:
        scripts: one per stream, in order.
        delay: seconds between two reads.

    Attributes:
        requests: copies of the requests so far.
        searches: the search that came with each request.
        streams: the streams so far.
    """

    name = "scripted"
    writes_titles = False

    def __init__(self, *scripts: Script, delay: float = 0) -> None:
        self.requests: list[dict[str, Any]] = []
        self.searches: list[Search | None] = []
        self.streams: list[ScriptedStream] = []
        self._scripts = iter(scripts)
        self._lock = threading.Lock()
        self._delay = delay

    def stream(self, request: dict[str, Any], *, search: Search | None = None) -> ScriptedStream:
        """Play the next script; without one, the iteration raises an `EngineError`."""
        with self._lock:
            self.requests.append(copy.deepcopy(request))
            self.searches.append(search)
            missing = EngineError(f"No script is left for request {len(self.requests)}: give one per request.")
            script = next(self._scripts, [missing])
            stream = ScriptedStream(read_sse(script) if isinstance(script, (str, Path)) else script, self._delay)
            self.streams.append(stream)
        return stream


class ScriptedStream(ItemStream):
    """A script that is being played; `close` sets `closed`."""

    def __init__(self, steps: Iterable[Step], delay: float = 0) -> None:
        self.closed = threading.Event()
        self._steps = steps
        self._delay = delay

    def __iter__(self) -> Iterator[list[Item]]:
        for step in self._steps:
            if isinstance(step, threading.Event):
                self._wait_for(step)
            if self.closed.wait(self._delay) if self._delay else self.closed.is_set():
                return
            if isinstance(step, EngineError):
                raise step
            if isinstance(step, dict):
                yield [step]
            elif isinstance(step, list):
                yield step
            elif callable(step):
                step()

    def close(self) -> None:
        """End the stream, even at a gate."""
        self.closed.set()

    def _wait_for(self, gate: threading.Event) -> None:
        while not self.closed.is_set() and not gate.wait(0.01):
            pass


def text(answer: str, *, citations: Iterable[dict[str, Any]] = ()) -> list[list[Item]]:
    """Script an answer: `answer` word by word, a read per word.

    Args:
        answer: the whole text.
        citations: annotations of the Responses API, each with the `index` of the character that follows it.
    """
    return _script(lambda items: items.text(words(answer), citations), words(answer))


def refusal(said: str) -> list[list[Item]]:
    """Script a refusal."""
    return _script(lambda items: items.refusal(words(said)), words(said))


def call(name: str, arguments: dict[str, Any] | str | None = None) -> list[list[Item]]:
    """Script one function call; `arguments` is an object, or a string that is sent unchanged."""
    return calls((name, arguments))


def calls(*pairs: tuple[str, dict[str, Any] | str | None]) -> list[list[Item]]:
    """Script several function calls in one response, given as (name, arguments)."""

    def middle(items: ResponseItems) -> Iterator[Item]:
        for name, arguments in pairs:
            yield from items.call(name, arguments if isinstance(arguments, str) else json.dumps(arguments or {}))

    return _script(middle, [name for name, _ in pairs])


def failure(code: str = "server_error", message: str = "The model failed.", *, after: str = "") -> list[list[Item]]:
    """Script `response.failed`, after the text `after`."""
    items, reads = _begun(after)
    return [*reads, [items.fail(code, message)]]


def incomplete(said: str, reason: str = "max_output_tokens") -> list[list[Item]]:
    """Script a text that ends early; the reason may also be `content_filter`."""
    items = _items()
    whole = [*by_delta([*items.begin(), *items.text(words(said))])]
    return [*whole, [items.incomplete(reason, usage(1, len(words(said))))]]


def unfinished(said: str) -> list[list[Item]]:
    """Script the beginning of an answer; put a gate or an `EngineError` after it."""
    return _begun(said)[1]


def read_sse(path: str | Path) -> list[Item]:
    """Return the items of a recorded `.sse` file; data that is not JSON (`[DONE]`) is skipped."""
    decoder = SSEDecoder()
    payloads = [*decoder.feed(Path(path).read_bytes()), *decoder.end()]
    return [json.loads(payload) for payload in payloads if payload.startswith(b"{")]


def _items() -> ResponseItems:
    return ResponseItems({"model": "scripted"}, now=lambda: 1_700_000_000.0)


def _script(middle: Callable[[ResponseItems], Iterable[Item]], words: list[str]) -> list[list[Item]]:
    items = _items()
    whole = [*items.begin(), *middle(items)]
    return [*by_delta(whole), [items.complete(usage(1, len(words)))]]


def _begun(said: str) -> tuple[ResponseItems, list[list[Item]]]:
    """Script an answer whose message stays open."""
    items = _items()
    begun = items.begin()
    for item in items.text(words(said)) if said else ():
        if item["type"] == "response.output_text.done":
            break
        begun.append(item)
    return items, [*by_delta(begun)]
