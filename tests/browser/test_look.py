"""The look of the page: light and dark, on a phone, and inside a page of the host."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from flask_assistant_stream.engines.response_items import words
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import PHONE, Visitor
from tests.browser.model import Model, citation
from tests.browser.watch import look_of

LONG = "Antidisestablishmentarianism" * 12


def brightness(chat: ChatPage) -> float:
    """Return the brightness of the page's background, from 0 to 255."""
    colour: str = chat.message.evaluate(
        """(node) => {
          for (let at = node; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (!/rgba\\(0, 0, 0, 0\\)|transparent/.test(colour)) return colour;
          }
          return "rgb(255, 255, 255)";
        }"""
    )
    parts = [float(part) for part in re.findall(r"[\d.]+", colour)[:3]]
    return sum(parts) / 3


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_the_page_follows_the_system(scheme: str, dark: bool, visitor: Visitor) -> None:
    chat = visitor.arrive(color_scheme=scheme)
    assert (brightness(chat) < 128) == dark
    chat.page.emulate_media(color_scheme="light" if dark else "dark")
    assert (brightness(chat) < 128) != dark


def test_a_chosen_theme_stays(visitor: Visitor) -> None:
    chat = visitor.arrive(color_scheme="light")
    theme = chat.page.get_by_role("button", name=re.compile("^Theme"))
    for _ in range(3):
        theme.click()
        if brightness(chat) < 128:
            break
    assert brightness(chat) < 128
    chat.reload()
    assert brightness(chat) < 128
    assert brightness(visitor.another_tab().open()) < 128
    for _ in range(3):
        theme.click()
        if brightness(chat) > 128:
            break
    chat.reload()
    assert brightness(chat) > 128


def test_a_phone(visitor: Visitor, model: Model) -> None:
    chat = visitor.arrive(viewport=PHONE, has_touch=True, is_mobile=True)
    model.title = "A title that is too long for the sidebar of a phone"
    table = "| a | b |\n|---|---|\n" + f"| {'x' * 80} | {'y' * 80} |\n"
    model.says(f"# Title\n\n{LONG}\n\n```\n{'code ' * 60}\n```\n\n{table}")
    chat.ask("Write something wide.", "Antidis")
    look = look_of(chat.page)
    assert look["laid"] <= look["window"] == PHONE["width"]
    expect(chat.message).to_be_in_viewport(ratio=1)
    expect(chat.send_button).to_be_in_viewport(ratio=1)
    expect(chat.threads).not_to_be_in_viewport()
    button = chat.page.get_by_role("button", name="Threads", exact=True)
    button.click()
    expect(chat.threads).to_be_in_viewport()
    look = look_of(chat.page)
    assert look["laid"] <= look["window"]
    chat.thread_link(model.title).click()
    expect(chat.threads).not_to_be_in_viewport()
    button.click()
    chat.page.keyboard.press("Escape")
    expect(chat.threads).not_to_be_in_viewport()
    expect(button).to_be_focused()


@pytest.mark.parametrize("width", [320, 768, 1024, 1920])
def test_no_width_scrolls_sideways(width: int, visitor: Visitor, model: Model) -> None:
    chat = visitor.arrive(viewport={"width": width, "height": 700})
    model.says(f"{LONG}\n\n```\n{'code ' * 60}\n```")
    chat.ask(LONG, "Antidis")
    look = look_of(chat.page)
    assert look["laid"] <= look["window"]
    expect(chat.message).to_be_in_viewport(ratio=1)


def test_a_long_message_grows_the_composer_up_to_a_limit(chat: ChatPage) -> None:
    def height() -> int:
        box = chat.message.bounding_box()
        assert box is not None
        return round(box["height"])

    low = height()
    chat.message.fill("line\n" * 4)
    higher = height()
    assert higher > low
    chat.message.fill("line\n" * 200)
    assert height() < 500
    expect(chat.send_button).to_be_in_viewport(ratio=1)
    chat.message.fill("")
    assert height() == low


def test_in_a_page_of_the_host(visitor: Visitor, chat: ChatPage, model: Model) -> None:
    chat.open("/host")
    expect(chat.page.get_by_role("heading", name="The host")).to_be_visible()
    model.says("At home.")
    with chat.page.expect_request("**/chat/stream") as sent:
        chat.ask("Where are you?", "At home.")
    assert sent.value.header_value("X-CSRFToken") == "token-of-the-host"
    assert chat.thread_id
    assert "/host?" in chat.page.url
    chat.reload()
    chat.expect_answer("At home.")
    model.calls("get_weather", json.dumps({"location": "Oslo"}))
    chat.ask("How is the weather?", "The tools said: 18 degrees in Oslo")


def test_code_is_copied(visitor: Visitor, model: Model) -> None:
    chat = visitor.arrive(permissions=["clipboard-read", "clipboard-write"])
    model.says("Run this:\n\n```python\nprint('hello')\n```\n\nThat is *all*.")
    chat.ask("How?", "That is all.")
    chat.answers.last.get_by_role("button", name="Copy", exact=True).click()
    copied = "() => navigator.clipboard.readText()"
    expect(chat.status).to_contain_text("Copied")
    assert chat.page.evaluate(copied).rstrip("\n") == "print('hello')"
    chat.answers.last.hover()
    chat.answers.last.get_by_role("button", name="Copy message", exact=True).click()
    assert "That is *all*." in chat.page.evaluate(copied)


TARGETS = """() => [...document.querySelectorAll("button, summary, nav a, .sources a, .attached a, input, textarea")]
  .filter((node) => node.checkVisibility({ visibilityProperty: true }))
  .map((node) => ({ html: node.outerHTML.slice(0, 80), box: node.getBoundingClientRect() }))
  .filter(({ box }) => box.width < 44 || box.height < 44)
  .map(({ html, box }) => `${box.width}x${box.height} ${html}`)"""


def test_targets_for_fingers(visitor: Visitor, model: Model) -> None:
    chat = visitor.arrive(viewport=PHONE, has_touch=True, is_mobile=True)
    model.title = "Fingers"
    id = visitor.upload("returns.txt")
    model.calls("add", json.dumps({"a": 2, "b": 40}))
    model.does(lambda items: items.text(words("See:\n\n```\ncode\n```\n\nDone"), [citation(id, "returns.txt", 4)]))
    chat.ask("Show me.", "Done")
    expect(chat.answers.last.get_by_text("Sources")).to_be_visible()
    assert chat.page.evaluate(TARGETS) == []
    chat.page.get_by_role("button", name="Threads", exact=True).click()
    expect(chat.thread_link("Fingers")).to_be_in_viewport()
    assert chat.page.evaluate(TARGETS) == []
    chat.page.keyboard.press("Escape")
    chat.open_files()
    expect(chat.files_panel.get_by_role("listitem")).to_have_count(1)
    assert chat.page.evaluate(TARGETS) == []


WIDTHS = """(frame) => ({ frame: frame.clientWidth, table: frame.scrollWidth,
  heights: [...frame.querySelectorAll("td")].map((cell) => cell.getBoundingClientRect().height) })"""


@pytest.mark.parametrize(("width", "scrolls"), [(1280, False), (390, True)])
def test_a_table_wraps_or_scrolls_only_without_room(width: int, scrolls: bool, visitor: Visitor, model: Model) -> None:
    chat = visitor.arrive(viewport={"width": width, "height": 800})
    row = "| Apple tart | " + "sweet " * 20 + "| 12 euros each | Shelf three, on the left |\n"
    model.says(
        f"| Name | Taste | Price | Place |\n|---|---|---|---|\n{row}\n\n| a b c | d e f |\n|---|---|\n| 1 2 3 | 4 5 6 |"
    )
    chat.ask("What is there?", "4 5 6")
    frames = chat.answers.last.get_by_role("region", name="Table")
    wide, small = (frames.nth(number).evaluate(WIDTHS) for number in (0, 1))
    assert (wide["table"] > wide["frame"]) == scrolls
    assert small["table"] <= small["frame"]
    assert max(small["heights"]) < 50  # a line
    assert "linear-gradient" in frames.first.evaluate("(frame) => getComputedStyle(frame).backgroundImage")
