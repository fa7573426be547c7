"""A real HTTP server that plays a server of `POST /v1/chat/completions`, for gateways that stand before one.

    chat.play(chunks(say("Hello"), say(" there")), refusal(429, retry_after=3))     the next requests, in turn
    chat.asked[-1]["messages"]                                                     what came

Without a script it answers `ANSWER`.
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
    """A piece of the answer's text."""
    return {"content": text}


def call(index: int, arguments: str, *, id: str | None = None, name: str | None = None) -> Delta:
    """A piece of a call's arguments; the first piece names the call."""
    named = {} if id is None else {"id": id, "type": "function"}
    function = {"arguments": arguments, **({} if name is None else {"name": name})}
    return {"tool_calls": [{"index": index, **named, "function": function}]}


def chunks(*deltas: Delta, finish: str = "stop") -> Reply:
    """A whole answer: a role, the deltas, the reason why it ends, the usage."""
    steps = [chunk({"role": "assistant", "content": ""}), *map(chunk, deltas), chunk({}, finish)]
    return Reply([*steps, {**chunk({}), "choices": [], "usage": USAGE}], events=False, done=True)


def broken(*deltas: Delta, end: Iterable[Step]) -> Reply:
    """An answer that begins and comes to no good end."""
    return Reply([chunk({"role": "assistant", "content": ""}), *map(chunk, deltas), *end], events=False)


def chunk(delta: Delta, finish: str | None = None) -> dict[str, Any]:
    """One `chat.completion.chunk`."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def refusal(status: int, message: str, **headers: str) -> Reply:
    """An error instead of an answer."""
    return error_reply(status, message, "scripted", **headers)


class FakeChat(FakeUpstream):
    """A threaded server on a free loopback port; use it as a context."""

    path = "/v1/chat/completions"

    def __init__(self) -> None:
        super().__init__(validate=False)

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The bodies of all requests, in order."""
        return [request.body for request in self.requests]

    def reply_to(self, request: Recorded) -> Reply:
        try:
            queued = self._next.get_nowait()
        except queue.Empty:
            return chunks(say(ANSWER))
        assert isinstance(queued, Reply)
        return queued


Spoken = tuple[Any, ...]
"""A message in brief: role, text, then its calls as `(id, name, arguments)`, or the id of the call that it answers."""


def brief(messages: list[dict[str, Any]]) -> list[Spoken]:
    """Put messages that were sent in brief."""
    return [(message["role"], _said(message), *_beside(message)) for message in messages]


def _said(message: dict[str, Any]) -> str:
    """Return the text of a message, whichever form its content has."""
    content = message.get("content")
    return content if isinstance(content, str) else "".join(part["text"] for part in content or ())


def _beside(message: dict[str, Any]) -> Iterator[Any]:
    """Yield what a message has beside its text."""
    if "tool_call_id" in message:
        yield message["tool_call_id"]
    for call in message.get("tool_calls") or ():
        yield call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])
