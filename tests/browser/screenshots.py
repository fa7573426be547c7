"""Take the screenshots of the documentation: `python -m tests.browser.screenshots docs/images`."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from flask_assistant_stream.engines.response_items import words
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import PHONE, Visitor, chat_server
from tests.browser.model import Model, citation
from tests.chromium import ARGUMENTS, chromium_program

SIZE = {"width": 1200, "height": 760}
TALL = {"width": 1200, "height": 940}
EARLIER = ("Sharpening a hand plane", "A ladder for the weekend", "Which sander for old floors?", "Opening in August")
RULES = """# House rules

Every member may keep a tool for seven days. It can be kept seven days longer if nobody waits for it.

Bring tools back clean. For every day after the last one we ask for 2 €.
"""
ADVICE = """For a solid brick wall take a **hammer drill**; a plain drill only polishes the stone.

| wall | bit | speed |
|---|---|---|
| brick | carbide, 8 mm | slow, with hammer |
| plasterboard | wood or metal, 6 mm | fast, no hammer |
| tile | glass bit, 6 mm | slow, no hammer |

To know how many screws to buy for a shelf of 1.8 m:

```python
import math

length, spacing = 180, 40  # in cm
print(math.ceil(length / spacing) + 1)  # 6
```

Wear glasses, and switch off the fuse of the room if there may be cables in the wall.
"""
QUESTION = "I want to put up a shelf. How do I drill into a brick wall?"


class Studio:
    """Takes screenshots of conversations, each in a new browser window."""

    def __init__(self, visitor: Callable[[], Visitor], model: Model, where: Path) -> None:
        self._visitor = visitor
        self.model = model
        self._where = where

    def arrive(self, title: str, **options: object) -> tuple[Visitor, ChatPage]:
        """Open a thread with a title, for a visitor with earlier threads."""
        visitor = self._visitor()
        ids = [visitor.request("POST", "/threads", {"title": title})["threadId"] for title in (*EARLIER, title)]
        chat = visitor.arrive(**{"viewport": SIZE, "reduced_motion": "reduce", **options})
        return visitor, chat.open_thread(ids[-1])

    def take(self, name: str, visitor: Visitor, chat: ChatPage) -> None:
        """Take the screenshot and close the visitor's window."""
        chat.page.mouse.move(0, 0)
        chat.page.screenshot(path=self._where / f"{name}.png", animations="disabled", caret="hide")
        visitor.leave()


def advice(studio: Studio, name: str, **options: object) -> None:
    """Show an answer with a table and code."""
    visitor, chat = studio.arrive("Drilling into brick", **options)
    studio.model.says(ADVICE)
    chat.ask(QUESTION, "Wear glasses")
    studio.take(name, visitor, chat)


def tool_call(studio: Studio) -> None:
    """Show a completed tool call and one that needs approval."""
    visitor, chat = studio.arrive("A drill for Saturday", viewport=TALL)
    studio.model.calls("find_tool", json.dumps({"name": "hammer drill"}))
    booking = json.dumps({"name": "hammer drill", "day": "Saturday"})
    studio.model.does(
        lambda items: [
            *items.text(words("There is one on shelf C 4. Shall I reserve it for Saturday?")),
            *items.call("reserve_tool", booking),
        ]
    )
    chat.send("Do you have a hammer drill on Saturday? Please keep it for me.")
    expect(chat.page.get_by_role("button", name="Approve", exact=True)).to_be_visible()
    chat.unfold(chat.tool("find_tool"))
    studio.take("tool-call", visitor, chat)


def cited(studio: Studio) -> None:
    """Show an answer that cites an uploaded file."""
    visitor, chat = studio.arrive("How long a tool may stay")
    id = visitor.upload("house-rules.md", RULES)
    answer = (
        "You may keep a tool for seven days, and seven more if nobody waits for it. "
        "After that it costs 2 € a day, so tell us early if you need longer."
    )
    places = [answer.index(". After"), answer.index(", so tell")]
    citations = [citation(id, "house-rules.md", place) for place in places]
    studio.model.does(lambda items: [*items.file_search(["loan period"]), *items.text(list(answer), citations)])
    chat.ask("How long may I keep a tool?", "tell us early")
    studio.take("citation", visitor, chat)


def error(studio: Studio) -> None:
    """Show a failed run."""
    visitor, chat = studio.arrive("Steaming off wallpaper")
    studio.model.breaks(
        "A steamer softens the paste behind the paper. Begin at the top of the wall and",
        message="The model is overloaded at the moment. Please try again.",
    )
    chat.send("What is the best way to take off old wallpaper?")
    expect(chat.try_again).to_be_visible()
    studio.take("error", visitor, chat)


def main() -> None:
    """Take all screenshots."""
    parser = argparse.ArgumentParser(description="Take the screenshots of the documentation.")
    parser.add_argument("folder", type=Path)
    where: Path = parser.parse_args().folder
    where.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as kept,
        Model() as model,
        chat_server(Path(kept), model, app="tests.browser.showcase:create_app()") as server,
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(executable_path=chromium_program(), args=ARGUMENTS)
        studio = Studio(lambda: Visitor(chromium, server, Path(kept)), model, where)
        advice(studio, "desktop")
        advice(studio, "dark", color_scheme="dark")
        advice(studio, "phone", viewport=PHONE, has_touch=True, is_mobile=True)
        for picture in (tool_call, cited, error):
            picture(studio)


if __name__ == "__main__":
    main()
