"""Accessibility: axe-core in all states of the page, and announcements for screen readers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from flask_assistant_stream.engines.response_items import words
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import PHONE, Visitor
from tests.browser.model import Model, citation
from tests.node_clients import HINT, NODE_DIRECTORY

AXE = NODE_DIRECTORY / "node_modules" / "axe-core" / "axe.min.js"
RECORD = """() => {
  window.announced = [];
  const region = document.querySelector("[role=status]");
  new MutationObserver(() => {
    const text = region.textContent.trim();
    if (text) window.announced.push(text);
  }).observe(region, { childList: true, characterData: true, subtree: true });
}"""


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        pytest.fail(f"axe-core is missing: {HINT}")
    return Path(AXE).read_text(encoding="utf-8")


@pytest.fixture
def judge(axe: str) -> Callable[[Page], None]:
    """Return a check that fails if a page has a serious or critical violation."""

    def look(page: Page) -> None:
        page.evaluate(axe)
        violations = page.evaluate("async () => (await axe.run(document, { resultTypes: ['violations'] })).violations")
        serious = [entry for entry in violations if entry["impact"] in ("serious", "critical")]
        report = [[entry["id"], entry["help"], [node["html"][:200] for node in entry["nodes"]]] for entry in serious]
        assert not serious, json.dumps(report, indent=1)

    return look


def conversation(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    """Create a tool call, a citation, a code block and a failed run."""
    model.title = "Returns"
    id = visitor.upload("returns.txt")
    model.calls("add", json.dumps({"a": 2, "b": 40}))
    model.says("It is **42**.\n\n```python\nprint(40 + 2)\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> So it is.")
    chat.ask("How much is 2 and 40?", "So it is.")
    chat.unfold(chat.tool("add"))
    model.does(lambda items: items.text(words("27 days."), [citation(id, "returns.txt", 7)]))
    chat.ask("How long?", "27 days")
    model.breaks("I was about", message="The model broke.")
    chat.send("And now?")
    expect(chat.log.get_by_role("alert")).to_be_visible()


LOOKS: dict[str, dict[str, Any]] = {"desktop": {}, "dark": {"color_scheme": "dark"}, "phone": {"viewport": PHONE}}


@pytest.mark.parametrize("look", LOOKS)
def test_pages_have_no_serious_violation(
    look: str, visitor: Visitor, model: Model, judge: Callable[[Page], None]
) -> None:
    chat = visitor.arrive(reduced_motion="reduce", **LOOKS[look])
    judge(chat.page)
    conversation(chat, visitor, model)
    judge(chat.page)
    chat.open_files()
    expect(chat.files_panel.get_by_role("listitem")).to_have_count(1)
    judge(chat.page)
    chat.page.keyboard.press("Escape")
    expect(chat.files_panel).to_be_hidden()
    if look == "phone":
        chat.page.get_by_role("button", name="Threads", exact=True).click()
        expect(chat.threads).to_be_in_viewport()
    judge(chat.page)
    chat.page.get_by_role("button", name="Rename Returns", exact=True).click()
    judge(chat.page)
    chat.page.keyboard.press("Escape")
    chat.page.get_by_role("button", name="Delete Returns", exact=True).click()
    expect(chat.page.get_by_role("dialog")).to_be_visible()
    judge(chat.page)


def test_questions_have_no_serious_violation(chat: ChatPage, model: Model, judge: Callable[[Page], None]) -> None:
    model.does(
        lambda items: [
            *items.call("erase", '{"name": "notes.txt"}'),
            *items.call("get_weather", '{"location": "Oslo"}'),
        ]
    )
    chat.send("Erase my notes if it rains.")
    expect(chat.tool("get_weather").get_by_role("textbox")).to_be_visible()
    judge(chat.page)


def test_a_screen_reader_hears_the_result_but_not_every_word(chat: ChatPage, model: Model) -> None:
    chat.page.evaluate(RECORD)
    text = " ".join(f"word{number}" for number in range(40))
    held = model.holds("First", f" {text}")
    chat.send("Tell me.")
    expect(chat.answers.last).to_contain_text("First")
    held.finish()
    chat.expect_answer("word39")
    expect(chat.status).to_have_text("Answer complete")
    announced = chat.page.evaluate("() => window.announced")
    assert announced[-1] == "Answer complete"
    assert len(announced) < 8, announced
    assert not [text for text in announced if "word" in text]
    assert chat.log.get_attribute("aria-live") == "off"


def test_a_screen_reader_hears_failures_and_questions(chat: ChatPage, model: Model) -> None:
    model.calls("erase", json.dumps({"name": "notes.txt"}))
    chat.send("Erase my notes.")
    expect(chat.tool("erase").get_by_role("button", name="Approve", exact=True)).to_be_visible()
    expect(chat.status).to_contain_text("is waiting for you")
    model.breaks("I was", message="The model broke.")
    chat.send("Never mind.")
    expect(chat.log.get_by_role("alert")).to_contain_text("The assistant could not answer.")
    expect(chat.status).not_to_have_text("Answer complete")


def test_headings_and_landmarks(chat: ChatPage, model: Model) -> None:
    model.title = "Landmarks"
    model.says("# A heading of the model\n\nAnd text.")
    chat.ask("Show me.", "And text.")
    expect(chat.page.get_by_role("main")).to_have_count(1)
    expect(chat.page.get_by_role("navigation", name="Threads")).to_have_count(1)
    expect(chat.page.locator("html")).to_have_attribute("lang", "en")
    assert chat.page.title()
