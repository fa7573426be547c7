"""Long tasks: the times in which a page answered neither keys nor clicks."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page

LONGEST_TASK = 1000
"""Milliseconds: ten times the time of a page of messages, and far below that of a whole thread or a monster."""

RECORD = """() => {
  window.tasks = [];
  new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((one) => Math.round(one.duration))))
    .observe({ type: "longtask", buffered: true });
}"""


def record_tasks(context: BrowserContext) -> None:
    """Record the tasks of all pages that open from now on."""
    context.add_init_script(f"({RECORD})()")


def longest_task(page: Page) -> int:
    """Return the longest task of a page in milliseconds; 0 without a long one."""
    return max(page.evaluate("() => window.tasks"), default=0)
