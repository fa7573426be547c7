"""The messages that a run reads: the newest, no more than it sends, on both stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_assistant_stream.protocol import objects
from flask_assistant_stream.runs import upstream_request
from flask_assistant_stream.runs.conversation import Conversation
from flask_assistant_stream.runs.refused_inputs import DOUBLING_SECONDS, GONE_SECONDS, RefusedInputs
from flask_assistant_stream.runs.upstream_request import RequestBuilder
from flask_assistant_stream.stores.base import Kind, Page, Record, RunRecord, Store
from flask_assistant_stream.translation.past_messages import past_message
from tests.runs.workers import ASSISTANT


class Counted:
    """Counts the messages that a store returns."""

    def __init__(self, store: Store) -> None:
        self.read = 0
        self._list = store.list
        store.list = self.list  # type: ignore[method-assign]

    def list(self, kind: Kind, owner: str, **options: Any) -> Page:
        page = self._list(kind, owner, **options)
        self.read += len(page.records)
        return page


def history(store: Store, count: int, words: str = "", **fields: Any) -> tuple[list[str], int]:
    """Fill a thread; return the texts that a run of it sends, and how many messages were read."""
    thread = objects.thread("thread_1", 1)
    store.insert(Record(Kind.THREAD, "ann", thread))
    for number in range(count):
        role = "assistant" if number % 2 else "user"
        body = objects.message(f"msg_{number}", 1, "thread_1", role, [objects.text_part(f"{number}{words}")])
        store.insert(Record(Kind.MESSAGE, "ann", body, "thread_1"))
    counted = Counted(store)
    run = RunRecord(Kind.RUN, "ann", {**objects.run("run_1", 1, "thread_1", ASSISTANT), **fields}, "thread_1")
    read = RequestBuilder(store).history(run)
    return [message.item["content"] for message in read], counted.read


def test_a_short_history_is_whole_and_in_order(open_store: Callable[[], Store]) -> None:
    texts, read = history(open_store(), 130)
    assert (texts, read) == ([str(number) for number in range(130)], 130)


def test_no_more_messages_are_read_than_are_sent(
    open_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_request, "HISTORY_ITEMS", 70)
    texts, read = history(open_store(), 100)
    assert (texts, read) == ([str(number) for number in range(30, 100)], 70)


def test_a_client_that_counts_messages_reads_as_many(open_store: Callable[[], Store]) -> None:
    counts = {"type": "last_messages", "last_messages": 3}
    assert history(open_store(), 60, truncation_strategy=counts) == (["57", "58", "59"], 3)


def test_characters_end_the_history_and_the_newest_message_is_in_it(
    open_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_request, "HISTORY_CHARS", 350)
    texts, read = history(open_store(), 80, "x" * 100)
    assert [text[:2] for text in texts] == ["77", "78", "79"]
    assert read <= upstream_request.FIRST_PAGE


def test_a_budget_of_prompt_tokens_ends_the_history(open_store: Callable[[], Store]) -> None:
    texts, _ = history(open_store(), 60, "x" * 98, max_prompt_tokens=256)
    assert len(texts) == 10, "1,024 characters"


def test_long_messages_are_read_in_small_pages(
    open_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_request, "PAGE_CHARS", 1000)
    store, pages = open_store(), list[int]()
    listed = store.list

    def noted(kind: Kind, owner: str, **options: Any) -> Page:
        pages.append(options["limit"])
        return listed(kind, owner, **options)

    monkeypatch.setattr(store, "list", noted)
    assert len(history(store, 60, "x" * 498)[0]) == 60
    assert pages[1:] == [2] * 5


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_room_of_a_model_is_learnt_and_slowly_forgotten() -> None:
    clock = Clock()
    refused = RefusedInputs(clock)
    assert refused.room("ann", "m") is None
    refused.took("ann", "m", 100)
    assert refused.room("ann", "m") is None, "it has refused nothing"
    refused.narrow("ann", "m", 1000, for_all=True)
    assert (refused.room("ann", "m"), refused.room("ben", "m"), refused.room("ann", "other")) == (1000, 1000, None)
    refused.took("ann", "m", 1500)
    refused.took("ann", "m", 10)
    assert refused.room("ann", "m") == 1500
    clock.now += DOUBLING_SECONDS
    assert refused.room("ann", "m") == 3000
    refused.narrow("ann", "m", 2000, for_all=True)
    assert refused.room("ann", "m") == 2000
    clock.now += 100 * DOUBLING_SECONDS
    assert refused.room("ann", "m") is None


def test_a_guess_from_the_texts_of_an_owner_does_not_limit_others() -> None:
    refused = RefusedInputs(Clock())
    refused.narrow("ann", "m", 50, for_all=False)
    assert (refused.room("ann", "m"), refused.room("ben", "m")) == (50, None)
    refused.narrow("ben", "m", 8000, for_all=True)
    assert (refused.room("ann", "m"), refused.room("ben", "m")) == (50, 8000)


def test_what_is_gone_is_an_owners_and_may_come_back() -> None:
    clock = Clock()
    refused = RefusedInputs(clock)
    refused.lose("ann", {"file-1"})
    assert refused.are_gone("ann", {"file-1", "file-2"}) == {"file-1"}
    assert refused.are_gone("ben", {"file-1"}) == set()
    clock.now += GONE_SECONDS
    assert refused.are_gone("ann", {"file-1"}) == set()


def test_the_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_assistant_stream.runs.refused_inputs.MAX_ROOMS", 2)
    monkeypatch.setattr("flask_assistant_stream.runs.refused_inputs.MAX_GONE", 2)
    refused = RefusedInputs(Clock())
    for name in ("one", "two", "three"):
        refused.narrow("ann", name, 5, for_all=True)
        refused.lose("ann", {name})
    assert [refused.room("ann", name) for name in ("one", "two", "three")] == [None, 5, 5]
    assert refused.are_gone("ann", {"one", "two", "three"}) == {"two", "three"}


def test_files_of_the_newest_messages_of_the_user_are_attached() -> None:
    """Those of answered messages were mentioned before."""

    def message(role: str, *file_ids: str) -> dict[str, Any]:
        attachments = [{"file_id": id, "tools": [{"type": "file_search"}]} for id in file_ids]
        return objects.message("msg_1", 1, "thread_1", role, [objects.text_part("x")], attachments=attachments)

    run = RunRecord(Kind.RUN, "ann", objects.run("run_1", 1, "thread_1", ASSISTANT), "thread_1")
    answered = [message("user", "file-a"), message("assistant")]

    def attached(*messages: dict[str, Any]) -> list[str]:
        sent = filter(None, map(past_message, [*answered, *messages]))
        return Conversation(run, list(sent), RefusedInputs()).attached

    assert attached(message("user")) == []
    assert attached(message("user", "file-b", "file-c"), message("user", "file-c")) == ["file-c", "file-b"]
