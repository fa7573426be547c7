"""What a visit costs: few requests, and none for scripts and styles after the first one."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor

ASSETS = r"^GET /api/assistants/ui/"
TRANSFERRED = """() => performance.getEntriesByType("resource")
  .filter(({ name, transferSize }) => name.includes("/ui/") && transferSize > 0).map(({ name }) => name)"""


def transferred(page: Page) -> list[str]:
    """Return the addresses of the scripts and styles that came from the server, not from the browser's cache."""
    names: list[str] = page.evaluate(TRANSFERRED)
    return names


def test_a_visit_loads_one_script_and_one_style_sheet(visitor: Visitor) -> None:
    chat = visitor.arrive()
    expect(chat.threads.get_by_text("No chats yet.")).to_be_visible()
    assert len(visitor.watch.matching(ASSETS)) == len(transferred(chat.page)) == 2
    assert len(visitor.watch.requests) == 4, visitor.watch.requests  # with the page and the list of threads
    chat.reload()
    assert transferred(chat.page) == []
    other = visitor.another_tab().open()
    assert transferred(other.page) == []
