"""Answers that no renderer expects: they never break the page, and the messages beside them stay as they are."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Visitor
from tests.browser.model import Model
from tests.browser.tasks import LONGEST_TASK, longest_task, record_tasks

MONSTERS = {
    "quotes": "> " * 2000,
    "quotes-and-bullets": "> - " * 2000,
    "numbers": "1. " * 2000,
    "list": "\n".join("  " * depth + "- x" for depth in range(300)) + "\n",
    "emphasis": "*_" * 3000,
    "open-emphasis": "*a **b " * 1500,
    "links": "[" * 3000,
    "images": "![" * 3000,
    "address": "a" * 40_000 + "@ ",
    "table": "|a" * 1000 + "|\n" + "|-" * 1000 + "|\n" + ("|b" * 1000 + "|\n") * 20 + "\n",
    "rows": "|a|b|\n|-|-|\n" + "|c|d|\n" * 2500 + "\n",
    "one-item": "- a\n" + "  b\n" * 2900,
    "references": "".join(f"[{number}]: x\n" for number in range(2000)) + "\n" + "word\n\n" * 1000,
    "code": "```python\n" + "x = 1\n" * 2500 + "```\n",
    "html": "<b><div>" * 4000,
    "lines": "a line\n" * 36_000,
    "one-word": "W" * 250_000,
}
WORDS = "the last words"


def test_a_thread_of_monsters_is_usable(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    texts = [text for monster in MONSTERS.values() for text in (f"{monster}{WORDS}", "This is *fine*.")]
    question = {"role": "user", "content": MONSTERS["lines"]}
    thread = visitor.request("POST", "/v1/threads", {"messages": [question]})["id"]
    for text in texts:
        visitor.request("POST", f"/v1/threads/{thread}/messages", {"role": "assistant", "content": text})
    record_tasks(chat.page.context)
    chat.open_thread(thread)
    expect(chat.answers.last.locator("em")).to_have_text("fine")
    chat.log.hover()
    chat.page.mouse.wheel(0, -1_000_000)
    expect(chat.answers).to_have_count(len(texts))
    expect(chat.answers.locator("em", has_text="fine")).to_have_count(len(MONSTERS))
    model.says("It works.")
    chat.ask("Are you there?", "It works.")
    assert longest_task(chat.page) < LONGEST_TASK


@pytest.mark.parametrize("name", ["quotes", "open-emphasis", "address", "lines"])
def test_a_monster_that_grows(name: str, chat: ChatPage, model: Model) -> None:
    text = f"{MONSTERS[name]}\n\n{WORDS}"
    record_tasks(chat.page.context)
    chat.reload()
    model.does(lambda items: items.text([text[at : at + 2000] for at in range(0, len(text), 2000)]))
    chat.send("Frighten me.")
    more = chat.answers.last.get_by_role("button", name="more characters")
    expect(more.or_(chat.answers.last.get_by_text(WORDS)).first).to_be_attached()
    chat.expect_idle()
    if more.count():
        more.click()
    expect(chat.answers.last).to_contain_text(WORDS)
    chat.reload()
    expect(more.or_(chat.answers.last.get_by_text(WORDS)).first).to_be_attached()
    assert longest_task(chat.page) < LONGEST_TASK


def test_a_message_that_cannot_be_drawn_stops_no_other(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    model.says("The first answer.")
    chat.ask("One?", "The first answer.")
    model.says("The *second* answer.")
    chat.ask("Two?", "The second answer.")

    def damage(route: Route) -> None:
        page: dict[str, Any] = route.fetch().json()
        page["data"][2]["content"][0]["text"]["annotations"] = [None]
        route.fulfill(json=page)

    visitor.watch.expect("TypeError")
    chat.page.route("**/threads/*/messages*", damage)
    chat.reload()
    expect(chat.answers).to_have_count(2)
    expect(chat.answers.first).to_contain_text("The first answer.")
    expect(chat.answers.last.locator("em")).to_have_text("second")
