"""Detects what a page must never do: log errors, throw, open dialogs, send requests to other servers."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, WebError


class Watch:
    """Listens to all pages of a browser context.

    Attributes:
        console: the console messages of all pages, for the report of a failed test.
        requests: method and path of every request, in order.
    """

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.console: list[str] = []
        self.requests: list[str] = []
        self._origin = origin
        self._violations: list[str] = []
        self._expected: list[str] = []
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("request", self._on_request)
        context.on("page", lambda page: page.on("dialog", self._on_dialog))

    def expect(self, pattern: str) -> None:
        """Allow matching violations. A request that a test makes fail is an error on the console."""
        self._expected.append(pattern)

    def matching(self, pattern: str) -> list[str]:
        """Return the requests that match."""
        return [request for request in self.requests if re.search(pattern, request)]

    def check(self) -> None:
        """Fail if a page did something forbidden."""
        lines = [line for line in self._violations if not any(re.search(pattern, line) for pattern in self._expected)]
        assert not lines, "forbidden actions of the page:\n" + "\n".join(lines)

    def _on_console(self, message: ConsoleMessage) -> None:
        line = f"{message.type}: {message.text} ({message.location.get('url', '')})"
        self.console.append(line)
        if message.type in ("error", "warning"):
            self._violations.append(line)

    def _on_error(self, error: WebError) -> None:
        self.console.append(f"thrown: {error.error}")
        self._violations.append(self.console[-1])

    def _on_request(self, request: Request) -> None:
        own = request.url.startswith(f"{self._origin}/")
        if own:
            self.requests.append(f"{request.method} {request.url.removeprefix(self._origin)}")
        elif not request.url.startswith(("data:", "blob:")):
            self._violations.append(f"a request to {request.url[:200]}")

    def _on_dialog(self, dialog: Dialog) -> None:
        self._violations.append(f"a dialog: {dialog.type} {dialog.message}")
        dialog.dismiss()


def look_of(page: Page) -> dict[str, float]:
    """Return the width of the page's layout and of its window."""
    sizes: dict[str, float] = page.evaluate(
        "() => ({ laid: document.documentElement.scrollWidth, window: document.documentElement.clientWidth })"
    )
    return sizes
