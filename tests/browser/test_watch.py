"""The watch of these tests detects each forbidden action."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Visitor

VIOLATIONS = {
    "logs": ("() => console.error('it broke')", "it broke"),
    "throws": ("() => void setTimeout(() => { throw new Error('it flew') })", "it flew"),
    "opens a dialog": ("() => alert('look here')", "look here"),
    "sends a request elsewhere": ("() => void fetch('http://elsewhere.invalid/').catch(() => 0)", "elsewhere.invalid"),
    "adds an inline script": ("() => document.body.append(inline())", "Content Security Policy"),
}
INLINE = "() => { window.inline = () => { const s = document.createElement('script'); s.text = '1'; return s } }"


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_forbidden_action_fails_its_test(violation: str, chat: ChatPage, visitor: Visitor) -> None:
    script, message = VIOLATIONS[violation]
    visitor.watch.check()
    chat.page.evaluate(INLINE)
    chat.page.evaluate(script)
    chat.page.evaluate("() => new Promise((done) => setTimeout(done))")
    chat.reload()
    expect(chat.message).to_be_visible()
    with pytest.raises(AssertionError, match=message):
        visitor.watch.check()
    visitor.watch.expect("")
