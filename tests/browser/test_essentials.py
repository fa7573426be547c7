"""The essential behaviour of the chat on each store: SQLite with one worker, MongoDB with two."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Visitor
from tests.browser.model import Model
from tests.server_process import ServerProcess

PARTS = ("The library opens", " at nine", " and closes at six.")
WHOLE = "The library opens at nine and closes at six."


@pytest.fixture(params=["sqlite", "mongodb"])
def server(request: pytest.FixtureRequest) -> ServerProcess:
    """Return each server in turn."""
    running: ServerProcess = request.getfixturevalue(f"{request.param}_server")
    return running


def test_an_answer_streams(chat: ChatPage, model: Model) -> None:
    held = model.holds(*PARTS)
    chat.send("When is it open?")
    expect(chat.message).to_have_value("")
    expect(chat.answers.last).to_contain_text("The library opens")
    expect(chat.stop_button).to_be_visible()
    expect(chat.answers.last).not_to_contain_text("at nine")
    held.go_on()
    expect(chat.answers.last).to_contain_text("The library opens at nine")
    expect(chat.answers.last).not_to_contain_text("at six")
    held.go_on()
    chat.expect_answer(WHOLE)
    expect(chat.status).to_have_text("Answer complete")
    expect(chat.questions).to_have_count(1)
    expect(chat.answers).to_have_count(1)


def test_a_reload_shows_the_history(chat: ChatPage, model: Model) -> None:
    for question, answer in (("First?", "One thing."), ("Second?", "Another thing.")):
        model.says(answer)
        chat.ask(question, answer)
    thread = chat.thread_id
    chat.reload()
    expect(chat.questions).to_have_count(2)
    expect(chat.answers).to_have_count(2)
    expect(chat.log.get_by_role("article")).to_contain_text(["First?", "One thing.", "Second?", "Another thing."])
    assert chat.thread_id == thread
    model.says("A third thing.")
    chat.ask("Third?", "A third thing.")
    assert chat.thread_id == thread


def test_a_reload_during_an_answer_continues_it(chat: ChatPage, model: Model) -> None:
    held = model.holds(*PARTS)
    chat.send("When is it open?")
    expect(chat.answers.last).to_contain_text("The library opens")
    assert chat.thread_id
    chat.reload()
    expect(chat.answers.last).to_contain_text("The library opens")
    expect(chat.stop_button).to_be_visible()
    held.go_on()
    expect(chat.answers.last).to_contain_text("at nine")
    chat.reload()
    expect(chat.answers.last).to_contain_text("The library opens at nine")
    held.go_on()
    chat.expect_answer(WHOLE)
    chat.expect_once(WHOLE)
    expect(chat.answers).to_have_count(1)
    chat.reload()
    chat.expect_answer(WHOLE)
    chat.expect_once(WHOLE)


def test_a_tab_opened_during_an_answer_shows_it(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    held = model.holds(*PARTS)
    chat.send("When is it open?")
    expect(chat.answers.last).to_contain_text("The library opens")
    other = visitor.another_tab().open_thread(chat.thread_id)
    expect(other.answers.last).to_contain_text("The library opens")
    held.finish()
    for tab in (chat, other):
        tab.expect_answer(WHOLE)
        tab.expect_once(WHOLE)
        expect(tab.questions).to_have_count(1)


def test_open_tabs_show_runs_of_other_tabs(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    model.says("Hello.")
    chat.ask("Hello?", "Hello.")
    other = visitor.another_tab().open_thread(chat.thread_id)
    expect(other.answers).to_have_count(1)
    held = model.holds(*PARTS)
    chat.send("When is it open?")
    expect(chat.answers.last).to_contain_text("The library opens")
    expect(other.questions.last).to_contain_text("When is it open?")
    expect(other.answers.last).to_contain_text("The library opens")
    held.finish()
    for tab in (chat, other):
        tab.expect_answer(WHOLE)
        tab.expect_once(WHOLE)
        expect(tab.questions).to_have_count(2)
    model.says("You are welcome.")
    other.ask("Thank you.", "You are welcome.")
    chat.expect_answer("You are welcome.")
    chat.expect_once("Thank you.")


@pytest.mark.parametrize("how", ["button", "key"])
def test_an_answer_is_stopped(how: str, chat: ChatPage, model: Model) -> None:
    model.holds(*PARTS)
    chat.send("When is it open?")
    expect(chat.answers.last).to_contain_text("The library opens")
    if how == "button":
        chat.stop_button.click()
    else:
        chat.message.press("Escape")
    chat.expect_idle()
    expect(chat.status).to_have_text("Answer stopped")
    expect(chat.answers.last).to_contain_text("The library opens")
    expect(chat.alert).to_have_count(0)
    chat.reload()
    expect(chat.answers.last).to_contain_text("The library opens")
    model.says("At nine.")
    chat.ask("When?", "At nine.")


@pytest.mark.parametrize(("button", "outcome"), [("Approve", "notes.txt is erased"), ("Refuse", "did not approve")])
def test_a_call_that_needs_approval(button: str, outcome: str, chat: ChatPage, model: Model) -> None:
    model.calls("erase", json.dumps({"name": "notes.txt"}))
    chat.send("Erase my notes.")
    for reloaded in (False, True):
        if reloaded:
            chat.reload()
        row = chat.tool("erase")
        expect(row.get_by_role("button", name="Approve", exact=True)).to_be_visible()
        expect(row.get_by_role("button", name="Refuse", exact=True)).to_be_visible()
        expect(row).to_contain_text("notes.txt")
        expect(row).not_to_contain_text("approval.")
    row.get_by_role("button", name=button, exact=True).click()
    chat.expect_answer(outcome)
    expect(row.get_by_role("button", name="Approve", exact=True)).to_have_count(0)
    chat.unfold(row)
    expect(row).to_contain_text(outcome)
    chat.reload()
    chat.expect_answer(outcome)
    row = chat.tool("erase")
    chat.unfold(row)
    expect(row).to_contain_text(outcome)
