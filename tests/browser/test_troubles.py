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


def test_a_run_that_fails_can_be_tried_again(chat: ChatPage, model: Model) -> None:
    model.breaks("I was about", message="The model broke.")
    chat.send("Tell me.")
    alert = chat.log.get_by_role("alert")
    expect(alert).to_contain_text("The model broke.")
    expect(chat.answers.last).to_contain_text("I was about")
    chat.expect_idle()
    model.says("Here it is.")
    alert.get_by_role("button", name="Try again").click()
    chat.expect_answer("Here it is.")
    expect(chat.alert).to_have_count(0)
    chat.reload()
    expect(chat.answers.last).to_contain_text("Here it is.")


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


@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_a_rejected_message_stays_and_can_be_sent_again(
    status: int, chat: ChatPage, visitor: Visitor, model: Model
) -> None:
    visitor.watch.expect(f"status of {status}")
    chat.page.route(SENDS, lambda route: reject(route, status, "Not right now."))
    chat.message.fill("Keep what I wrote.")
    chat.send_button.click()
    expect(chat.alert).to_contain_text("Not right now.")
    expect(chat.message).to_have_value("Keep what I wrote.")
    expect(chat.questions).to_have_count(0)
    chat.page.unroute(SENDS)
    model.says("It is kept.")
    chat.try_again.click()
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
