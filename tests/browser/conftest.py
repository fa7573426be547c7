"""Servers on each store, and a new visitor with a new owner for each test, in one Chromium."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.app import COOKIE
from tests.browser.chat_page import ChatPage
from tests.browser.model import TITLE_MODEL, Model
from tests.browser.watch import Watch
from tests.mongodb_server import a_database, a_server
from tests.server_process import GEVENT, ServerProcess, serving

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
RETURNS = "You may send a purchase back for 27 days."
APP = "tests.browser.app:create_app()"

expect.set_options(timeout=10_000)


@pytest.fixture(scope="session")
def played_model() -> Iterator[Model]:
    """Run one upstream for all servers."""
    with Model() as model:
        yield model
    model.check()


@pytest.fixture
def model(played_model: Model) -> Iterator[Model]:
    """Return the upstream; answers that a test holds are released after it."""
    played_model.forget()
    yield played_model
    played_model.forget()


def chat_server(
    where: Path, model: Model, *options: str, app: str = APP, store: str = ""
) -> AbstractContextManager[ServerProcess]:
    """Serve an app with the chat page on gevent workers."""
    settings = {"ASSISTANT_UI": "on", "ASSISTANT_TITLES": "on", "ASSISTANT_TITLE_MODEL": TITLE_MODEL}
    return serving((*GEVENT, *options, app), where, store=store, upstream=model.base_url, **settings)


@pytest.fixture(scope="session")
def sqlite_server(played_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run one worker on SQLite."""
    with chat_server(tmp_path_factory.mktemp("sqlite"), played_model) as running:
        yield running


@pytest.fixture(scope="session")
def mongodb_server(played_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run two workers on MongoDB."""
    where = tmp_path_factory.mktemp("mongodb")
    with (
        a_server(where / "data") as uri,
        a_database(uri) as store,
        chat_server(where, played_model, "--workers", "2", store=store) as running,
    ):
        yield running


@pytest.fixture
def server(sqlite_server: ServerProcess) -> ServerProcess:
    """Return the server of most tests; `test_essentials` uses both."""
    return sqlite_server


class Visitor:
    """A new user of the chat page, with a new owner and an empty browser profile.

    Attributes:
        watch: the record of the pages' errors; it is checked at the end of the test.
    """

    watch: Watch

    def __init__(self, chromium: Browser, server: ServerProcess, where: Path) -> None:
        self._chromium = chromium
        self._where = where
        self.server = server
        self.owner = f"owner-{secrets.token_hex(6)}"
        self.context: BrowserContext | None = None

    def arrive(self, **options: Any) -> ChatPage:
        """Open the page in a new browser window; options are those of a Playwright context."""
        self.context = self._chromium.new_context(**{"viewport": DESKTOP, **options})
        origin = self.server.origin
        self.context.add_cookies([{"name": COOKIE, "value": self.owner, "url": origin}])
        self.watch = Watch(self.context, origin)
        return self.another_tab().open()

    def another_tab(self) -> ChatPage:
        """Open an empty tab."""
        assert self.context is not None
        return ChatPage(self.context.new_page(), self.server.origin)

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Send a request as this owner, without the page."""
        answer = self.server.request(method, path, body, headers={"Cookie": f"{COOKIE}={self.owner}"})
        assert answer.status == 200, answer.body
        return answer.json

    def upload(self, name: str, text: str = RETURNS) -> str:
        """Upload a file without the page; return its id."""
        body = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n{text}\r\n--x--\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=x", "Cookie": f"{COOKIE}={self.owner}"}
        answer = self.server.request("POST", "/files", body.encode(), headers=headers)
        assert answer.status == 200, answer.body
        return str(answer.json["fileId"])

    def evidence(self) -> Iterator[tuple[str, str]]:
        """Yield sections for a failure report: screenshots of all pages, and the console."""
        if self.context is None:
            return
        for number, page in enumerate(self.context.pages):
            path = self._where / f"failed-{number}.png"
            page.screenshot(path=path)
            yield "screenshot", f"{path} of {page.url}"
        yield "console of the page", "\n".join(self.watch.console[-30:])

    def leave(self) -> None:
        """Close the browser window."""
        if self.context is not None:
            self.context.close()


VISITOR = pytest.StashKey[Visitor]()


@pytest.fixture
def visitor(
    chromium: Browser, server: ServerProcess, model: Model, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Visitor]:
    """Return a new visitor; at the end, fail if a page did something forbidden."""
    visitor = request.node.stash[VISITOR] = Visitor(chromium, server, tmp_path)
    try:
        yield visitor
    finally:
        visitor.leave()
    if visitor.context is not None:
        visitor.watch.check()


@pytest.fixture
def chat(visitor: Visitor) -> ChatPage:
    """Open the chat page on a desktop."""
    return visitor.arrive()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the visitor's screenshots and console to the report of a failed test."""
    report = yield
    if report.failed and call.when != "teardown" and VISITOR in item.stash:
        report.sections += item.stash[VISITOR].evidence()
    return report
