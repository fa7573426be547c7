"""`examples/react-chat` as people use it: on another origin than the server, with either setting of its switch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from flask import Flask
from playwright.sync_api import Browser, Response, Route, expect

from flask_assistant_stream import create_assistant_blueprint, shared_owner
from flask_assistant_stream.testing.scripted import ScriptedEngine, text
from tests.cutting import cutting
from tests.node_clients import NODE_DIRECTORY
from tests.react_chat.pages import PROJECT, Builds, Chat, Site, opened, place, serving_folder, site

pytestmark = [pytest.mark.node, pytest.mark.slow]

AXE = NODE_DIRECTORY / "node_modules" / "axe-core" / "axe.min.js"
WEATHER = '/get_weather {"location": "Paris"}'


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    return Builds(tmp_path_factory.mktemp("builds"))


@pytest.fixture(scope="module", params=["flask", "next"])
def pages(request: pytest.FixtureRequest, builds: Builds, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The page, built for one setting of its switch."""
    with site(tmp_path_factory.mktemp(request.param), builds(request.param)) as ready:
        yield ready


@pytest.fixture
def chat(chromium: Browser, pages: Site) -> Iterator[Chat]:
    with opened(chromium, pages.origin) as chat:
        yield chat


def test_a_conversation(chat: Chat) -> None:
    chat.send("How are you?")
    expect(chat.answers).to_contain_text("offline engine")
    chat.expect_ready()
    expect(chat.answers.locator("strong").first).to_be_visible()  # Markdown
    chat.send("And again?")
    expect(chat.answers).to_have_count(2)
    expect(chat.answers.last).to_contain_text("And again?")
    chat.expect_ready()
    expect(chat.questions).to_have_text(["How are you?", "And again?"])


def test_the_page_answers_a_call(chat: Chat) -> None:
    chat.send(WEATHER)
    expect(chat.answers).to_contain_text('"sky":"sunny"')
    chat.expect_ready()
    call = chat.page.get_by_role("group").filter(has_text="get_weather")
    expect(call).to_have_count(1)
    expect(call.locator("summary")).to_have_text("get_weather answered")
    call.locator("summary").click()
    expect(call.locator("pre")).to_contain_text(["Paris", "sunny"])


def test_files_are_uploaded_searched_and_deleted(chat: Chat) -> None:
    chat.page.get_by_label("Upload files").set_input_files(
        {"name": "warranty.md", "mimeType": "text/markdown", "buffer": b"Every kettle has a warranty of 37 months.\n"}
    )
    item = chat.page.get_by_role("complementary", name="Files").get_by_role("listitem").filter(has_text="warranty.md")
    expect(item).to_contain_text("Ready")
    chat.send("How long is the warranty of a kettle?")
    expect(chat.answers).to_contain_text("37 months")
    cited = chat.answers.get_by_role("link", name="[1]")
    expect(cited).to_have_attribute("href", re.compile(r"/files/file"))
    with chat.page.expect_download() as download:
        item.get_by_role("link").click()
    assert download.value.suggested_filename == "warranty.md"
    chat.page.get_by_role("button", name="Delete warranty.md").click()
    expect(item).to_have_count(0)


def test_a_file_that_is_refused_is_an_error_that_can_be_read(chat: Chat) -> None:
    chat.page.get_by_label("Upload files").set_input_files(
        {"name": "empty.md", "mimeType": "text/markdown", "buffer": b""}
    )
    expect(chat.alert).to_contain_text("empty")


def test_a_refused_message_is_said_and_comes_back_into_the_input(chat: Chat) -> None:
    chat.send("x" * 201)
    expect(chat.alert).to_contain_text("maximum length 200")
    expect(chat.input).to_have_value("x" * 201)
    expect(chat.questions).to_have_count(0)
    chat.send("Shorter.")
    expect(chat.answers).to_contain_text("Shorter.")


def test_a_new_chat_is_empty(chat: Chat) -> None:
    chat.send("How are you?")
    expect(chat.answers).to_have_count(1)
    chat.page.get_by_role("button", name="New chat").click()
    expect(chat.questions).to_have_count(0)
    chat.send("Who is there?")
    chat.expect_ready()
    expect(chat.answers).to_have_count(1)


def test_the_switch_sends_what_the_server_knows(chat: Chat, pages: Site, request: pytest.FixtureRequest) -> None:
    sent: list[str] = []
    chat.page.on("request", lambda one: sent.append(f"{one.method} {one.url.removeprefix(pages.server.url)}"))
    chat.send("hello")
    chat.expect_ready()
    posts = [one for one in sent if one.startswith("POST")]
    if request.node.callspec.params["pages"] == "flask":
        assert posts == ["POST /chat/stream"]
    else:
        thread = posts[1].split("/")[2]
        assert thread.startswith("thread_")
        assert posts == ["POST /threads", f"POST /threads/{thread}/messages"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("pages", ["flask"], indirect=True)
def test_axe_finds_nothing_grave(chat: Chat, scheme: Literal["light", "dark"]) -> None:
    chat.page.emulate_media(color_scheme=scheme)
    chat.page.get_by_label("Upload files").set_input_files(
        {"name": "a.md", "mimeType": "text/markdown", "buffer": b"Something."}
    )
    chat.send(WEATHER)
    expect(chat.answers).to_contain_text("sunny")
    chat.page.locator("summary").click()
    chat.send("x" * 201)
    expect(chat.alert).to_be_visible()
    chat.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = chat.page.evaluate("async () => (await axe.run()).violations.map((one) => [one.impact, one.id, one.help])")
    assert [one for one in found if one[0] in ("serious", "critical")] == []


# -- an answer that takes its time ------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["flask", "next"])
def slow_pages(
    request: pytest.FixtureRequest, builds: Builds, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A server that takes half a second for each word: an answer never ends by itself while a test looks."""
    folder = tmp_path_factory.mktemp(f"slow_{request.param}")
    with site(folder, builds(request.param), ASSISTANT_OFFLINE_DELAY_SECONDS="0.5") as ready:
        yield ready


@pytest.fixture
def slow_chat(chromium: Browser, slow_pages: Site) -> Iterator[Chat]:
    with opened(chromium, slow_pages.origin) as chat:
        yield chat


def test_stop_keeps_what_was_said(slow_chat: Chat) -> None:
    slow_chat.send("Tell me everything.")
    expect(slow_chat.answers).to_contain_text("This")
    slow_chat.stop_button.click()
    expect(slow_chat.alert).to_have_text("Stopped.")
    slow_chat.expect_ready()
    expect(slow_chat.answers).to_contain_text("This")
    expect(slow_chat.stop_button).to_have_count(0)


def test_a_message_replaces_the_answer_that_is_under_way(slow_chat: Chat) -> None:
    slow_chat.send("The first one.")
    expect(slow_chat.answers).to_have_count(1)
    slow_chat.send("The second one.")
    expect(slow_chat.questions).to_have_count(2)
    expect(slow_chat.answers).to_have_count(2)
    expect(slow_chat.answers.last).to_contain_text("This")
    expect(slow_chat.alert).to_have_count(0)


def test_messages_before_the_first_answer_begins_share_its_thread(slow_chat: Chat) -> None:
    """The request that makes the thread is held until the second message is sent, too."""
    held: list[Route] = []
    slow_chat.page.route(re.compile(r"/(chat/stream|threads)$"), lambda route: held.append(route), times=1)
    slow_chat.send("The first one.")
    slow_chat.send("The second one.")
    expect(slow_chat.questions).to_have_count(2)
    answers: list[Response] = []
    slow_chat.page.on("response", lambda one: answers.append(one))
    held[0].continue_()
    expect(slow_chat.answers).to_have_count(2)
    threads = [one.header_value("X-Thread-Id") for one in answers if one.header_value("X-Run-Id")]
    assert len(threads) == 2
    assert threads[0] == threads[1]


def test_a_new_chat_leaves_the_answer_that_is_under_way(slow_chat: Chat) -> None:
    slow_chat.send("The first one.")
    expect(slow_chat.answers).to_have_count(1)
    slow_chat.page.get_by_role("button", name="New chat").click()
    expect(slow_chat.status).to_have_text("Ask something.")
    slow_chat.send("The second one.")
    expect(slow_chat.answers).to_contain_text("This")
    expect(slow_chat.questions).to_have_text(["The second one."])
    expect(slow_chat.alert).to_have_count(0)


@pytest.mark.parametrize("slow_pages", ["flask"], indirect=True)
def test_a_reload_goes_on_with_the_answer(slow_chat: Chat) -> None:
    slow_chat.send("Tell me everything.")
    expect(slow_chat.answers).to_contain_text("This")
    slow_chat.page.reload()
    expect(slow_chat.questions).to_have_text(["Tell me everything."])
    expect(slow_chat.answers).to_have_count(1)
    said = slow_chat.answers.inner_text()
    expect(slow_chat.answers).not_to_have_text(said)  # more of it comes
    slow_chat.stop_button.click()
    slow_chat.expect_ready()


# -- a server that fails ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["flask", "next"])
def test_failures_are_said_and_the_input_stays_open(
    backend: str, builds: Builds, chromium: Browser, tmp_path: Path
) -> None:
    nobody = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "ASSISTANT_MODEL": "a-model", "ASSISTANT_TITLES": "off"}
    settings = {"ASSISTANT_UPSTREAM_RETRIES": "0", **nobody}
    with site(tmp_path, builds(backend), **settings) as pages, opened(chromium, pages.origin) as chat:
        chat.send("Is anybody there?")
        expect(chat.alert).not_to_be_empty()
        chat.expect_ready()
        pages.server.stop()
        chat.send("And now?")
        expect(chat.alert.last).to_contain_text("cannot be reached")
        expect(chat.input).to_have_value("And now?")


def test_an_answer_whose_connection_breaks_is_read_to_its_end(
    builds: Builds, chromium: Browser, tmp_path: Path
) -> None:
    said = "Grüße aus Köln und noch ein paar Wörter mehr."
    with serving_folder(tmp_path) as origin, cutting_server(origin, tmp_path / "instance", said) as address:
        place(builds("flask"), address, tmp_path)
        with opened(chromium, origin) as chat:
            chat.send("Hallo")
            expect(chat.answers).to_have_text(said)
            chat.expect_ready()
            expect(chat.alert).to_have_count(0)


@contextmanager
def cutting_server(origin: str, instance: Path, said: str) -> Iterator[str]:
    """Serve an app whose first two answers break off in the middle of a line; give its address."""
    app = Flask("host", instance_path=str(instance))
    blueprint = create_assistant_blueprint(
        engine=ScriptedEngine(text(said)), authenticate=shared_owner("anna"), cors_origins=[origin]
    )
    app.register_blueprint(blueprint)
    with cutting(app) as address:
        yield address


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (PROJECT / "package-lock.json").read_text(encoding="utf-8")
