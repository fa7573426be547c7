"""Threads: their URLs, titles and actions in the sidebar."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Visitor
from tests.browser.model import Model


def create_threads(visitor: Visitor, *titles: str) -> list[str]:
    """Create threads with titles and without messages; the last one is first in the list."""
    ids = [visitor.request("POST", "/threads", {"title": title})["threadId"] for title in titles]
    return [str(id) for id in ids]


def test_the_address_names_the_thread(chat: ChatPage, model: Model) -> None:
    assert "thread=" not in chat.page.url
    expect(chat.threads).to_be_visible()
    model.title = "Opening hours"
    model.says("At nine.")
    chat.ask("When is it open?", "At nine.")
    first = chat.thread_id
    chat.new_chat()
    expect(chat.log.get_by_role("article")).to_have_count(0)
    assert "thread=" not in chat.page.url
    model.title = "Late fees"
    model.says("None.")
    chat.ask("Are there late fees?", "None.")
    second = chat.thread_id
    assert first != second
    expect(chat.thread_link("Late fees")).to_have_attribute("aria-current", "page")
    chat.thread_link("Opening hours").click()
    expect(chat.answers).to_contain_text(["At nine."])
    assert chat.thread_id == first
    expect(chat.thread_link("Opening hours")).to_have_attribute("aria-current", "page")
    expect(chat.threads.locator("[aria-current=page]")).to_have_count(1)


def test_back_and_forward_go_through_threads(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    for title, text in (("One", "First answer."), ("Two", "Second answer.")):
        model.title = title
        model.says(text)
        chat.new_chat()
        chat.ask("Say something.", text)
        expect(chat.thread_link(title)).to_be_visible()
    chat.page.go_back()
    expect(chat.answers).to_contain_text(["First answer."])
    expect(chat.thread_link("One")).to_have_attribute("aria-current", "page")
    chat.page.go_forward()
    expect(chat.answers).to_contain_text(["Second answer."])


def test_a_missing_thread_is_reported(visitor: Visitor, chat: ChatPage, model: Model) -> None:
    visitor.watch.expect("status of 404")
    chat.open_thread("thread_of_another_owner")
    expect(chat.alert).to_be_visible()
    chat.new_chat()
    expect(chat.alert).to_have_count(0)
    model.says("Gladly.")
    chat.ask("Can we talk?", "Gladly.")


def test_a_title_appears_during_the_answer(chat: ChatPage, model: Model) -> None:
    model.title = "A walk in the park"
    titles = model.hold_titles()
    held = model.holds("Take", *(f" coat {number}." for number in range(40)))
    chat.send("Shall I go out?")
    expect(chat.answers.last).to_contain_text("Take")
    expect(chat.threads.locator("[aria-current=page]")).to_have_text("New chat")
    titles.go_on()
    link = chat.thread_link("A walk in the park")
    for number in range(39):  # the title arrives with the next words
        if link.count():
            break
        held.go_on()
        expect(chat.answers.last).to_contain_text(f"coat {number}.")
    expect(link).to_have_attribute("aria-current", "page")
    expect(chat.stop_button).to_be_visible()
    held.finish()
    chat.expect_answer("coat 39.")


def test_a_title_after_the_answer_appears(chat: ChatPage, model: Model) -> None:
    model.title = "A walk in the park"
    titles = model.hold_titles()
    model.says("Take your coat.")
    chat.ask("Shall I go out?", "Take your coat.")
    titles.go_on()
    model.says("And a hat.")
    chat.ask("What else?", "And a hat.")
    expect(chat.thread_link("A walk in the park")).to_be_visible()


def test_rename(chat: ChatPage, visitor: Visitor) -> None:
    thread = create_threads(visitor, "Tree houses")[0]
    chat.reload()
    chat.page.get_by_role("button", name="Rename Tree houses", exact=True).click()
    title = chat.page.get_by_role("textbox", name="Title", exact=True)
    expect(title).to_be_focused()
    expect(title).to_have_value("Tree houses")
    title.fill("Never mind")
    title.press("Escape")
    expect(chat.thread_link("Tree houses")).to_be_visible()
    expect(title).to_have_count(0)
    chat.page.get_by_role("button", name="Rename Tree houses", exact=True).click()
    title.fill("Houses in trees")
    title.press("Enter")
    expect(chat.thread_link("Houses in trees")).to_be_visible()
    expect(title).to_have_count(0)
    assert visitor.request("GET", f"/threads/{thread}")["title"] == "Houses in trees"
    chat.reload()
    expect(chat.thread_link("Houses in trees")).to_be_visible()


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "another"])
def test_delete(is_open: bool, chat: ChatPage, visitor: Visitor) -> None:
    kept, gone = create_threads(visitor, "Kept", "Gone")
    chat.open_thread(gone if is_open else kept)
    button = chat.page.get_by_role("button", name="Delete Gone", exact=True)
    button.click()
    dialog = chat.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Gone")
    dialog.get_by_role("button", name="Keep", exact=True).click()
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    button.click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(chat.thread_link("Gone")).to_have_count(0)
    expect(chat.thread_link("Kept")).to_be_visible()
    assert [thread["id"] for thread in visitor.request("GET", "/threads")["data"]] == [kept]
    if is_open:
        expect(chat.page).not_to_have_url(re.compile("thread="))
        expect(chat.log.get_by_role("article")).to_have_count(0)
    else:
        assert chat.thread_id == kept
    expect(chat.message).to_be_editable()


def test_a_long_list_of_threads_comes_in_pages(chat: ChatPage, visitor: Visitor) -> None:
    create_threads(visitor, *(f"Thread {number}" for number in range(130)))
    chat.reload()
    expect(chat.thread_link("Thread 129")).to_be_visible()
    links = chat.threads.get_by_role("link")
    assert links.count() < 130
    while chat.thread_link("Thread 0").count() == 0:
        seen = links.count()
        links.last.scroll_into_view_if_needed()
        more = chat.threads.get_by_role("button", name=re.compile("more|older", re.IGNORECASE))
        if more.count():
            more.click()
        expect(links).not_to_have_count(seen)
    expect(links).to_have_count(130)


def test_the_list_goes_on_when_its_last_thread_was_deleted(chat: ChatPage, visitor: Visitor) -> None:
    """A server without the cursor's thread refuses the next page; the list begins again."""
    visitor.watch.expect("status of 400")
    create_threads(visitor, *(f"Thread {number}" for number in range(120)))
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if "after=" in route.request.url and not refused:
            refused.append(route.request.url)
            route.fulfill(status=400, json={"error": {"message": "No thread found.", "param": "after"}})
        else:
            route.continue_()

    chat.page.route("**/threads?*", refuse_once)
    chat.reload()
    expect(chat.thread_link("Thread 119")).to_be_visible()
    links = chat.threads.get_by_role("link")
    links.last.scroll_into_view_if_needed()
    expect(links).to_have_count(100)
    assert refused
    links.last.scroll_into_view_if_needed()
    expect(links).to_have_count(120)
