"""A fake HTTP server of `POST /v1/chat/completions`, for tests of gateways in front of it.

    chat.play(chunks(say("Hello"), say(" there")), refusal(429, retry_after=3))     replies to the next requests
    chat.bodies[-1]["messages"]                                                     the last request

Without a script it replies with `ANSWER`.
"""

from __future__ import annotations

import json
import queue
from collections.abc import Iterable, Iterator
from typing import Any

from tests.fake_upstream import FakeUpstream, Recorded, Reply, Step, error_reply

ANSWER = "It is sunny."
USAGE = {"prompt_tokens": 21, "completion_tokens": 8, "total_tokens": 29}
Delta = dict[str, Any]


def say(text: str) -> Delta:
    """Return a delta with text."""
    return {"content": text}


def call(index: int, arguments: str, *, id: str | None = None, name: str | None = None) -> Delta:
    """Return a delta with arguments of a call; the first one has its id and name."""
    head = {} if id is None else {"id": id, "type": "function"}
    function = {"arguments": arguments, **({} if name is None else {"name": name})}
    return {"tool_calls": [{"index": index, **head, "function": function}]}


def chunks(*deltas: Delta, finish: str = "stop") -> Reply:
    """Return a complete reply: role, deltas, finish reason, usage."""
    steps = [chunk({"role": "assistant", "content": ""}), *map(chunk, deltas), chunk({}, finish)]
    return Reply([*steps, {**chunk({}), "choices": [], "usage": USAGE}], events=False, done=True)


def broken(*deltas: Delta, end: Iterable[Step]) -> Reply:
    """Return a reply that starts normally and ends with `end`."""
    return Reply([chunk({"role": "assistant", "content": ""}), *map(chunk, deltas), *end], events=False)


def chunk(delta: Delta, finish: str | None = None) -> dict[str, Any]:
    """Return one `chat.completion.chunk`."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def refusal(status: int, message: str, **headers: str) -> Reply:
    """Return an error reply."""
    return error_reply(status, message, "scripted", **headers)


class FakeChat(FakeUpstream):
    """A threaded server on a free loopback port; use it as a context manager."""

    path = "/v1/chat/completions"

    def __init__(self) -> None:
        super().__init__(validate=False)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies of all requests, in order."""
        return [request.body for request in self.requests]

    def reply_to(self, request: Recorded) -> Reply:
        try:
            queued = self._next.get_nowait()
        except queue.Empty:
            return chunks(say(ANSWER))
        assert isinstance(queued, Reply)
        return queued


BriefMessage = tuple[Any, ...]
"""A short form of a message: role, text, then its calls as `(id, name, arguments)`, or the id of the answered call."""


def brief(messages: list[dict[str, Any]]) -> list[BriefMessage]:
    """Return the short form of messages."""
    return [(message["role"], _text(message), *_calls(message)) for message in messages]


def _text(message: dict[str, Any]) -> str:
    """Return the text of a message, from a string or from parts."""
    content = message.get("content")
    return content if isinstance(content, str) else "".join(part["text"] for part in content or ())


def _calls(message: dict[str, Any]) -> Iterator[Any]:
    """Yield the calls of a message, or the id of the call it answers."""
    if "tool_call_id" in message:
        yield message["tool_call_id"]
    for call in message.get("tool_calls") or ():
        yield call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])
