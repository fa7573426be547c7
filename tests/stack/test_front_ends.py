"""The streams of the server in real clients: three versions of openai-node, and openai-python.

A gunicorn worker sent every stream over HTTP; the clients receive it in pieces of seven bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from tests.fake_upstream import CITED
from tests.node_clients import Decoded, NodeDecoder, python_decode_sse
from tests.server_process import PREFIX, ServerProcess, run_of, texts
from tests.stack.faces import tails

UMLAUTS = "Grüße aus Köln – „schön“ 👩‍🚀👍🏽, naïve Ωmega"
SAY_UMLAUTS = f"@@script:text?say={quote(UMLAUTS)}&cut=3@@"
MARKER = "【1:0†food.txt】"


class Streams(NamedTuple):
    """The streams of a scenario, played once in each format."""

    ndjson: bytes
    sse: bytes


Played = Callable[[str], Streams]
Scenario = Callable[[ServerProcess, str], bytes]
"""Takes the server and a format and returns the stream."""


def chat(content: str, **rest: Any) -> Scenario:
    def play(server: ServerProcess, form: str) -> bytes:
        return server.chat(content, path=f"/chat/stream?format={form}", **rest).body

    return play


def cancelled(server: ServerProcess, form: str) -> bytes:
    """Stop a run in the middle of its answer from another connection."""
    with server.opened(f"/chat/stream?format={form}", {"content": "@@script:stall?after=5@@"}) as stream:
        if form == "ndjson":
            stream.read_until("thread.message.delta")
        else:
            with server.opened(f"{stream.run_path}/stream") as other:
                other.read_until("thread.message.delta")
        assert server.post(f"{stream.run_path}/cancel").json["status"] in ("cancelling", "cancelled")
        return stream.read_bytes()


def submitted(server: ServerProcess, form: str) -> bytes:
    """Answer a function call: the stream of the actions route."""
    run = server.chat("@@script:call@@").run
    return server.answered(run, "21 °C", path=f"?format={form}").body


SCENARIOS: dict[str, Scenario] = {
    "text": chat(SAY_UMLAUTS),
    "call": chat("@@script:call@@"),
    "submitted": submitted,
    "two_calls": chat("@@script:two_calls@@"),
    "file_search": chat("@@script:file_search@@", assistantId="asst_search"),
    "refusal": chat("@@script:refusal@@"),
    "incomplete": chat("@@script:incomplete@@"),
    "filtered": chat("@@script:incomplete?reason=content_filter@@"),
    "failed": chat("@@script:fail?after=4@@"),
    "broken_off": chat("@@script:reset?after=4@@"),
    "cancelled": cancelled,
}
STATUS = {
    "call": "requires_action",
    "two_calls": "requires_action",
    "incomplete": "incomplete",
    "filtered": "incomplete",
    "failed": "failed",
    "broken_off": "failed",
    "cancelled": "cancelled",
}
TEXT = {
    "text": UMLAUTS,
    "submitted": "The tools said: 21 °C",
    "two_calls": "Let me look.",
    "file_search": f"{CITED[:-1]}{MARKER}.",
    "incomplete": "The sun is *shining*",
    "filtered": "The sun is *shining*",
    "failed": "The sun is *shining*",
    "broken_off": "The sun is *shining*",
    "cancelled": "The sun is *shining* in",
}


@pytest.fixture(scope="module")
def streams(server: ServerProcess) -> Played:
    """Play a scenario once in each format, for all clients."""
    return cache(lambda name: Streams(SCENARIOS[name](server, "ndjson"), SCENARIOS[name](server, "sse")))


def check(name: str, decoded: Decoded) -> None:
    """Assert what every client must show of a scenario."""
    status = STATUS.get(name, "completed")
    assert "".join(decoded.deltas) == TEXT.get(name, "")
    assert decoded.names[-1] == f"thread.run.{status}"
    if not unknown_ending(name, decoded):
        assert (decoded.error, decoded.run_status, decoded.text) == (None, status, TEXT.get(name, ""))


def unknown_ending(name: str, decoded: Decoded) -> bool:
    """Return whether this is 4.46.0 on a run that ends incomplete: it shows the text, and knows no such event."""
    return STATUS.get(name) == "incomplete" and decoded.error == "Final run has not been received"


@pytest.mark.parametrize("name", SCENARIOS)
def test_openai_node(name: str, node_version: str, node_decode: NodeDecoder, streams: Played) -> None:
    payload = streams(name).ndjson
    decoded = node_decode(node_version, payload)
    check(name, decoded)
    events = decode_ndjson(payload)
    assert decoded.names == [event.name for event in events]
    assert decoded.seqs == [event.seq for event in events]
    assert payload.isascii()  # 4.46.0 breaks characters that are cut
    if unknown_ending(name, decoded):
        assert node_version == "4.46.0"
        return
    assert decoded.run == run_of(events)
    for step in decoded.steps:
        # A call that waits for its output is open; all else is closed before its run ends.
        waits = step["type"] == "tool_calls" and decoded.run_status == "requires_action"
        assert (step["status"] == "in_progress") == waits


@pytest.mark.parametrize("name", SCENARIOS)
def test_openai_python(name: str, streams: Played) -> None:
    decoded = python_decode_sse(streams(name).sse)
    assert (decoded.error, decoded.run_status) == (None, STATUS.get(name, "completed"))
    assert decoded.text == TEXT.get(name, "")
    if name != "submitted":  # after tool outputs the handler knows the step from the stream before
        check(name, decoded)


def test_the_blocks_of_sse(streams: Played) -> None:
    stream = streams("text").sse
    assert stream.isascii()
    assert stream.endswith(b"event: done\ndata: [DONE]\n\n")
    first = stream.split(b"\n\n")[0].split(b"\n")
    assert first[:2] == [b"id: 1", b"event: thread.created"]
    assert [line.partition(b":")[0] for line in first] == [b"id", b"event", b"data"]


def test_calls(node_version: str, node_decode: NodeDecoder, streams: Played) -> None:
    decoded = node_decode(node_version, streams("two_calls").ndjson)
    assert decoded.run is not None
    asked = decoded.run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert [call["function"]["name"] for call in asked] == ["get_weather", "get_weather"]
    assert {call["function"]["arguments"] for call in asked} == {'{"location":"San Francisco, CA"}'}
    (step,) = [step for step in decoded.steps if step["type"] == "tool_calls"]
    pieces = step["step_details"]["tool_calls"]
    known = asked[:1] if node_version == "4.46.0" else asked  # it keeps the first call of a step, and its first piece
    assert [call["id"] for call in pieces] == [call["id"] for call in known]
    if node_version != "4.46.0":
        assert [call["function"]["arguments"] for call in pieces] == [call["function"]["arguments"] for call in asked]
        assert decoded.callbacks.count("toolCallCreated") == 2


def test_a_citation(node_version: str, node_decode: NodeDecoder, streams: Played) -> None:
    decoded = node_decode(node_version, streams("file_search").ndjson)
    (note,) = decoded.messages[0]["content"][0]["text"]["annotations"]
    assert (note["type"], note["text"], note["file_citation"]["file_id"]) == ("file_citation", MARKER, "file-food")
    text = decoded.text.encode("utf-16-le")  # JavaScript counts so; there are no wide characters in it
    assert text[2 * note["start_index"] : 2 * note["end_index"]].decode("utf-16-le") == MARKER
    assert [step["type"] for step in decoded.steps] == ["tool_calls", "message_creation"]
    assert decoded.steps[0]["step_details"]["tool_calls"][0]["type"] == "file_search"


def test_a_refusal(node_version: str, node_decode: NodeDecoder, streams: Played) -> None:
    (message,) = node_decode(node_version, streams("refusal").ndjson).messages
    (part,) = message["content"]
    assert (part["type"], part["refusal"]) == ("refusal", "I cannot help with that.")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("incomplete", "max_tokens"),
        ("filtered", "content_filter"),
        ("failed", "run_failed"),
        ("broken_off", "run_failed"),
        ("cancelled", "run_cancelled"),
    ],
)
def test_a_message_that_is_cut_off_is_incomplete(
    name: str, reason: str, node_version: str, node_decode: NodeDecoder, streams: Played
) -> None:
    decoded = node_decode(node_version, streams(name).ndjson)
    closed = [event["data"] for event in decoded.events if event["event"] == "thread.message.incomplete"]
    assert [message["incomplete_details"] for message in closed] == [{"reason": reason}]
    if unknown_ending(name, decoded):
        return
    assert decoded.run is not None
    if name in ("failed", "broken_off"):
        assert decoded.run["last_error"]["code"] == "server_error"
        assert decoded.run["last_error"]["message"]
    if name == "incomplete":
        assert decoded.run["incomplete_details"] == {"reason": "max_completion_tokens"}


def test_a_page_fetches_by_itself(node_version: str, node_decode: NodeDecoder, server: ServerProcess) -> None:
    """The requests of the quickstart's page with Node's own fetch, without further headers."""
    base = f"{server.origin}{PREFIX}"
    decoded = node_decode.fetch(node_version, f"{base}/chat/stream", {"content": SAY_UMLAUTS})
    assert (decoded.status, decoded.content_type) == (200, "application/x-ndjson; charset=utf-8")
    check("text", decoded)
    assert decoded.run is not None
    thread_id = decoded.run["thread_id"]
    thread = f"{base}/threads/{thread_id}"
    again = node_decode.fetch(node_version, f"{thread}/messages", {"content": "@@script:call@@"})
    assert again.run is not None
    asked = again.run["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = [{"tool_call_id": call["id"], "output": "cold"} for call in asked]
    body = {"runId": again.run["id"], "toolCallOutputs": outputs}
    rest = node_decode.fetch(node_version, f"{thread}/actions", body)
    assert (rest.error, rest.run_status, rest.text) == (None, "completed", "The tools said: cold")
    assert [role for role, _ in texts(server.messages(thread_id))] == ["user", "assistant", "user", "assistant"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_reader_comes_back_at_every_number(
    name: str, node_version: str, node_decode: NodeDecoder, server: ServerProcess, streams: Played
) -> None:
    """Clients decode the first bytes together with the rest, from any number."""
    payload = streams(name).ndjson
    run = run_of(decode_ndjson(payload))
    path = f"/threads/{run['thread_id']}/runs/{run['id']}/stream"
    for seq, tail in tails(payload):
        if seq == 0 and name == "submitted":
            continue  # the stream of the actions route does not start with the run
        assert server.get(f"{path}?after={seq}").body.lstrip(b"\n") == tail  # an empty line is no event
        decoded = node_decode(node_version, payload.removesuffix(tail) + tail)
        check(name, decoded)
    sse = server.get(f"{path}?format=sse", headers={"Last-Event-ID": "2"}).body
    assert sse.startswith(b"id: 3\n")


def test_a_reader_comes_back_while_the_answer_goes_on(server: ServerProcess) -> None:
    """Readers that come at different moments, after different numbers, receive the bytes of the first one."""
    with ExitStack() as stack:
        first = stack.enter_context(server.opened("/chat/stream", {"content": "@@script:text?n=40&delay=0.01@@"}))
        first.read_until("thread.message.delta")
        seen = len(first.body.splitlines())
        places = (0, 1, seen - 1, seen, seen + 5)
        others = [stack.enter_context(server.opened(f"{first.run_path}/stream?after={after}")) for after in places]
        lines = first.read_bytes().splitlines(keepends=True)
        for other, after in zip(others, places, strict=True):
            assert other.read_bytes().lstrip(b"\n") == b"".join(lines[after:])
        assert text_of(first.events) == "".join(f" w{i}" for i in range(40))


def test_a_whole_run_with_its_tool_outputs_is_one_stream(
    node_version: str, node_decode: NodeDecoder, server: ServerProcess
) -> None:
    first = server.chat("@@script:call@@")
    rest = server.answered(first.run, "21 °C")
    path = f"/threads/{first.run['thread_id']}/runs/{first.run['id']}/stream"
    for seq, tail in tails(first.body + rest.body):
        assert server.get(f"{path}?after={seq}").body == tail
    decoded = node_decode(node_version, server.get(path).body)
    check("submitted", decoded)
    assert [step["status"] for step in decoded.steps] == ["completed", "completed"]
    assert decoded.steps[0]["step_details"]["tool_calls"][0]["function"]["output"] in ("21 °C", None)
