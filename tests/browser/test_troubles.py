"""Failures: the page loses no text, and every failure can be retried."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Visitor
from tests.browser.model import Model
from tests.server_process import PREFIX

SENDS = "**/chat/stream*"


def reject(route: Route, status: int, message: str, **headers: str) -> None:
    error = {"message": message, "type": "server_error", "param": None, "code": None}
    route.fulfill(status=status, json={"error": error}, headers=headers)


def test_a_run_that_fails_can_be_tried_again(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    model.breaks("I was about", message="http://10.0.0.7:8000/v1 broke.")
    chat.send("Tell me.")
    alert = chat.log.get_by_role("alert")
    expect(alert).to_contain_text("The assistant could not answer.")
    expect(chat.page.locator("body")).not_to_contain_text("10.0.0.7")
    expect(chat.answers.last).to_contain_text("I was about")
    chat.expect_idle()
    model.says("Here it is.")
    alert.get_by_role("button", name="Try again").click()
    chat.expect_answer("Here it is.")
    expect(chat.alert).to_have_count(0)
    for reloaded in (False, True):
        if reloaded:
            chat.reload()
        expect(chat.answers.last).to_contain_text("Here it is.")
        expect(chat.questions).to_have_count(1)
    roles = [message["role"] for message in visitor.request("GET", f"/threads/{chat.thread_id}/messages")["data"]]
    assert roles == ["assistant", "assistant", "user"]


def test_the_notes_of_failures_stay(chat: ChatPage, model: Model) -> None:
    model.breaks("I was about")
    chat.send("Tell me.")
    expect(chat.log.get_by_role("alert")).to_be_visible()
    model.says("Another answer.")
    chat.ask("And this?", "Another answer.")
    thread = chat.thread_id
    note = chat.log.get_by_text("The answer failed:")
    expect(note).to_have_count(1)
    chat.new_chat()
    expect(note).to_have_count(0)
    chat.threads.locator(f"a[href*={thread}]").click()
    expect(note).to_have_count(1)
    texts = chat.log.inner_text()
    assert texts.index("I was about") < texts.index("The answer failed:") < texts.index("And this?")


def test_a_failure_that_would_repeat_offers_no_retry(chat: ChatPage, model: Model) -> None:
    model.does(lambda items: [items.fail("content_filter", "Filtered by llm.internal.")])
    chat.send("Tell me.")
    alert = chat.log.get_by_role("alert")
    expect(alert).to_contain_text("Change your message")
    expect(alert).not_to_contain_text("llm.internal")
    expect(alert.get_by_role("button")).to_have_count(0)


def test_a_reload_shows_a_failed_run(chat: ChatPage, model: Model) -> None:
    model.breaks("I was about", message="The model broke.")
    chat.send("Tell me.")
    expect(chat.log.get_by_role("alert")).to_be_visible()
    chat.reload()
    alert = chat.log.get_by_role("alert")
    expect(alert).to_be_visible()
    model.says("Here it is.")
    alert.get_by_role("button", name="Try again").click()
    chat.expect_answer("Here it is.")


def test_a_truncated_answer_is_marked(chat: ChatPage, model: Model) -> None:
    model.play("incomplete?reason=max_output_tokens")
    chat.send("Tell me everything.")
    expect(chat.log.get_by_role("alert")).to_be_visible()
    expect(chat.answers.last).to_contain_text("The sun is shining")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "Not right now."),
        (413, "Not right now."),
        (429, "Not right now."),
        (500, "Something went wrong"),
        (503, "not available"),
    ],
)
def test_a_rejected_message_stays_and_can_be_sent_again(
    status: int, words: str, chat: ChatPage, visitor: Visitor, model: Model
) -> None:
    visitor.watch.expect(f"status of {status}")
    chat.page.route(SENDS, lambda route: reject(route, status, "Not right now."))
    chat.message.fill("Keep what I wrote.")
    chat.send_button.click()
    expect(chat.alert).to_contain_text(words)
    expect(chat.message).to_have_value("Keep what I wrote.")
    expect(chat.questions).to_have_count(0)
    chat.page.unroute(SENDS)
    model.says("It is kept.")
    expect(chat.try_again).to_have_count(0 if status in (400, 413) else 1)
    (chat.try_again if chat.try_again.count() else chat.send_button).click()
    chat.expect_answer("It is kept.")
    chat.expect_once("Keep what I wrote.")
    expect(chat.message).to_have_value("")
    expect(chat.alert).to_have_count(0)


def test_without_a_network_the_message_stays(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    visitor.watch.expect("ERR_INTERNET_DISCONNECTED")
    chat.page.context.set_offline(True)
    chat.message.fill("Is anybody there?")
    chat.send_button.click()
    expect(chat.alert).to_be_visible()
    expect(chat.message).to_have_value("Is anybody there?")
    chat.page.context.set_offline(False)
    model.says("We are.")
    chat.try_again.click()
    chat.expect_answer("We are.")
    chat.expect_once("Is anybody there?")


def test_a_lost_response_sends_no_second_message(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    """The server stored the message, but the page did not receive the response."""
    visitor.watch.expect("ERR_CONNECTION_RESET")
    keys: list[str | None] = []
    model.says("Once is enough.")

    def lose(route: Route) -> None:
        keys.append(route.request.header_value("Idempotency-Key"))
        if len(keys) == 1:
            route.fetch()
            route.abort("connectionreset")
        else:
            route.continue_()

    chat.page.route(SENDS, lose)
    chat.message.fill("Count me once.")
    chat.send_button.click()
    expect(chat.alert.or_(chat.answers).first).to_be_visible()
    if chat.try_again.count():
        chat.try_again.click()
    chat.expect_answer("Once is enough.")
    chat.expect_once("Count me once.")
    assert keys[0]
    assert set(keys) == {keys[0]}
    assert len(visitor.request("GET", "/threads")["data"]) == 1


def test_a_connection_cut_during_an_answer_is_resumed(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    """The stream ends after some events, as with a restarted proxy."""
    held = model.holds("The library opens", " at nine", " and closes at six.")
    thread = visitor.request("POST", "/threads", {"title": "Cut"})["threadId"]
    chat.open_thread(thread)
    cuts: list[str] = []

    def cut(route: Route) -> None:
        """Complete the answer on the server, and send the page only the first lines."""
        held.finish()
        lines = route.fetch().body().split(b"\n")
        cuts.append(route.request.url)
        headers = {"X-Thread-Id": thread, "X-Run-Id": run_of(lines), "Content-Type": "application/x-ndjson"}
        route.fulfill(body=b"\n".join(lines[:8]) + b'\n{"event":"thread.mess', headers=headers)

    chat.page.route("**/messages*", lambda route: cut(route) if route.request.method == "POST" else route.continue_())
    chat.page.route(SENDS, cut)
    chat.send("When is it open?")
    chat.expect_answer("The library opens at nine and closes at six.")
    chat.expect_once("The library opens at nine and closes at six.")
    assert len(cuts) == 1
    assert visitor.watch.matching(rf"GET {PREFIX}/threads/{thread}/runs/run_\w+/stream\?.*after=[1-9]")


def run_of(lines: list[bytes]) -> str:
    """Return the id of a stream's run."""
    text = lines[0].decode()
    return "run_" + text.partition('"run_')[2].partition('"')[0]


def test_the_server_is_unreachable_for_a_moment(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    visitor.watch.expect("ERR_|status of 503")
    model.holds("The library opens", " at nine.").finish()
    tries: list[str] = []

    def cut(route: Route) -> None:
        answer = route.fetch()
        lines = answer.body().split(b"\n")
        route.fulfill(body=b"\n".join(lines[:6]) + b"\n", headers=answer.headers)

    def away(route: Route) -> None:
        tries.append(route.request.url)
        if len(tries) == 1:
            route.abort("connectionrefused")
        elif len(tries) == 2:
            reject(route, 503, "Too many streams are open.", **{"Retry-After": "1"})
        else:
            route.continue_()

    chat.page.route(SENDS, cut)
    chat.page.route("**/runs/*/stream*", away)
    chat.send("When is it open?")
    chat.expect_answer("The library opens at nine.")
    chat.expect_once("The library opens at nine.")
    assert len(tries) == 3
    expect(chat.alert).to_have_count(0)


def test_a_logged_out_user_keeps_the_message(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    visitor.watch.expect("status of 401")
    cookies: Any = chat.page.context.cookies()
    chat.page.context.clear_cookies()
    chat.message.fill("Keep what I wrote.")
    chat.send_button.click()
    expect(chat.alert).to_contain_text("not logged in")
    expect(chat.message).to_have_value("Keep what I wrote.")
    chat.page.context.add_cookies(cookies)
    model.says("It is kept.")
    chat.send_button.click()
    chat.expect_answer("It is kept.")
    expect(chat.alert).to_have_count(0)


def test_a_draft_of_a_new_chat_survives_a_reload(chat: ChatPage, visitor: Visitor) -> None:
    thread = visitor.request("POST", "/threads", {"title": "Old"})["threadId"]
    chat.message.fill("Half a thought")
    chat.reload()
    expect(chat.message).to_have_value("Half a thought")
    chat.open_thread(thread)
    expect(chat.message).to_have_value("")
    chat.new_chat()
    expect(chat.message).to_have_value("Half a thought")


def test_a_message_to_a_deleted_thread_starts_a_new_one(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    visitor.watch.expect("status of 404")
    thread = visitor.request("POST", "/threads", {"title": "Old"})["threadId"]
    chat.open_thread(thread)
    visitor.request("DELETE", f"/threads/{thread}")
    chat.message.fill("Is it gone?")
    chat.send_button.click()
    expect(chat.alert).to_contain_text("This chat no longer exists.")
    expect(chat.message).to_have_value("Is it gone?")
    model.says("It is.")
    chat.page.get_by_role("button", name="Send in a new chat").click()
    chat.expect_answer("It is.")
    assert chat.thread_id != thread


def test_a_broken_connection_can_be_retried_at_once(chat: ChatPage, visitor: Visitor, model: Model) -> None:
    visitor.watch.expect("ERR_")
    model.holds("The library opens", " at nine.").finish()

    def cut(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(body=b"\n".join(answer.body().split(b"\n")[:6]) + b"\n", headers=answer.headers)

    chat.page.route(SENDS, cut)
    chat.page.route("**/runs/*/stream*", lambda route: route.abort("connectionrefused"))
    chat.send("When is it open?")
    retry = chat.log.get_by_role("button", name="Retry now")
    expect(retry).to_be_visible()
    chat.page.unroute("**/runs/*/stream*")
    retry.click()
    chat.expect_answer("The library opens at nine.")
    expect(retry).to_be_hidden()
