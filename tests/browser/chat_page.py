"""The chat page as a user sees it: by roles and names, rarely by markup."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.server_process import PREFIX


class ChatPage:
    """One tab with the chat page.

    Attributes:
        page: the Playwright page.
        message: the message box.
        log: the conversation.
        status: the live region for screen readers.
    """

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.message = page.get_by_role("textbox", name="Message", exact=True)
        self.send_button = page.get_by_role("button", name="Send", exact=True)
        self.stop_button = page.get_by_role("button", name="Stop", exact=True)
        self.log = page.get_by_role("log", name="Conversation")
        self.questions = self.log.get_by_role("article", name="You")
        self.answers = self.log.get_by_role("article", name="Assistant")
        self.activity = self.log.locator(".activity")
        self.alert = page.get_by_role("alert").filter(has_text=re.compile(r"\S"))
        self.try_again = page.get_by_role("button", name="Try again")
        self.status = page.get_by_role("status")
        self.threads = page.get_by_role("navigation", name="Threads")
        self.files_panel = page.get_by_role("dialog", name="Files").or_(page.get_by_role("complementary", name="Files"))

    # -- navigation ---------------------------------------------------------------------------------------

    def open(self, path: str = f"{PREFIX}/") -> ChatPage:
        """Open the chat page, or another path of the host."""
        self.page.goto(self.origin + path)
        expect(self.message).to_be_editable()
        return self

    def open_thread(self, thread_id: str) -> ChatPage:
        """Open a thread by its URL."""
        return self.open(f"{PREFIX}/?thread={thread_id}")

    def reload(self) -> None:
        self.page.reload()
        expect(self.message).to_be_editable()

    @property
    def thread_id(self) -> str:
        """The thread id in the URL."""
        self.page.wait_for_url(re.compile(r"[?&]thread=thread_"))
        return self.page.url.rpartition("thread=")[2].partition("&")[0]

    # -- messages -----------------------------------------------------------------------------------------

    def send(self, text: str) -> None:
        """Fill in a message and press Send."""
        self.message.fill(text)
        self.send_button.click()
        expect(self.questions.last).to_contain_text(text)

    def ask(self, text: str, answer: str) -> None:
        """Send a message and wait for its complete answer."""
        self.send(text)
        self.expect_answer(answer)

    def expect_answer(self, text: str) -> None:
        """Wait until the last answer contains this text and no run is active."""
        expect(self.answers.last).to_contain_text(text)
        self.expect_idle()

    def expect_idle(self) -> None:
        """Wait until Send is shown and Stop is not."""
        expect(self.send_button).to_be_visible()
        expect(self.stop_button).to_be_hidden()

    def expect_once(self, text: str) -> None:
        """Check that the conversation contains a text exactly once."""
        expect(self.log.get_by_text(text)).to_have_count(1)
        assert self.log.inner_text().count(text) == 1

    # -- threads ------------------------------------------------------------------------------------------

    def thread_link(self, title: str) -> Locator:
        """Return the link to a thread."""
        return self.threads.get_by_role("link", name=title, exact=True)

    def new_chat(self) -> None:
        self.page.get_by_role("button", name="New chat", exact=True).click()

    # -- tools and files ----------------------------------------------------------------------------------

    def tool(self, name: str) -> Locator:
        """Return the row of a tool call."""
        return self.log.locator("details.tool").filter(has=self.page.locator("summary", has_text=name))

    def unfold(self, row: Locator) -> None:
        """Open the row of a tool if it is closed."""
        if row.get_attribute("open") is None:
            row.locator("summary").click()

    def attach(self, *files: Path) -> None:
        """Attach files with the button."""
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_role("button", name="Attach files", exact=True).click()
        chooser.value.set_files(list(files))

    def drop(self, name: str, text: str) -> None:
        """Drop a file onto the page."""
        transfer = self.page.evaluate_handle(
            """([name, text]) => {
              const transfer = new DataTransfer();
              transfer.items.add(new File([text], name, { type: "text/plain" }));
              return transfer;
            }""",
            [name, text],
        )
        for event in ("dragenter", "dragover", "drop"):
            self.page.dispatch_event("body", event, {"dataTransfer": transfer})

    def open_files(self) -> Locator:
        """Open the files panel."""
        self.page.get_by_role("button", name="Files", exact=True).click()
        expect(self.files_panel).to_be_visible()
        return self.files_panel
