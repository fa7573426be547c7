"""Tabs of the quickstart's page, as `tests/node/quickstart_page.mjs` plays them over the client that it pins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pytest

from tests.node_clients import NodeProcess

THROUGH_NEXT = {"X-Forwarded-Host": "localhost:3000", "Origin": "http://localhost:3000"}
"""What a server gets of a page behind Next's rewrites: of the forwarded headers this one, and the page's Origin."""


class Browser(NodeProcess):
    """One Node process with any number of tabs."""

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
            functions: it is the one that knows the weather.
            holds: its functions return when they are released.
            headers: of each of its requests, as the server gets them.
        """
        tab = Tab(self, next(self._numbers))
        tab.do("open", origin=origin, functions=functions, holds=holds, headers=dict(headers))
        return tab


class Tab:
    """One tab, and what its user sees.

    Attributes:
        state: what the page is after the last thing that it did.
    """

    def __init__(self, browser: Browser, number: int) -> None:
        self._browser = browser
        self._number = number
        self.state: dict[str, Any] = {}

    def do(self, what: str, **more: Any) -> Tab:
        """Do something and take its state."""
        self.state = self._browser.ask({"tab": self._number, "do": what, **more})
        return self

    def say(self, text: str) -> Tab:
        """Send a message and wait until nothing is under way any more."""
        return self.do("send", text=text).do("settle")

    @property
    def thread_id(self) -> str:
        """The thread that it has made."""
        return str(self.state["threadId"])

    @property
    def enabled(self) -> bool:
        """Whether its user can send something."""
        return not self.state["inputDisabled"]

    @property
    def bubbles(self) -> list[tuple[str, str]]:
        """Role and text of what it shows, oldest first."""
        return [(bubble["role"], bubble["text"]) for bubble in self.state["bubbles"]]

    @property
    def answers(self) -> list[str]:
        """The texts of the assistant's bubbles."""
        return [text for role, text in self.bubbles if role == "assistant"]

    @property
    def statuses(self) -> list[tuple[str, str, int]]:
        """Method, path without ids, and status of every request that it made."""
        return [(method, path, status) for method, path, status in self.state["sent"]]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Open tabs of the quickstart's page."""
    running = Browser()
    yield running
    running.close()
