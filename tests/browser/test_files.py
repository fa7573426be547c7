"""Files: uploads by button and by drop, the files panel, and citations."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from flask_assistant_stream.engines.response_items import url_citation, words
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import RETURNS, Visitor
from tests.browser.model import Model, citation


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    path = tmp_path / "handbook.md"
    path.write_text(RETURNS)
    return path


@pytest.mark.parametrize("by_drop", [False, True], ids=["button", "drop"])
def test_a_file_is_sent_with_a_message(by_drop: bool, chat: ChatPage, model: Model, handbook: Path) -> None:
    model.files.indexing_reads = None
    if by_drop:
        chat.drop("handbook.md", RETURNS)
    else:
        chat.attach(handbook)
    remove = chat.page.get_by_role("button", name="Remove handbook.md", exact=True)
    expect(remove).to_be_visible()
    expect(chat.page.get_by_text("Indexing").first).to_be_visible()
    model.files.finish()
    expect(chat.page.get_by_text("Ready").first).to_be_visible()
    expect(chat.status).to_contain_text("handbook.md is ready")
    model.says("27 days.")
    chat.ask("How long?", "27 days.")
    expect(remove).to_have_count(0)
    expect(chat.questions.last).to_contain_text("handbook.md")
    sent = [request.body for request in model.requests if request.body.get("model") == "a-model"][-1]
    assert {tool["type"] for tool in sent["tools"]} >= {"file_search"}
    chat.reload()
    expect(chat.questions.last).to_contain_text("handbook.md")


def test_an_attached_file_can_be_removed(chat: ChatPage, model: Model, handbook: Path) -> None:
    chat.attach(handbook)
    chat.page.get_by_role("button", name="Remove handbook.md", exact=True).click()
    expect(chat.page.get_by_role("button", name="Remove handbook.md", exact=True)).to_have_count(0)
    model.says("Without a file.")
    chat.ask("Hello?", "Without a file.")
    expect(chat.questions.last).not_to_contain_text("handbook.md")


def test_a_rejected_file_shows_the_reason(chat: ChatPage, visitor: Visitor, model: Model, tmp_path: Path) -> None:
    visitor.watch.expect("status of 400")
    path = tmp_path / "program.exe"
    path.write_text("MZ")
    chat.attach(path)
    expect(chat.page.get_by_text("exe").first).to_be_visible()
    status = chat.page.locator(".attachment-status")
    expect(status).to_contain_text(".txt")
    assert status.evaluate("(node) => node.scrollHeight <= node.clientHeight")  # it is shown to its end
    expect(chat.alert.or_(chat.page.get_by_text("Failed")).first).to_be_visible()
    model.says("Of course.")
    chat.ask("Can we go on?", "Of course.")


def test_the_panel_lists_and_deletes_files(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    model.files.outcomes["torn.txt"] = {"code": "invalid_file", "message": "Nothing can be read in it."}
    for name in ("kept.txt", "gone.txt", "torn.txt"):
        visitor.upload(name)
    panel = chat.open_files()
    items = panel.get_by_role("listitem")
    expect(items).to_have_count(3)
    for name, status in (("kept.txt", "Ready"), ("gone.txt", "Ready"), ("torn.txt", "Failed")):
        expect(items.filter(has_text=name)).to_contain_text(status)
    panel.get_by_role("button", name="Delete gone.txt", exact=True).click()
    sure = chat.page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True)
    expect(sure.or_(items.filter(has_text="gone.txt").and_(items)).first).to_be_visible()
    if sure.count():
        sure.click()
    expect(items).to_have_count(2)
    assert {file["filename"] for file in visitor.request("GET", "/files")} == {"kept.txt", "torn.txt"}
    with chat.page.expect_download() as download:
        panel.get_by_role("link", name="kept.txt").click()
    assert download.value.suggested_filename == "kept.txt"
    assert download.value.path().read_text() == RETURNS
    chat.page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(chat.page.get_by_role("button", name="Files", exact=True)).to_be_focused()


def test_the_open_panel_updates_a_status(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    model.files.indexing_reads = None
    visitor.upload("slow.txt")
    item = chat.open_files().get_by_role("listitem").filter(has_text="slow.txt")
    expect(item).to_contain_text("Indexing")
    model.files.finish()
    expect(item).to_contain_text("Ready")


def test_a_citation_opens_its_file(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    id = visitor.upload("returns.txt")
    answer = "You have 27 days."
    cited = citation(id, "returns.txt", len(answer) - 1)
    model.does(lambda items: [*items.file_search(["returns"], None), *items.text([*words(answer[:-1]), "."], [cited])])
    chat.ask("How long?", "You have 27 days")
    for reloaded in (False, True):
        if reloaded:
            chat.reload()
        expect(chat.answers.last).not_to_contain_text("【")
        chip = chat.answers.last.locator(".citation").first
        expect(chip).to_have_accessible_name("Citation 1: returns.txt")
        expect(chat.answers.last.get_by_text("Sources")).to_be_visible()
        with chat.page.expect_download() as download:
            chip.click()
        assert download.value.suggested_filename == "returns.txt"
        assert download.value.path().read_text() == RETURNS


def test_a_citation_of_a_web_page_opens_a_new_tab(chat: ChatPage, model: Model) -> None:
    answer = "The sun shines (example.com)."
    page = url_citation("https://example.com/sun", "Sun", answer.index("("), len(answer) - 1)
    model.does(lambda items: [*items.web_search("sunshine"), *items.text(words(answer), [page])])
    chat.ask("Does the sun shine?", "The sun shines")
    link = chat.answers.last.locator("a[href='https://example.com/sun']").first
    expect(link).to_be_visible()
    expect(link).to_have_attribute("target", "_blank")
    assert "noopener" in (link.get_attribute("rel") or "")
