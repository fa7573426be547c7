"""A thread of a thousand messages: the page loads and renders only a part of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Visitor
from tests.browser.model import Model
from tests.browser.tasks import LONGEST_TASK, longest_task, record_tasks

COUNT = 1000
PER_REQUEST = 50
PAGE = 100
"""The longest list that a route returns."""


@pytest.fixture
def thread(visitor: Visitor) -> str:
    """Create a thread with numbered messages through the API."""
    messages: list[dict[str, Any]] = [
        {"role": "assistant" if number % 2 else "user", "content": f"Message {number}, *which* says `something`."}
        for number in range(COUNT)
    ]
    id = visitor.request("POST", "/v1/threads", {"messages": messages[:PER_REQUEST]})["id"]
    for message in messages[PER_REQUEST:]:
        visitor.request("POST", f"/v1/threads/{id}/messages", message)
    return str(id)


def test_scrolling_up_loads_pages(chat: ChatPage, visitor: Visitor, model: Model, thread: str) -> None:
    record_tasks(chat.page.context)
    loads = f"GET .*/threads/{thread}/messages"
    chat.open_thread(thread)
    articles = chat.log.get_by_role("article")
    expect(articles.last).to_contain_text(f"Message {COUNT - 1},")
    expect(articles.last).to_be_in_viewport()
    assert articles.count() <= PAGE
    assert len(visitor.watch.matching(loads)) == 1
    older = chat.page.get_by_role("button", name="Load older messages", exact=True)
    expect(older).to_have_count(1)
    seen = articles.count()
    top = re.search(r"Message \d+,", articles.first.text_content() or "")
    assert top
    chat.log.hover()
    chat.page.mouse.wheel(0, -100_000)
    expect(articles).not_to_have_count(seen)
    assert seen < articles.count() <= seen + 2 * PAGE
    assert len(visitor.watch.matching(loads)) <= 3
    expect(articles.filter(has_text=top[0])).to_be_in_viewport()
    model.says("The thousand and second.")
    chat.ask("One more.", "The thousand and second.")
    expect(articles.last).to_be_in_viewport()
    assert longest_task(chat.page) < LONGEST_TASK


def test_the_first_message_can_be_reached(chat: ChatPage, visitor: Visitor, thread: str) -> None:
    chat.open_thread(thread)
    articles = chat.log.get_by_role("article")
    expect(articles.last).to_contain_text(f"Message {COUNT - 1},")
    older = chat.page.get_by_role("button", name="Load older messages", exact=True)
    first = chat.log.get_by_text("Message 0,")
    for _ in range(COUNT // 10):
        if first.count():
            break
        seen = articles.count()
        older.click()
        expect(articles).not_to_have_count(seen)
    expect(first).to_have_count(1)
    expect(older).to_be_hidden()
    expect(articles).to_have_count(COUNT)
    numbers = chat.log.evaluate(
        """(log) => [...log.querySelectorAll("article")]
          .map((one) => Number(one.textContent.match(/Message (\\d+),/)[1]))"""
    )
    assert numbers == list(range(COUNT))


def test_an_answer_does_not_scroll_the_reader(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    """A reader who scrolled up stays there while the answer grows; a reader at the end stays at the end."""
    text = "\n\n".join(f"Paragraph {number}." for number in range(60))
    model.says(text)
    chat.ask("Say a lot.", "Paragraph 59.")
    last = chat.log.get_by_text("Paragraph 59.")
    expect(last).to_be_in_viewport()
    held = model.holds("Once more:", "\n\n" + text.replace("Paragraph", "Sentence"))
    chat.send("Say more.")
    expect(chat.answers.last).to_contain_text("Once more:")
    chat.log.hover()
    chat.page.mouse.wheel(0, -100_000)
    first = chat.log.get_by_text("Say a lot.")
    expect(first).to_be_in_viewport()
    held.finish()
    chat.expect_answer("Sentence 59.")
    expect(first).to_be_in_viewport()
    expect(chat.log.get_by_text("Sentence 59.")).not_to_be_in_viewport()
