"""Hostile text from models, files and users: no code runs, no request leaves, and the layout holds."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import expect

from flask_assistant_stream.engines.response_items import url_citation, words
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Visitor
from tests.browser.hostile import DANGEROUS, LONG, MARKUP, RUN, STRANGE, WHOLE
from tests.browser.model import Model, citation
from tests.browser.watch import look_of


def check(chat: ChatPage) -> None:
    """Check that no code ran, no dangerous markup exists, and the page still works."""
    assert chat.page.evaluate("() => window.sentinel") is None
    assert chat.page.evaluate(DANGEROUS) == []
    look = look_of(chat.page)
    assert look["laid"] <= look["window"]
    expect(chat.message).to_be_in_viewport(ratio=1)
    expect(chat.send_button).to_be_in_viewport(ratio=1)
    assert chat.page.evaluate("() => typeof document.querySelector") == "function"
    for link in chat.log.locator("article a[href^=http]").all():
        if not (link.get_attribute("href") or "").startswith(chat.origin):
            assert link.get_attribute("target") == "_blank"
            assert {"noopener", "noreferrer"} <= set((link.get_attribute("rel") or "").split())


def test_text_of_a_model(chat: ChatPage, model: Model) -> None:
    model.title = f"<img src=x onerror={RUN}>{STRANGE[:20]}"
    model.says(f"\0{WHOLE}")
    chat.ask("Attack.", "The end of it.")
    check(chat)
    chat.reload()
    expect(chat.answers.last).to_contain_text("The end of it.")
    check(chat)
    expect(chat.threads.get_by_role("link").first).to_contain_text("<img src=x")


@pytest.mark.parametrize("size", [1, 7])
def test_text_that_arrives_in_pieces(size: int, chat: ChatPage, model: Model) -> None:
    """Text that is cut anywhere may parse differently for a moment; that must be harmless too."""
    pieces = [WHOLE[i : i + size * 8] for i in range(0, len(WHOLE), size * 8)]
    model.does(lambda items: items.text(pieces))
    chat.ask("Attack slowly.", "The end of it.")
    check(chat)
    drawn = chat.answers.last.locator(".markdown").inner_html()
    chat.reload()
    expect(chat.answers.last).to_contain_text("The end of it.")
    assert chat.answers.last.locator(".markdown").inner_html() == drawn


def test_text_of_a_user(chat: ChatPage, model: Model) -> None:
    model.says("I see.")
    chat.message.fill(WHOLE)
    chat.send_button.click()
    chat.expect_answer("I see.")
    expect(chat.questions.last).to_contain_text("<script>")
    check(chat)
    chat.reload()
    expect(chat.questions.last).to_contain_text("<script>")
    check(chat)


def test_titles(chat: ChatPage, visitor: Visitor) -> None:
    for title in (f"<img src=x onerror={RUN}>", "\u202eevil\u202c", "W" * 200, "<b id=location>bold</b>"):
        visitor.request("POST", "/threads", {"title": title})
    chat.reload()
    expect(chat.threads.get_by_role("link")).to_have_count(4)
    check(chat)
    chat.page.get_by_role("button", name=f"Delete <img src=x onerror={RUN}>", exact=True).click()
    dialog = chat.page.get_by_role("dialog")
    expect(dialog).to_contain_text("<img src=x")
    dialog.get_by_role("button", name="Keep", exact=True).click()
    check(chat)


def test_names_of_files(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    names = ["<img src=x onerror=alert(1)>.txt", "\u202efdp.txt", f"{'n' * 200}.txt"]
    ids = [visitor.upload(name) for name in names]
    panel = chat.open_files()
    expect(panel.get_by_role("listitem")).to_have_count(3)
    check_look(chat)
    chat.page.keyboard.press("Escape")
    answer = "Cited. Cited. Cited."
    citations = [citation(id, name, at) for id, name, at in zip(ids, names, (5, 12, 19), strict=True)]
    urls = [url_citation(f"javascript:{RUN}", "<b>run</b>", 0, 5), url_citation(f"data:text/html,{RUN}", "d", 7, 12)]
    model.does(lambda items: items.text(words(answer), [*citations, *urls]))
    chat.ask("Cite.", "Cited")
    check(chat)
    for link in chat.answers.last.get_by_role("link").all():
        assert "javascript:" not in unquote(link.get_attribute("href") or "")


def check_look(chat: ChatPage) -> None:
    assert chat.page.evaluate("() => window.sentinel") is None
    look = look_of(chat.page)
    assert look["laid"] <= look["window"]


@pytest.mark.parametrize("name", ["erase", "get_weather"])
def test_calls(name: str, chat: ChatPage, model: Model) -> None:
    arguments: dict[str, Any] = {"name": WHOLE, "__proto__": {"polluted": True}, "constructor": LONG}
    model.calls(name, json.dumps(arguments))
    chat.send("Call.")
    row = chat.tool(name)
    expect(row.get_by_role("button").first).to_be_visible()
    check(chat)
    assert chat.page.evaluate("() => ({}).polluted") is None


def test_names_of_functions(chat: ChatPage, model: Model) -> None:
    """A model may call a function that is not declared."""
    model.calls(f"<img src=x onerror={RUN}>", '{"not": "JSON')
    chat.send("Call.")
    expect(chat.log.locator("details.tool").or_(chat.log.get_by_role("alert")).first).to_be_visible()
    check(chat)


def test_outputs(chat: ChatPage, model: Model) -> None:
    model.calls("get_weather", json.dumps({"location": "Oslo"}))
    chat.send("Weather?")
    chat.tool("get_weather").get_by_role("textbox").fill(WHOLE)
    chat.tool("get_weather").get_by_role("button", name="Send output", exact=True).click()
    chat.expect_answer("The end of it.")
    chat.unfold(chat.tool("get_weather"))
    check(chat)


def test_error_messages(chat: ChatPage, model: Model) -> None:
    model.breaks("I", message=MARKUP)
    chat.send("Fail.")
    expect(chat.log.get_by_role("alert")).to_be_visible()
    check(chat)


@pytest.mark.parametrize(
    "address", [f'?thread="><img src=x onerror={RUN}>', "?thread=../../x", "?thread=%00", "#<script>"]
)
def test_addresses(address: str, chat: ChatPage, visitor: Visitor) -> None:
    visitor.watch.expect("status of 40[04]")
    chat.open(f"/api/assistants/{address}")
    assert chat.page.evaluate("() => window.sentinel") is None
    chat.new_chat()
    check_look(chat)


def test_the_policy_blocks_foreign_sources(chat: ChatPage) -> None:
    answer = chat.page.request.get(f"{chat.origin}/api/assistants/")
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["style-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] in ("no-referrer", "same-origin")
