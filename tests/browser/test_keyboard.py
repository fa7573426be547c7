"""Use without a mouse: the keys of the message box, the Tab order, and the focus."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Visitor
from tests.browser.model import Model

FOCUSED = """() => {
  const node = document.activeElement;
  const name = node.getAttribute("aria-label") || node.labels?.[0]?.textContent || node.textContent || node.title;
  return { tag: node.tagName.toLowerCase(), name: (name || "").trim().replace(/\\s+/g, " ") };
}"""


def stops(chat: ChatPage) -> list[dict[str, Any]]:
    """Press Tab from the start of the page to its end; return the focused elements."""
    rounds: list[list[dict[str, Any]]] = [[]]
    while len(rounds) < 3 and sum(map(len, rounds)) < 100:
        chat.page.keyboard.press("Tab")
        focused = chat.page.evaluate(FOCUSED)
        if focused["tag"] == "body":
            rounds.append([])
        else:
            rounds[-1].append(focused)
    return rounds[1]


def test_keys_of_the_composer(chat: ChatPage, model: Model) -> None:
    expect(chat.message).to_be_focused()
    chat.message.press("Enter")
    expect(chat.questions).to_have_count(0)
    chat.page.keyboard.type("First line")
    chat.message.press("Shift+Enter")
    chat.page.keyboard.type("second line")
    expect(chat.message).to_have_value("First line\nsecond line")
    expect(chat.questions).to_have_count(0)
    held = model.holds("Two", " lines.")
    chat.message.press("Enter")
    expect(chat.questions.last).to_contain_text("second line")
    expect(chat.message).to_be_focused()
    expect(chat.answers.last).to_contain_text("Two")
    chat.page.keyboard.type("What I write meanwhile")
    held.finish()
    chat.expect_answer("Two lines.")
    expect(chat.message).to_have_value("What I write meanwhile")
    expect(chat.message).to_be_focused()


def test_an_input_method_may_end_with_enter(chat: ChatPage) -> None:
    """In Japanese and Chinese, Enter accepts the composed word; it must not send."""
    chat.message.fill("日本")
    event = {"key": "Enter", "isComposing": True, "keyCode": 229, "bubbles": True, "cancelable": True}
    chat.message.dispatch_event("keydown", event)
    expect(chat.questions).to_have_count(0)
    expect(chat.message).to_have_value("日本")


def test_tab_reaches_everything(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    model.title = "Numbers"
    model.calls("add", json.dumps({"a": 2, "b": 40}))
    model.says("It is:\n\n```\n42\n```\n\nSee [more](https://example.com/more).")
    chat.ask("How much is 2 and 40?", "See more")
    expect(chat.thread_link("Numbers")).to_be_visible()
    chat.reload()
    expect(chat.answers.last).to_contain_text("See more")
    focused = stops(chat)
    names = [stop["name"] for stop in focused]
    for name in ("New chat", "Numbers", "Rename Numbers", "Delete Numbers", "Files", "Copy", "Copy message"):
        assert name in names, (name, names)
    for name in ("more", "Message", "Attach files", "Send"):
        assert any(name in other for other in names) or name == "Send", (name, names)
    assert any(name.startswith("Theme") for name in names), names
    assert any(stop["tag"] == "summary" for stop in focused), focused
    for stop in focused:
        assert stop["name"], focused
    assert names.index("New chat") < names.index("Numbers") < names.index("Message"), names


def test_the_focus_is_visible(chat: ChatPage, model: Model) -> None:
    """An element with keyboard focus looks different from before."""
    model.says("Hello.")
    chat.ask("Hello?", "Hello.")
    chat.page.evaluate("() => document.activeElement.blur()")
    look = """(node) => {
      const seen = [];
      for (let at = node, up = 0; at && up < 4; at = at.parentElement, up += 1) {
        const style = getComputedStyle(at);
        seen.push(style.outline, style.boxShadow, style.borderColor, style.backgroundColor);
      }
      return seen.join(" ");
    }"""
    for _ in range(20):
        chat.page.keyboard.press("Tab")
        focused = chat.page.evaluate_handle("() => document.activeElement").as_element()
        assert focused is not None
        if focused.evaluate("(node) => node.tagName") == "BODY":
            break
        seen = focused.evaluate(look)
        focused.evaluate("(node) => node.blur()")
        assert seen != focused.evaluate(look), focused.evaluate("(node) => node.outerHTML")
        focused.focus()


def test_focus_returns_from_dialogs(chat: ChatPage, visitor: Visitor) -> None:
    visitor.request("POST", "/threads", {"title": "Old"})
    chat.reload()
    delete = chat.page.get_by_role("button", name="Delete Old", exact=True)
    delete.focus()
    delete.press("Enter")
    dialog = chat.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Keep", exact=True)).to_be_focused()
    chat.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(delete).to_be_focused()
    rename = chat.page.get_by_role("button", name="Rename Old", exact=True)
    rename.press("Enter")
    expect(chat.page.get_by_role("textbox", name="Title", exact=True)).to_be_focused()
    chat.page.keyboard.press("Escape")
    expect(rename).to_be_focused()
    rename.press("Enter")
    chat.page.keyboard.type("New")
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_role("button", name="Rename New", exact=True)).to_be_focused()
    chat.page.get_by_role("button", name="Delete New", exact=True).press("Enter")
    dialog.get_by_role("button", name="Delete", exact=True).press("Enter")
    expect(dialog).to_be_hidden()
    expect(chat.thread_link("New")).to_have_count(0)
    assert chat.page.evaluate(FOCUSED)["tag"] != "body"


def test_an_approval_with_keys(chat: ChatPage, model: Model) -> None:
    model.calls("erase", json.dumps({"name": "notes.txt"}))
    chat.send("Erase my notes.")
    approve = chat.tool("erase").get_by_role("button", name="Approve", exact=True)
    expect(approve).to_be_visible()
    approve.focus()
    approve.press("Enter")
    chat.expect_answer("notes.txt is erased")
    assert chat.page.evaluate(FOCUSED)["tag"] != "body"


@pytest.mark.parametrize("key", [True, False], ids=["key", "mouse"])
def test_the_focus_stays_after_stop(key: bool, chat: ChatPage, model: Model) -> None:
    model.holds("It", " is", " noon.")
    chat.send("What time is it?")
    expect(chat.answers.last).to_contain_text("It")
    if key:
        chat.stop_button.press("Enter")
    else:
        chat.stop_button.click()
    chat.expect_idle()
    expect(chat.status).to_have_text("Answer stopped")
    assert chat.page.evaluate(FOCUSED)["tag"] != "body"


def test_a_link_skips_the_threads(chat: ChatPage) -> None:
    link = chat.page.get_by_role("link", name="Skip to the message")
    assert stops(chat)[0]["name"] == "Skip to the message"
    link.focus()
    expect(link).to_be_in_viewport()
    link.press("Enter")
    expect(chat.message).to_be_focused()
    assert "#" not in chat.page.url
