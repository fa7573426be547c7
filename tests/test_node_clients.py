"""The decoding clients agree with `spec/clients.md#ndjson-decoders` on streams of our encoders."""

from __future__ import annotations

from typing import Any

import pytest

from flask_assistant_stream.encoders.ndjson import NDJSONEncoder
from flask_assistant_stream.encoders.sse import SSEEncoder
from flask_assistant_stream.protocol import objects
from flask_assistant_stream.protocol.events import Event, dump
from flask_assistant_stream.protocol.run_states import MessageStatus
from tests.node_clients import NODE_VERSIONS, Decoded, NodeDecoder, python_decode_sse

Named = tuple[str, dict[str, Any]]

ASSISTANT = objects.assistant("asst_1", 1, "a-model")
RUN = objects.run("run_1", 1, "thread_1", ASSISTANT)
WORDS = ["Grüße", " aus ", "Köln", " 👩‍🚀", " – „fertig“", ".\n"]


def run(event: str, **changed: Any) -> Named:
    return f"thread.run.{event}", {**RUN, "status": event, **changed}


def step(status: str, kind: str, details: Any, step_id: str = "step_1") -> Named:
    body = objects.run_step(step_id, 1, RUN, {"type": kind, kind: details})
    status_of = "in_progress" if status == "created" else status
    return f"thread.run.step.{status}", {**body, "status": status_of}


def message(status: str, content: list[Any]) -> Named:
    kept = MessageStatus.IN_PROGRESS if status == "created" else MessageStatus(status)
    body = objects.message("msg_1", 1, "thread_1", "assistant", content, status=kept, run_id="run_1")
    return f"thread.message.{status}", body


def message_delta(part: dict[str, Any]) -> Named:
    delta = {"content": [{"index": 0, **part}]}
    return "thread.message.delta", {"id": "msg_1", "object": "thread.message.delta", "delta": delta}


def step_delta(call: dict[str, Any]) -> Named:
    details = {"type": "tool_calls", "tool_calls": [{"index": 0, "type": "function", **call}]}
    body = {"id": "step_t", "object": "thread.run.step.delta", "delta": {"step_details": details}}
    return "thread.run.step.delta", body


def begin() -> list[Named]:
    return [run("created", status="queued"), run("queued"), run("in_progress")]


def a_message(deltas: list[dict[str, Any]], final: dict[str, Any]) -> list[Named]:
    made = {"message_id": "msg_1"}
    opened = [step("created", "message_creation", made), message("created", []), message("in_progress", [])]
    closed = [message("completed", [final]), step("completed", "message_creation", made)]
    return [*opened, *map(message_delta, deltas), *closed]


def a_text() -> list[Named]:
    first = {"type": "text", "text": {"value": WORDS[0], "annotations": []}}
    later = [{"type": "text", "text": {"value": word}} for word in WORDS[1:]]
    return a_message([first, *later], objects.text_part("".join(WORDS)))


def open_call(arguments: list[str]) -> list[Named]:
    function = {"name": "get_weather", "arguments": "", "output": None}
    first = step_delta({"id": "call_1", "function": function})
    return [
        step("created", "tool_calls", [], "step_t"),
        step("in_progress", "tool_calls", [], "step_t"),
        first,
        *[step_delta({"function": {"arguments": piece}}) for piece in arguments],
    ]


def numbered(events: list[Named]) -> list[Event]:
    return [Event(seq, name, dump(data)) for seq, (name, data) in enumerate(events, 1)]


def ndjson(events: list[Named], between: bytes = b"") -> bytes:
    encoder = NDJSONEncoder()
    return between.join(encoder.encode([event]) for event in numbered(events)) + encoder.end()


def sse(events: list[Named], between: bytes = b"") -> bytes:
    encoder = SSEEncoder()
    return between.join(encoder.encode([event]) for event in numbered(events)) + encoder.end()


TEXT = [*begin(), *a_text(), run("completed")]
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Köln"}'}}
REQUIRED = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [CALL]}}
FUNCTION = [
    *begin(),
    *open_call(['{"ci', 'ty":"Kö', 'ln"}']),
    run("requires_action", required_action=REQUIRED),
]
FAILED = [*begin(), run("failed", last_error={"code": "server_error", "message": "The upstream broke off."})]
REFUSAL = [
    *begin(),
    *a_message(
        [{"type": "refusal", "refusal": "I can"}, {"type": "refusal", "refusal": "not."}],
        {"type": "refusal", "refusal": "I cannot."},
    ),
    run("completed"),
]
TWO_OPEN_STEPS = [*begin(), *open_call(["{}"]), *a_text(), run("completed")]


def test_text_arrives_whole_in_seven_byte_pieces(node_decode: NodeDecoder, node_version: str) -> None:
    decoded = node_decode(node_version, ndjson(TEXT))
    assert decoded.error is None
    assert decoded.run_status == "completed"
    assert decoded.text == "".join(decoded.deltas) == "".join(WORDS)
    assert decoded.names == [name for name, _ in TEXT]
    assert decoded.seqs == list(range(1, len(TEXT) + 1))
    assert decoded.steps[0]["status"] == "completed"
    assert decoded.callbacks.count("textDelta") == len(WORDS)
    for name in ("textCreated", "messageCreated", "messageDone", "runStepDone", "end"):
        assert decoded.callbacks.count(name) == 1


def test_4_46_breaks_characters_that_are_not_ascii(node_decode: NodeDecoder) -> None:
    """This client decodes each network piece on its own, so events are ASCII (`spec/assistants.md#ascii-json`)."""
    raw = ndjson(TEXT).decode("ascii").encode().decode("unicode_escape")
    utf8 = raw.encode("utf-16", "surrogatepass").decode("utf-16").replace('\n"', '\\n"').encode()
    assert "\ufffd" in node_decode("4.46.0", utf8).text
    assert node_decode("6.49.0", utf8).text == "".join(WORDS)


def test_empty_lines_are_no_events(node_decode: NodeDecoder, node_version: str) -> None:
    decoded = node_decode(node_version, ndjson(TEXT, between=NDJSONEncoder.heartbeat * 2))
    assert decoded.error is None
    assert decoded.names == [name for name, _ in TEXT]


def test_a_failed_run_resolves(node_decode: NodeDecoder, node_version: str) -> None:
    decoded = node_decode(node_version, ndjson(FAILED))
    assert decoded.error is None
    assert decoded.run is not None
    assert decoded.run["status"] == "failed"
    assert decoded.run["last_error"]["message"] == "The upstream broke off."


def test_a_refusal_accumulates(node_decode: NodeDecoder, node_version: str) -> None:
    decoded = node_decode(node_version, ndjson(REFUSAL))
    assert decoded.error is None
    assert decoded.messages[0]["content"][0]["refusal"] == "I cannot."
    assert decoded.deltas == []


def test_a_call_accumulates_and_waits(node_decode: NodeDecoder, node_version: str) -> None:
    decoded = node_decode(node_version, ndjson(FUNCTION))
    assert decoded.error is None
    assert decoded.run_status == "requires_action"
    assert decoded.run is not None
    assert decoded.run["required_action"] == REQUIRED
    assert decoded.steps[0]["step_details"]["tool_calls"][0]["id"] == "call_1"
    assert decoded.callbacks.count("toolCallCreated") == 1


@pytest.mark.parametrize("version", NODE_VERSIONS[1:])
def test_arguments_accumulate(node_decode: NodeDecoder, version: str) -> None:
    """4.46.0 never merges arrays: its users read the arguments of the required action."""
    call = node_decode(version, ndjson(FUNCTION)).steps[0]["step_details"]["tool_calls"][0]
    assert call["function"]["arguments"] == '{"city":"Köln"}'


def test_only_the_strict_client_refuses_two_open_steps(node_decode: NodeDecoder, node_version: str) -> None:
    decoded = node_decode(node_version, ndjson(TWO_OPEN_STEPS))
    if node_version == "7.57.0":
        assert decoded.error is not None
        assert 'before the active run step "step_t" reached a terminal state' in decoded.error
    else:
        assert (decoded.error, decoded.run_status) == (None, "completed")


@pytest.mark.parametrize("chunk", [1, 64, 1 << 20])
def test_pieces_of_any_size_decode_alike(node_decode: NodeDecoder, node_version: str, chunk: int) -> None:
    assert node_decode(node_version, ndjson(TEXT), chunk=chunk) == node_decode(node_version, ndjson(TEXT))


def test_a_stream_without_an_end_is_told_as_an_error(node_decode: NodeDecoder, node_version: str) -> None:
    decoded = node_decode(node_version, ndjson(TEXT[:-1]))
    assert decoded.error == "Final run has not been received"
    assert decoded.run is None


def check_python_text(decoded: Decoded) -> None:
    assert decoded.error is None
    assert decoded.run_status == "completed"
    assert decoded.text == "".join(decoded.deltas) == "".join(WORDS)
    assert decoded.names == [name for name, _ in TEXT]


def test_python_decodes_text() -> None:
    decoded = python_decode_sse(sse(TEXT))
    check_python_text(decoded)
    for name in ("on_text_created", "on_message_done", "on_run_step_done", "on_end"):
        assert decoded.callbacks.count(name) == 1


def test_python_tolerates_our_heartbeat_beside_ids() -> None:
    check_python_text(python_decode_sse(sse(TEXT, between=SSEEncoder.heartbeat)))


def test_python_breaks_at_a_heartbeat_that_is_a_block() -> None:
    """The reason why the heartbeat has a single newline (`spec/assistants.md#heartbeats`)."""
    decoded = python_decode_sse(sse(TEXT, between=b": ping\n\n"))
    assert decoded.error is not None
    assert decoded.error.startswith("JSONDecodeError")


def test_python_accumulates_a_call() -> None:
    decoded = python_decode_sse(sse(FUNCTION))
    assert decoded.error is None
    assert decoded.run_status == "requires_action"
    assert decoded.steps[0]["step_details"]["tool_calls"][0]["function"]["arguments"] == '{"city":"Köln"}'


def test_python_resolves_a_failed_run() -> None:
    decoded = python_decode_sse(sse(FAILED))
    assert decoded.run is not None
    assert decoded.run["last_error"]["code"] == "server_error"
