"""The page of `examples/react-chat`, built for a server and opened in Chromium on another origin than the server's."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.example_server import ExampleServer, example_server
from tests.kinds import require

PROJECT = Path(__file__).parents[2] / "examples" / "react-chat"
PLACE = "http://127.0.0.1:9/set/by/the/test"
BUILD_SECONDS = 120

expect.set_options(timeout=20_000)


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, format: str, *args: Any) -> None: ...


@contextmanager
def serving_folder(folder: Path) -> Iterator[str]:
    """Serve a folder, which may be filled later; give its origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Builds:
    """Builds the page once for each setting of its switch.

    Args:
        folder: where the builds go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, backend: str) -> Path:
        """Return the folder of a build, which talks to `PLACE`."""
        target = self._folder / backend
        if not target.exists():
            build(target, VITE_API_BASE_URL=PLACE, VITE_BACKEND=backend)
        return target


def place(built: Path, address: str, target: Path) -> None:
    """Copy a build, made to talk to a server whose port is known by now."""
    shutil.copytree(built, target, dirs_exist_ok=True)
    for script in target.glob("assets/*.js"):
        said = script.read_text(encoding="utf-8")
        assert PLACE in said
        script.write_text(said.replace(PLACE, address), encoding="utf-8")


def build(target: Path, **environment: str) -> None:
    """Build the page into a folder as its README says."""
    require("node")
    npm = shutil.which("npm")
    assert npm, "npm is missing: install Node 18 or newer"
    assert (PROJECT / "node_modules").is_dir(), "run `make test` once, or `npm ci` in examples/react-chat"
    command = [npm, "run", "build", "--", "--outDir", str(target), "--emptyOutDir"]
    done = subprocess.run(
        command, cwd=PROJECT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=BUILD_SECONDS
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Chat:
    """The page as somebody sees it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.input = page.get_by_role("textbox", name="Message")
        self.send_button = page.get_by_role("button", name="Send")
        self.stop_button = page.get_by_role("button", name="Stop")
        self.status = page.get_by_role("status")
        self.answers = page.get_by_role("article", name="Assistant")
        self.questions = page.get_by_role("article", name="You")
        self.alert = page.get_by_role("alert")

    def send(self, content: str) -> None:
        """Write and send; the input must be open at any time."""
        expect(self.input).to_be_enabled()
        self.input.fill(content)
        self.send_button.click()

    def expect_ready(self) -> None:
        """Wait for the end of the answer."""
        expect(self.status).to_have_text("Ready")


@dataclass(frozen=True)
class Site:
    """A built page, served from its own origin, and the server that it talks to."""

    origin: str
    server: ExampleServer


@contextmanager
def site(folder: Path, built: Path, **environment: str) -> Iterator[Site]:
    """Serve the page from one origin and the example app from another one."""
    pages = folder / "pages"
    pages.mkdir()
    with serving_folder(pages) as origin:
        settings = {"ASSISTANT_CORS_ORIGINS": origin, "ASSISTANT_MAX_CONTENT_CHARS": "200", **environment}
        with example_server(folder / "instance", **settings) as server:
            place(built, server.url, pages)
            yield Site(origin, server)


@contextmanager
def opened(browser: Browser, origin: str) -> Iterator[Chat]:
    """Open the page in a profile of its own; nothing may go wrong in it unseen."""
    context = browser.new_context()
    context.set_default_timeout(15_000)
    page, failures = context.new_page(), list[str]()
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(origin)
    try:
        yield Chat(page)
        assert failures == []
    finally:
        context.close()
