"""The watch over all tests here sees what it is for."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Visitor

WRONGS = {
    "logs": ("() => console.error('it broke')", "it broke"),
    "throws": ("() => void setTimeout(() => { throw new Error('it flew') })", "it flew"),
    "opens a dialog": ("() => alert('look here')", "look here"),
    "asks elsewhere": ("() => void fetch('http://elsewhere.invalid/').catch(() => 0)", "elsewhere.invalid"),
    "has a script within": ("() => document.body.append(within())", "Content Security Policy"),
}
WITHIN = "() => { window.within = () => { const s = document.createElement('script'); s.text = '1'; return s } }"


@pytest.mark.parametrize("wrong", WRONGS)
def test_what_a_page_must_not_do_fails_its_test(wrong: str, chat: ChatPage, visitor: Visitor) -> None:
    script, told = WRONGS[wrong]
    visitor.watch.check()
    chat.page.evaluate(WITHIN)
    chat.page.evaluate(script)
    chat.page.evaluate("() => new Promise((done) => setTimeout(done))")
    chat.reload()
    expect(chat.message).to_be_visible()
    with pytest.raises(AssertionError, match=told):
        visitor.watch.check()
    visitor.watch.expect("")
