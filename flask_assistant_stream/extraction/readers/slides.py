"""PowerPoint presentations: each slide, its notes, comments, diagrams and charts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from .base import Notes, paragraphs
from .package import Package
from .word import drawn_parts, drawn_text
from .xml_events import SilentWalker

_OTHER_PARTS = ("diagramData", "chart", "chartEx", "comments", "notesSlide")


def read_pptx(content: BinaryIO, notes: Notes) -> Iterator[str]:
    """Yield the text of a presentation, slide by slide."""
    yield from paragraphs(_presentation(Package(content, notes), notes))


def _presentation(package: Package, notes: Notes) -> Iterator[str]:
    main = package.main("ppt/presentation.xml")
    order = _SlideOrder()
    for _ in package.walk(main, order):
        pass
    targets = {each.id: each.target for each in package.relationships(main)}
    listed = [targets[id] for id in order.ids if id in targets]
    for name in listed or package.names("ppt/slides/slide"):
        if not package.is_new(name):
            notes.add("A slide of the presentation is missing.")
            continue
        yield f"\n\n{drawn_text(package, name)}"
        for kind in _OTHER_PARTS:
            for text in drawn_parts(package, name, kind, notes):
                yield f"\n\n{text}"


class _SlideOrder(SilentWalker):
    """Takes the ids of the slides' relationships."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sldId":
            self.ids.append(attributes.get("r:id", ""))
