"""What a page must not do, whoever uses it: log errors, throw, open dialogs, ask anybody but its own server."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, WebError


class Watch:
    """Listens to all pages of a browser context.

    Attributes:
        console: all that the pages have said, for the report of a failed test.
        requests: method and path of every request, in order.
    """

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.console: list[str] = []
        self.requests: list[str] = []
        self._origin = origin
        self._wrong: list[str] = []
        self._expected: list[str] = []
        context.on("console", self._said)
        context.on("weberror", self._threw)
        context.on("request", self._asked)
        context.on("page", lambda page: page.on("dialog", self._opened))

    def expect(self, pattern: str) -> None:
        """Let pass what matches: a request that a test lets fail is an error on the console."""
        self._expected.append(pattern)

    def asked(self, pattern: str) -> list[str]:
        """Return the requests that match."""
        return [request for request in self.requests if re.search(pattern, request)]

    def check(self) -> None:
        """Fail if a page did what it must not."""
        wrong = [one for one in self._wrong if not any(re.search(pattern, one) for pattern in self._expected)]
        assert not wrong, "what the page must not do:\n" + "\n".join(wrong)

    def _said(self, message: ConsoleMessage) -> None:
        line = f"{message.type}: {message.text} ({message.location.get('url', '')})"
        self.console.append(line)
        if message.type in ("error", "warning"):
            self._wrong.append(line)

    def _threw(self, error: WebError) -> None:
        self.console.append(f"thrown: {error.error}")
        self._wrong.append(self.console[-1])

    def _asked(self, request: Request) -> None:
        here = request.url.startswith(f"{self._origin}/")
        if here:
            self.requests.append(f"{request.method} {request.url.removeprefix(self._origin)}")
        elif not request.url.startswith(("data:", "blob:")):
            self._wrong.append(f"a request to {request.url[:200]}")

    def _opened(self, dialog: Dialog) -> None:
        self._wrong.append(f"a dialog: {dialog.type} {dialog.message}")
        dialog.dismiss()


def look_of(page: Page) -> dict[str, float]:
    """Return how wide the page is laid out, and how wide its window is."""
    sizes: dict[str, float] = page.evaluate(
        "() => ({ laid: document.documentElement.scrollWidth, window: document.documentElement.clientWidth })"
    )
    return sizes
