"""One Chromium at a time for the tests that need a browser; nobody else starts Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.kinds import require

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # loopback only
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


def chromium_program() -> str:
    """Return where the Chromium of this machine is."""
    require("browser")
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    assert program, "Chromium is missing: `make chromium`, or install it"
    return program


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The Chromium that is installed. Gone after each module: while it is there an event loop runs in this thread."""
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium_program(), args=ARGUMENTS)
