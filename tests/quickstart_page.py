"""Tabs of the quickstart's page, run by `tests/node/quickstart_page.mjs` on the client version that it pins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pytest

from tests.node_clients import NodeProcess

THROUGH_NEXT = {"X-Forwarded-Host": "localhost:3000", "Origin": "http://localhost:3000"}
"""The headers that Next's rewrites pass on: this forwarded header, and the page's Origin."""


class Browser(NodeProcess):
    """A Node process with any number of tabs."""

    def __init__(self) -> None:
        super().__init__("quickstart_page.mjs")
        self._numbers = count()

    def open(
        self,
        origin: str,
        *,
        functions: bool = False,
        holds: bool = False,
        headers: Mapping[str, str] = THROUGH_NEXT,
    ) -> Tab:
        """Open the page of a server.

        Args:
            functions: the page with the weather function.
            holds: its functions return only when released.
            headers: sent with each request.
        """
        tab = Tab(self, next(self._numbers))
        tab.do("open", origin=origin, functions=functions, holds=holds, headers=dict(headers))
        return tab


class Tab:
    """A tab, and what its user sees.

    Attributes:
        state: the page after the last command.
    """

    def __init__(self, browser: Browser, number: int) -> None:
        self._browser = browser
        self._number = number
        self.state: dict[str, Any] = {}

    def do(self, what: str, **more: Any) -> Tab:
        """Run a command and store the resulting state."""
        self.state = self._browser.ask({"tab": self._number, "do": what, **more})
        return self

    def say(self, text: str) -> Tab:
        """Send a message and wait until all requests have ended."""
        return self.do("send", text=text).do("settle")

    @property
    def thread_id(self) -> str:
        """The id of the tab's thread."""
        return str(self.state["threadId"])

    @property
    def enabled(self) -> bool:
        """True if the user can send a message."""
        return not self.state["inputDisabled"]

    @property
    def bubbles(self) -> list[tuple[str, str]]:
        """Role and text of each bubble, oldest first."""
        return [(bubble["role"], bubble["text"]) for bubble in self.state["bubbles"]]

    @property
    def answers(self) -> list[str]:
        """The texts of the assistant's bubbles."""
        return [text for role, text in self.bubbles if role == "assistant"]

    @property
    def statuses(self) -> list[tuple[str, str, int]]:
        """Method, path without ids, and status of every request."""
        return [(method, path, status) for method, path, status in self.state["sent"]]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Run one browser for the session."""
    running = Browser()
    yield running
    running.close()
