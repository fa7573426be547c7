"""Tools in the conversation: rows, approval, outputs from the user, code and images."""

from __future__ import annotations

import base64
import json

from playwright.sync_api import expect

from flask_assistant_stream.engines.response_items import words
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Visitor
from tests.browser.model import Model
from tests.fake_upstream import CODE, PIXEL

TABLE = b"a,b\n1,2\n"


def test_the_row_of_a_tool(chat: ChatPage, model: Model) -> None:
    model.calls("add", json.dumps({"a": 2, "b": 40}))
    model.says("It is 42.")
    chat.ask("How much is 2 and 40?", "It is 42.")
    for reloaded in (False, True):
        if reloaded:
            chat.reload()
        row = chat.tool("add")
        expect(row).to_have_count(1)
        chat.unfold(row)
        expect(row.get_by_text("Arguments", exact=True)).to_be_visible()
        expect(row.locator("pre").first).to_contain_text("40")
        expect(row.get_by_text("Output", exact=True)).to_be_visible()
        expect(row.locator("pre").last).to_have_text("42")
        row.locator("summary").click()
        expect(row.locator("pre").first).to_be_hidden()


def test_two_tools_side_by_side(chat: ChatPage, model: Model) -> None:
    model.does(
        lambda items: [*items.text(words("Let me see.")), *items.call("add", '{"a": 1}'), *items.call("closed", "{}")]
    )
    model.says("There you are.")
    chat.ask("Use your tools.", "There you are.")
    for name, output in (("add", "2"), ("closed", "Closed on Sundays.")):
        chat.unfold(chat.tool(name))
        expect(chat.tool(name).locator("pre").last).to_have_text(output)
    order = chat.log.inner_text()
    assert order.index("Let me see.") < order.index("Closed on Sundays.") < order.index("There you are.")


def test_a_person_answers_for_the_page(chat: ChatPage, model: Model) -> None:
    model.calls("get_weather", json.dumps({"location": "Oslo"}))
    chat.send("How is the weather?")
    for reloaded in (False, True):
        if reloaded:
            chat.reload()
        row = chat.tool("get_weather")
        output = row.get_by_role("textbox", name="Output of get_weather", exact=True)
        expect(output).to_be_visible()
        expect(row).to_contain_text("Oslo")
    output.fill("18 degrees")
    row.get_by_role("button", name="Send output", exact=True).click()
    chat.expect_answer("The tools said: 18 degrees")
    expect(output).to_have_count(0)
    chat.reload()
    chat.unfold(chat.tool("get_weather"))
    expect(chat.tool("get_weather").locator("pre").last).to_have_text("18 degrees")


def test_two_questions_are_answered_together(chat: ChatPage, model: Model) -> None:
    model.does(
        lambda items: [
            *items.call("erase", '{"name": "notes.txt"}'),
            *items.call("get_weather", '{"location": "Oslo"}'),
        ]
    )
    chat.send("Erase my notes if it rains.")
    chat.tool("erase").get_by_role("button", name="Refuse", exact=True).click()
    output = chat.tool("get_weather").get_by_role("textbox", name="Output of get_weather", exact=True)
    output.fill("rain")
    chat.tool("get_weather").get_by_role("button", name="Send output", exact=True).click()
    chat.expect_answer("did not approve this call. | rain")


def test_a_question_answered_in_another_tab_is_answered_here(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    model.calls("erase", json.dumps({"name": "notes.txt"}))
    chat.send("Erase my notes.")
    expect(chat.tool("erase").get_by_role("button", name="Approve", exact=True)).to_be_visible()
    other = visitor.another_tab().open_thread(chat.thread_id)
    other.tool("erase").get_by_role("button", name="Approve", exact=True).click()
    other.expect_answer("notes.txt is erased")
    chat.expect_answer("notes.txt is erased")
    expect(chat.tool("erase").get_by_role("button", name="Approve", exact=True)).to_have_count(0)


def test_a_new_message_replaces_a_waiting_question(chat: ChatPage, model: Model) -> None:
    model.calls("erase", json.dumps({"name": "notes.txt"}))
    chat.send("Erase my notes.")
    expect(chat.tool("erase").get_by_role("button", name="Approve", exact=True)).to_be_visible()
    model.says("Then not.")
    chat.ask("Leave it.", "Then not.")
    expect(chat.tool("erase").get_by_role("button", name="Approve", exact=True)).to_have_count(0)


def test_the_activity_line_is_shown_during_a_run(chat: ChatPage, model: Model) -> None:
    held = model.holds("", "Four.")
    chat.send("How much is 2 and 2?")
    expect(chat.activity).to_contain_text("Thinking")
    held.finish()
    chat.expect_answer("Four.")
    expect(chat.activity).to_be_hidden()


def test_code_and_its_image(chat: ChatPage, model: Model) -> None:
    for id, content in (("cfile_table", TABLE), ("cfile_plot", base64.b64decode(PIXEL))):
        model.files.containers["cntr_1", id] = content
    model.play("code_interpreter")
    chat.ask("Draw me a plot.", "Here is the table")
    for reloaded in (False, True):
        if reloaded:
            chat.reload()
        row = chat.log.locator("details.tool")
        expect(row).to_have_count(1)
        chat.unfold(row)
        expect(row).to_contain_text(CODE)
        expect(row).to_contain_text("done")
        picture = chat.log.get_by_role("img").last
        expect(picture).to_be_visible()
        expect(picture).to_have_js_property("naturalWidth", 1)
    with chat.page.expect_download() as download:
        chat.log.get_by_role("link", name="table.csv").last.click()
    assert download.value.path().read_bytes() == TABLE
