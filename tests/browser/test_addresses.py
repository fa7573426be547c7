"""Ids that lead upwards, from the address, answers and events: the page sends no request beside the API."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Route, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Visitor
from tests.browser.model import Model

UPWARD = "../../../account/delete#"
THREAD = {"id": UPWARD, "object": "thread", "created_at": 1, "updated_at": 1, "title": "Leads upwards"}
THREADS = "**/api/assistants/threads?*"
MESSAGES = "**/api/assistants/threads/*/messages*"


@pytest.fixture(autouse=True)
def only_the_api(visitor: Visitor) -> Any:
    """Check that every request of the test was below the API's prefix."""
    yield
    assert visitor.watch.requests
    assert visitor.watch.matching(r"^\w+ (?!/api/assistants/)") == []


@pytest.mark.parametrize(
    "id",
    [UPWARD, "..", "%2e%2e/x", "..%2f..%2faccount", "..\\..\\account", "thread_x/../../../../account/delete", "//x"],
)
def test_the_address_names_no_other_route(id: str, chat: ChatPage, model: Model) -> None:
    chat.open(f"/api/assistants/?thread={quote(id, safe='')}")
    expect(chat.alert).to_contain_text("This chat does not exist.")
    assert "thread=" not in chat.page.url
    model.says("In a new chat.")
    chat.ask("Where am I?", "In a new chat.")


def test_threads_of_an_answer(chat: ChatPage) -> None:
    def add(route: Route) -> None:
        page = route.fetch().json()
        route.fulfill(json={**page, "data": [*page["data"], THREAD], "last_id": UPWARD, "has_more": False})

    chat.page.route(THREADS, add)
    chat.reload()
    expect(chat.threads.get_by_text("No chats yet.")).to_be_visible()


def test_files_and_runs_of_an_answer(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    model.says("Before.")
    chat.ask("Hello?", "Before.")
    citation = {"type": "file_citation", "text": "【1†x.txt】", "file_citation": {"file_id": UPWARD}}

    def change(route: Route) -> None:
        page = route.fetch().json()
        for message in page["data"]:
            message["attachments"] = [{"file_id": UPWARD, "tools": []}]
            message["content"][0]["text"]["annotations"] = [citation]
            message["content"].append({"type": "image_file", "image_file": {"file_id": UPWARD}})
        route.fulfill(json=page)

    run = {"id": UPWARD, "object": "thread.run", "status": "in_progress", "created_at": 1}
    chat.page.route(MESSAGES, change)
    chat.page.route("**/runs?*", lambda route: route.fulfill(json={"data": [run], "has_more": False}))
    chat.page.route(
        "**/files", lambda route: route.fulfill(json=[{"file_id": UPWARD, "filename": "x", "status": "completed"}])
    )
    chat.reload()
    expect(chat.answers.last).to_contain_text("Before.")
    chat.open_files()
    expect(chat.files_panel.get_by_role("listitem")).to_contain_text("x")
    assert chat.page.locator("[href*='account']").count() == 0


def test_ids_of_a_stream(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    """The title's event names another thread, and the headers another run."""
    title = {"event": "thread.title.updated", "seq": 1, "data": {"id": UPWARD, "title": "Leads upwards"}}

    def lead(route: Route) -> None:
        headers = {"X-Thread-Id": "thread_1", "X-Run-Id": "run_1", "Content-Type": "application/x-ndjson"}
        route.fulfill(body=json.dumps(title) + "\n", headers=headers)

    visitor.watch.expect("status of 404")
    chat.page.route("**/chat/stream", lead)
    chat.send("Hello?")
    expect(chat.threads.get_by_role("link")).to_have_count(1)
    expect(chat.threads).not_to_contain_text("Leads upwards")
    headers = {"X-Thread-Id": UPWARD, "X-Run-Id": UPWARD, "Content-Type": "application/x-ndjson"}
    chat.page.route("**/chat/stream", lambda route: route.fulfill(body="", headers=headers))
    chat.new_chat()
    chat.message.fill("Hello?")
    chat.send_button.click()
    expect(chat.alert).to_contain_text("invalid response")
    expect(chat.message).to_have_value("Hello?")
