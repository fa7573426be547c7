"""What the translator makes of real and made-up streams is what the real clients make of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_assistant_stream.encoders.ndjson import NDJSONEncoder
from flask_assistant_stream.encoders.sse import SSEEncoder
from flask_assistant_stream.engines.response_items import ResponseItems, container_file_citation, url_citation
from flask_assistant_stream.protocol.dialects import ASSISTANTS
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.translation.translator import Ending
from tests.node_clients import NodeDecoder, python_decode_sse

from .checker import check, without
from .material import Item, answer, ids, play, terminal
from .streams import STREAMS

NUMBERED = list(enumerate(STREAMS))


def played_to(items: list[Item], ending: Ending) -> list[Event]:
    """Play a stream to its end, or without its last two items to an ending from outside."""
    if ending is Ending.EOF:
        return play(items)[1]
    made, events = play(items[:-2], eof=False)
    return events + made.close(ending)


@pytest.mark.parametrize("ending", list(Ending))
@pytest.mark.parametrize(("number", "items"), NUMBERED)
def test_node(number: int, items: list[Item], ending: Ending, node_decode: NodeDecoder, node_version: str) -> None:
    events = played_to(items, ending)
    fold = check(events, ended=False)
    decoded = node_decode(node_version, NDJSONEncoder().encode(events), chunk=1024)
    if node_version == "4.46.0" and fold.run["status"] == "incomplete":  # that client does not know the event
        assert decoded.error == "Final run has not been received"
        return
    assert decoded.error is None
    assert (decoded.run, [texts(one) for one in decoded.messages]) == (fold.run, fold.texts)
    assert decoded.seqs == [event.seq for event in events]


@pytest.mark.parametrize(("number", "items"), NUMBERED)
def test_python(number: int, items: list[Item]) -> None:
    events = played_to(items, Ending.EOF)
    fold = check(events, ended=False)
    decoded = python_decode_sse(SSEEncoder().encode(events) + SSEEncoder().end(), chunk=1024)
    assert decoded.error is None
    assert decoded.run is not None
    assert decoded.run["status"] == fold.run["status"]
    assert [texts(one) for one in decoded.messages] == fold.texts


def texts(message: dict[str, Any]) -> str:
    return "".join(part.get("text", {}).get("value") or part.get("refusal") or "" for part in message["content"])


# -- tools, of this server and of the upstream ------------------------------------------------------------
def rounds(items: list[Item], *answers: dict[str, str]) -> list[list[Event]]:
    """Play a response that ends with calls, their answers and a last response: the streams that clients read."""
    made, events = play(items, server_tools={"weather": False, "pay": True})
    streams = [events]
    for outputs in answers:
        if made.waiting:
            streams.append(made.tool_outputs(outputs))
        else:
            streams[-1] = streams[-1] + made.tool_results(outputs)
    streams[-1] = streams[-1] + made.feed([*answer("Done"), terminal()])
    assert made.ended
    return streams


def called(*names: str) -> list[Item]:
    mine = writer()
    return [*mine.begin(), *(item for name in names for item in mine.call(name, '{"a":1}')), mine.complete()]


def writer() -> ResponseItems:
    return ResponseItems({"model": "gpt-4.1"}, new_id=ids(), now=lambda: 1)


def approval() -> list[Item]:
    mine = writer()
    return [*mine.begin(), *mine.mcp_approval_request("crm", "delete", "{}"), mine.complete()]


def code_with_image() -> list[Item]:
    mine = writer()
    outputs = [{"type": "logs", "logs": "2"}, {"type": "image", "url": "data:image/png;base64,AA=="}]
    plot = container_file_citation("cntr_1", "cfile_1", "plot.png", 0, 3)
    said = mine.text(["", "See", " this"], [{**plot, "end_index": 0}])
    return [*mine.code_interpreter("1 + 1", outputs, ["1 ", "+ 1"]), *said, mine.complete()]


def cited() -> list[Item]:
    mine = writer()
    table = container_file_citation("cntr_1", "cfile_1", "table.csv", 0, 4)
    pages = [url_citation("https://a.test", "A", 5, 7), url_citation("https://b.test", "B", 8, 10)]
    return [*mine.text(["Here", " it", " is"], [table, *pages]), mine.complete()]


def hosted() -> list[Item]:
    mine = writer()
    calls = [*mine.web_search("rain"), *mine.mcp_call("crm", "find", '{"a":1}', "found")]
    calls += mine.image_generation("AA==")
    return [*mine.reasoning([["First"], ["second"]]), *calls, *mine.text(["Done"]), mine.complete()]


SCENARIOS: dict[str, list[list[Event]]] = {
    "server tool": rounds(called("weather"), {"call_1": "sunny"}),
    "parallel server tools": rounds(called("weather", "weather"), {"call_1": "sunny", "call_2": "wet"}),
    "mixed": rounds(called("theirs", "weather"), {"call_2": "sunny"}, {"call_1": "x"}),
    "approved": rounds(called("pay"), {"call_1": "true"}, {"call_1": "paid"}),
    "not approved": rounds(called("pay"), {"call_1": "false"}),
    "mixed and approved": rounds(
        called("pay", "theirs", "weather"), {"call_3": "wet"}, {"call_1": "true", "call_2": "x"}, {"call_1": "paid"}
    ),
    "approved at the upstream": rounds(approval(), {"mcpr_1": "true"}),
    "code interpreter with image": [play(code_with_image())[1]],
    "container file and cited pages": [play(cited())[1]],
    "tools of the upstream": [play(hosted(), reasoning_summaries=True)[1]],
}


@pytest.mark.parametrize("streams", SCENARIOS.values(), ids=SCENARIOS)
def test_node_takes_tools(streams: list[list[Event]], node_decode: NodeDecoder, node_version: str) -> None:
    events = [event for stream in streams for event in stream]
    fold = check(events)
    decoded = node_decode(node_version, NDJSONEncoder().encode(events), chunk=64)
    assert decoded.error is None
    assert decoded.run == fold.run
    lost = ["x_url_citations"] if node_version == "4.46.0" else []  # of a list it keeps the first delta's entries
    assert [without(one["content"], "index", "quote", *lost) for one in decoded.messages] == [
        without(one["content"], *lost) for one in fold.messages
    ]
    assert [details(one) for one in decoded.steps] == [details(one) for one in fold.steps]
    assert decoded.seqs == [event.seq for event in events]
    for stream in streams:  # as they come: a stream for every request
        part = node_decode(node_version, NDJSONEncoder().encode(stream), chunk=64)
        assert part.error is None
        assert part.run == json.loads([event for event in stream if event.name.startswith("thread.run.")][-1].data)


@pytest.mark.parametrize("streams", SCENARIOS.values(), ids=SCENARIOS)
def test_python_takes_tools(streams: list[list[Event]]) -> None:
    events = [event for stream in streams for event in stream if event.name not in ASSISTANTS.vendor_events]
    fold = check(events, gaps=True)
    decoded = python_decode_sse(SSEEncoder().encode(events) + SSEEncoder().end(), chunk=64)
    assert decoded.error is None
    assert (decoded.run_status, [texts(one) for one in decoded.messages]) == ("completed", fold.texts)


def details(step: dict[str, Any]) -> Any:
    """Return the calls of a step as deltas and the closed step both tell them."""
    return without(step["step_details"].get("tool_calls", []), "index")
