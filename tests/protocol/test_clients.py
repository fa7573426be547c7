"""What the translator makes of real and made-up streams is what the real clients make of it."""

from __future__ import annotations

from typing import Any

import pytest

from flask_assistant_stream.encoders.ndjson import NDJSONEncoder
from flask_assistant_stream.encoders.sse import SSEEncoder
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.protocol.from_responses import Ending
from tests.node_clients import NodeDecoder, python_decode_sse

from .checker import check
from .material import Item, play
from .test_properties import STREAMS

NUMBERED = list(enumerate(STREAMS))


def made_of(items: list[Item], ending: Ending) -> list[Event]:
    """Play a stream to its end, or without its last two items to an ending from outside."""
    if ending is Ending.EOF:
        return play(items)[1]
    made, events = play(items[:-2], eof=False)
    return events + made.close(ending)


@pytest.mark.parametrize("ending", list(Ending))
@pytest.mark.parametrize(("number", "items"), NUMBERED)
def test_node(number: int, items: list[Item], ending: Ending, node_decode: NodeDecoder, node_version: str) -> None:
    events = made_of(items, ending)
    fold = check(events, ended=False)
    decoded = node_decode(node_version, NDJSONEncoder().encode(events), chunk=1024)
    assert fold.run is not None
    if node_version == "4.46.0" and fold.run["status"] == "incomplete":  # that client does not know the event
        assert decoded.error == "Final run has not been received"
        return
    assert decoded.error is None
    assert decoded.run == fold.run
    assert [texts(one) for one in decoded.messages] == fold.texts
    assert decoded.seqs == [event.seq for event in events]


@pytest.mark.parametrize(("number", "items"), NUMBERED)
def test_python(number: int, items: list[Item]) -> None:
    events = made_of(items, Ending.EOF)
    fold = check(events, ended=False)
    decoded = python_decode_sse(SSEEncoder().encode(events) + SSEEncoder().end(), chunk=1024)
    assert decoded.error is None
    assert fold.run is not None
    assert decoded.run is not None
    assert decoded.run["status"] == fold.run["status"]
    assert [texts(one) for one in decoded.messages] == fold.texts


def texts(message: dict[str, Any]) -> str:
    return "".join(
        part["refusal"] if part["type"] == "refusal" else part["text"]["value"] for part in message["content"]
    )
