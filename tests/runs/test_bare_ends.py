"""Upstreams that end without a terminal item: with an engine known for it, the response counts as completed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.testing.decode import text_of
from flask_assistant_stream.testing.scripted import ScriptedEngine, call, text
from tests.routes.conftest import build

Ask = Callable[..., list[Event]]


class Bare(ScriptedEngine):
    bare_end = True


def order_status(number: int) -> str:
    """Look up an order."""
    return f"Order {number} is on its way."


def bare(script: list[list[Any]]) -> list[list[Any]]:
    """Remove the terminal item."""
    return script[:-1]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Return a function that sends a message to an app with this engine and returns the events of the answer."""
    return lambda engine: build(tmp_path, engine=engine, tools=[order_status]).chat("Where is order 7?")


def test_tools_of_this_server_are_called_after_it(ask: Ask) -> None:
    engine = Bare(bare(call("order_status", {"number": 7})), bare(text("It is on its way.")))
    events = ask(engine)
    assert (events[-1].name, text_of(events)) == ("thread.run.completed", "It is on its way.")
    _, second = engine.requests
    assert second["input"][-1]["output"] == "Order 7 is on its way."


def test_elsewhere_it_is_a_failure(ask: Ask) -> None:
    engine = ScriptedEngine(bare(call("order_status", {"number": 7})))
    assert (ask(engine)[-1].name, len(engine.requests)) == ("thread.run.failed", 1)
