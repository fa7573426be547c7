"""Compat mode: endings as text, with numbers at which a client resumes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from flask_assistant_stream.encoders.quickstart import (
    ADDED,
    QuickstartEncoder,
    closing_message,
    ending_text,
    with_readable_ending,
)
from flask_assistant_stream.encoders.sse import SSEEncoder
from flask_assistant_stream.encoders.vendor import WithoutVendorEvents
from flask_assistant_stream.protocol import objects
from flask_assistant_stream.protocol.dialects import ASSISTANTS
from flask_assistant_stream.protocol.events import Event, dump
from flask_assistant_stream.testing.decode import decode_sse, text_of
from flask_assistant_stream.testing.encoder_suite import Decode, LosslessEncoderSuite, MakeEncoder
from tests.translation.checker import check


class TestQuickstart(LosslessEncoderSuite):
    @pytest.fixture
    def make(self) -> MakeEncoder:
        return lambda start: QuickstartEncoder(SSEEncoder(start), now=lambda: 1_700_000_000)

    @pytest.fixture
    def decode(self) -> Decode:
        return decode_sse


class TestWithoutVendorEvents(LosslessEncoderSuite):
    @pytest.fixture
    def make(self) -> MakeEncoder:
        return lambda start: WithoutVendorEvents(SSEEncoder(start))

    @pytest.fixture
    def decode(self) -> Decode:
        return decode_sse


ENDINGS: dict[str, dict[str, Any]] = {
    "failed": {"last_error": {"code": "server_error", "message": "The model broke."}, "failed_at": 1_700_000_009},
    "incomplete": {"incomplete_details": {"reason": "max_completion_tokens"}},
    "cancelled": {"cancelled_at": 1_700_000_009},
    "expired": {},
}


def run_that(status: str, **fields: Any) -> dict[str, Any]:
    run = objects.run("run_1", 1_700_000_000, "thread_1", objects.assistant("asst_1", 1_700_000_000, "m"))
    return {**run, "started_at": 1_700_000_001, "status": status, **ENDINGS.get(status, {}), **fields}


def log_of(status: str) -> list[Event]:
    """Return a short log that ends like that."""
    moves = (("created", "queued"), ("queued", "queued"), ("in_progress", "in_progress"), (status, status))
    return [Event(at, f"thread.run.{name}", dump(run_that(said))) for at, (name, said) in enumerate(moves, 1)]


@pytest.mark.parametrize("status", ENDINGS)
def test_a_message_and_completed_stand_for_an_ending(status: str) -> None:
    log = log_of(status)
    readable = with_readable_ending(log)
    fold = check(readable)
    assert readable[:3] == log[:3]
    assert [event.seq for event in readable] == list(range(1, 5 + ADDED))
    assert fold.texts == [text_of(readable)] == [ending_text(run_that(status))]
    assert readable[-1].name == "thread.run.completed"
    run = readable[-1].object()
    kept = ("id", "thread_id", "assistant_id", "usage", "model", "metadata")
    assert {key: run[key] for key in kept} == {key: log[-1].object()[key] for key in kept}


@pytest.mark.parametrize("status", ENDINGS)
def test_every_reader_receives_the_same_ending(status: str) -> None:
    log = log_of(status)
    assert with_readable_ending(log) == [*with_readable_ending(log[:2]), *with_readable_ending(log[2:])]
    assert with_readable_ending(log[3:]) == with_readable_ending(log)[3:]


def test_all_endings_are_known() -> None:
    assert {f"thread.run.{status}" for status in ENDINGS} | {"thread.run.completed"} == ASSISTANTS.run_endings


@pytest.mark.parametrize("events", [[], log_of("completed"), log_of("requires_action"), log_of("failed")[:3]])
def test_all_else_is_left_as_it_is(events: list[Event]) -> None:
    assert with_readable_ending(events) is events


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (run_that("failed"), "The model broke."),
        (run_that("incomplete"), "maximum length"),
        (run_that("incomplete", incomplete_details={"reason": "max_prompt_tokens"}), "too long"),
        (run_that("incomplete", incomplete_details={}), "cut off"),
        (run_that("incomplete", incomplete_details=None), "cut off"),
        (run_that("cancelled"), "stopped"),
        (run_that("expired"), "did not arrive in time"),
    ],
)
def test_words_for_people(run: dict[str, Any], words: str) -> None:
    assert words in ending_text(run)


def test_no_two_messages_have_one_id() -> None:
    def ids(events: Iterable[Event]) -> set[str]:
        return {event.object()["id"] for event in events if event.name == "thread.message.created"}

    one, other = closing_message(run_that("failed"), "one", 1), closing_message(run_that("failed"), "other", 1)
    assert not ids(one) & ids(other)
    assert ids(one) == ids(closing_message(run_that("failed"), "one", 9))
