"""Clients of both faces: they send messages, answer tools and read threads over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import openai

from flask_assistant_stream.protocol.dialects import ASSISTANTS
from flask_assistant_stream.testing.decode import decode_ndjson
from tests.server_process import PREFIX, ServerProcess, texts
from tests.stack.app import API_KEY
from tests.translation.checker import check
from tests.translation.material import validate_event

ASSISTANT = "asst_default"


@dataclass
class Heard:
    """One run as a client has received it.

    Attributes:
        run: as in its last event.
        messages: as in their last events.
        ends: names of the events that end a run.
    """

    run: dict[str, Any]
    messages: list[dict[str, Any]]
    ends: list[str] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """The texts of its messages, in order."""
        return [text for _, text in texts(self.messages)]

    @property
    def calls(self) -> list[tuple[str, str, Any]]:
        """The calls that the client must answer: id, name, arguments."""
        action = self.run["required_action"]
        calls = action["submit_tool_outputs"]["tool_calls"] if action else []
        return [(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]


class AppFace:
    """The face of front-ends: NDJSON, events checked one by one."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server

    def say(self, content: str, thread_id: str | None = None, **options: Any) -> Heard:
        """Send a message and read the answer to its end; `options` are those of the request."""
        rest = options if thread_id is None else {"threadId": thread_id, **options}
        return self._heard(self._server.chat(content, **rest).events)

    def answer(self, heard: Heard, output: str) -> Heard:
        """Answer all calls alike; return the run with everything before and after."""
        run = heard.run
        events = self._server.answered(run, output).events
        whole = self._server.get(f"/threads/{run['thread_id']}/runs/{run['id']}/stream").events
        assert whole[-len(events) :] == events
        return self._heard(whole)

    def history(self, thread_id: str) -> list[tuple[str, str]]:
        """Return role and text of the thread's messages, oldest first."""
        return texts(self._server.messages(thread_id))

    def close(self) -> None:
        """Close nothing: every request has a connection of its own."""

    def _heard(self, events: list[Any]) -> Heard:
        fold = check(events, ended=False)
        for event in events:
            validate_event(event)
        assert fold.run is not None
        return Heard(fold.run, fold.messages, [event.name for event in events if event.name in ASSISTANTS.run_endings])


class SdkFace:
    """The `/v1` face, spoken to by the official Python client."""

    def __init__(self, server: ServerProcess) -> None:
        url = f"{server.origin}{PREFIX}/v1"
        self._client = openai.OpenAI(base_url=url, api_key=API_KEY, max_retries=0, timeout=30)

    def say(self, content: str, thread_id: str | None = None, **options: Any) -> Heard:
        """Add a message to a thread and read the run on it to its end; `options` are those of the run."""
        threads = self._client.beta.threads
        thread_id = thread_id or threads.create().id
        threads.messages.create(thread_id, role="user", content=content)
        return self._heard(threads.runs.create(thread_id, assistant_id=ASSISTANT, stream=True, **options))

    def answer(self, heard: Heard, output: str) -> Heard:
        """Answer all calls alike; return the run with everything before and after."""
        outputs: list[Any] = [{"tool_call_id": id, "output": output} for id, _, _ in heard.calls]
        run = heard.run
        submit = self._client.beta.threads.runs.submit_tool_outputs
        then = self._heard(submit(run["id"], thread_id=run["thread_id"], tool_outputs=outputs, stream=True))
        return Heard(then.run, heard.messages + then.messages, heard.ends + then.ends)

    def history(self, thread_id: str) -> list[tuple[str, str]]:
        """Return role and text of the thread's messages, oldest first."""
        pages = self._client.beta.threads.messages.list(thread_id, order="asc")
        return texts([message.model_dump(mode="json") for message in pages])

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()

    def _heard(self, stream: Any) -> Heard:
        run: dict[str, Any] = {}
        messages, ends = [], []
        for event in stream:
            data = event.data.model_dump(mode="json")
            if event.event in ("thread.message.completed", "thread.message.incomplete"):
                messages.append(data)
            elif data["object"] == "thread.run":
                run = data
            if event.event in ASSISTANTS.run_endings:
                ends.append(event.event)
        return Heard(run, messages, ends)


Face = AppFace | SdkFace
KINDS = ("app", "sdk")


@contextmanager
def face_of(kind: str, server: ServerProcess) -> Iterator[Face]:
    """Speak to a server on its face of that kind, one of `KINDS`."""
    face = AppFace(server) if kind == "app" else SdkFace(server)
    try:
        yield face
    finally:
        face.close()


def tails(payload: bytes) -> list[tuple[int, bytes]]:
    """Return each number of a stream, 0 included, and the bytes behind it."""
    lines = payload.splitlines(keepends=True)
    seqs = [0, *[event.seq for event in decode_ndjson(payload)]]
    return [(seq, b"".join(lines[at:])) for at, seq in enumerate(seqs)]
