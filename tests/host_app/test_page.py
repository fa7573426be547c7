"""The chat in the shop's own page, on gunicorn and in Chromium: policy, CSRF check and limits of the shop hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chat_page import ChatPage
from tests.browser.watch import Watch, look_of
from tests.host_app.conftest import ASSISTANT, PASSWORDS
from tests.server_process import GEVENT, ServerProcess, serving

pytestmark = [pytest.mark.browser, pytest.mark.slow]

APP = "examples.host_app:create_app()"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    where = tmp_path_factory.mktemp("shop")
    settings = {
        "FLASK_SECRET_KEY": "a test's secret",
        "FLASK_SQLALCHEMY_DATABASE_URI": f"sqlite:///{where / 'shop.sqlite3'}",
        "FLASK_SUPPORT_LIMIT": "5 per hour",
        "ASSISTANT_ENGINE": "offline",
        "ASSISTANT_OFFLINE_DELAY_SECONDS": "0",
    }
    with serving((*GEVENT, APP), where, prefix=ASSISTANT, **settings) as server:
        yield server


@pytest.fixture
def page(chromium: Browser, shop: ServerProcess) -> Iterator[Page]:
    """An empty tab; what the shop's policy forbids, or what fails, fails the test."""
    context = chromium.new_context()
    watch = Watch(context, shop.origin)
    watch.expect("429")
    yield context.new_page()
    context.close()
    watch.check()


def support(page: Page, shop: ServerProcess, name: str) -> ChatPage:
    """Log in and go to the page with the chat."""
    page.goto(shop.origin)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORDS[name])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Your orders")).to_be_visible()
    page.get_by_role("link", name="Support").click()
    return ChatPage(page, shop.origin)


def test_login_send_answer_and_approve(page: Page, shop: ServerProcess) -> None:
    chat = support(page, shop, "anna")
    expect(page.get_by_role("button", name="Log out anna")).to_be_visible()  # the shop's own layout
    chat.ask("/my_orders", "A-101")
    chat.send('/cancel_order {"number": "A-100"}')
    page.get_by_role("button", name="Approve").click()
    chat.expect_answer("Order A-100 is cancelled.")
    page.get_by_role("link", name="Orders").click()
    expect(page.get_by_role("row", name="A-100")).to_contain_text("cancelled")


def test_the_chat_leaves_room_for_the_shops_bar_and_takes_its_colour(page: Page, shop: ServerProcess) -> None:
    chat = support(page, shop, "anna")
    expect(chat.message).to_be_in_viewport(ratio=1)
    size = look_of(page)
    assert size["laid"] <= size["window"]
    assert page.evaluate("document.documentElement.scrollHeight <= document.documentElement.clientHeight")
    style = "getComputedStyle(document.querySelector('.assistant-chat')).getPropertyValue('--chat-accent')"
    assert "#0a6b4f" in page.evaluate(style)


def test_who_sends_too_much_reads_so(page: Page, shop: ServerProcess) -> None:
    chat = support(page, shop, "bert")
    for number in range(5):
        chat.ask(f"Message {number}", f"Message {number}")
    chat.message.fill("One too many")
    chat.send_button.click()
    expect(chat.alert).to_contain_text("Wait a minute")
