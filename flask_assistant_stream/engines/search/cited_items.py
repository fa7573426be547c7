"""Rewrite the items of a response: marks in its text become citations, as if the upstream had searched.

Items name messages unreliably (`spec/servers.md#matching-events-to-items`): `Response`, which
the translator uses too, decides which text an item belongs to. A mark becomes an annotation at its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...protocol.text import mend
from ...translation.coerce import list_of, object_of, objects_of
from ...translation.outputs import AssistantMessage, Part
from ...translation.response import Response
from ..base import Item
from .cited_text import CitedText, Note

_PLACE = ("item_id", "output_index", "content_index")


class CitedItems:
    """Rewrites the items of one response.

    Args:
        sources: `file_id` and `filename` of each source, in the order of their numbers.
        before: output items ahead of the upstream's own, whose `output_index` is shifted by their number.
    """

    def __init__(self, sources: Sequence[dict[str, Any]], before: Sequence[Item] = ()) -> None:
        self._sources = sources
        self._before = list(before)
        self._response = Response({})
        self._texts: dict[Part, CitedText] = {}
        self._places: dict[Part, Item] = {}

    def read(self, items: Sequence[Item]) -> list[Item]:
        """Return the rewritten items of one read; the list may be empty."""
        return [new for item in items for new in self._rewritten(self._shifted(item))]

    def finish(self) -> list[Item]:
        """Return the withheld text; for a stream without a terminal item."""
        return [item for part in self._texts for item in self._items(part, self._texts[part].finish())]

    def _shifted(self, item: Item) -> Item:
        shifted = {key: value for key, value in item.items() if key != "sequence_number"}
        if isinstance(shifted.get("output_index"), int):
            shifted["output_index"] += len(self._before)
        return shifted

    def _rewritten(self, item: Item) -> Iterator[Item]:
        row = _ROWS.get(str(item.get("type")))
        if row is None:
            yield item
        else:
            yield from row(self, item)

    # -- rows ---------------------------------------------------------------------------------------------

    def _on_added(self, item: Item) -> Iterator[Item]:
        copy = object_of(item.get("item"))
        if copy.get("type") == AssistantMessage.kind:
            self._response.added(AssistantMessage, copy, item.get("output_index")).begin(copy)
        yield item

    def _on_delta(self, item: Item) -> Iterator[Item]:
        piece = item.get("delta")
        part = self._part(item)
        if isinstance(piece, str):
            yield from self._items(part, self._text(part).feed(piece), item)

    def _on_text_done(self, item: Item) -> Iterator[Item]:
        part = self._part(item)
        whole = {"type": "output_text", "text": item.get("text")}
        yield from self._completed(part, whole)
        yield {**item, "text": whole["text"]}

    def _on_part_done(self, item: Item) -> Iterator[Item]:
        whole = dict(object_of(item.get("part")))
        if whole.get("type") == "output_text":
            yield from self._completed(self._part(item), whole)
            item = {**item, "part": whole}
        yield item

    def _on_done(self, item: Item) -> Iterator[Item]:
        copy = object_of(item.get("item"))
        if copy.get("type") != AssistantMessage.kind:
            yield item
            return
        message = self._response.resolve(AssistantMessage, copy.get("id"), item.get("output_index"))
        contents = [dict(content) if isinstance(content, dict) else content for content in list_of(copy.get("content"))]
        for index, whole in enumerate(contents):
            if object_of(whole).get("type") == "output_text" and whole.get("text"):
                place = {"item_id": copy.get("id"), "output_index": item.get("output_index"), "content_index": index}
                part = self._at(message, index, {key: value for key, value in place.items() if value is not None})
                yield from self._completed(part, whole)
        message.done = True
        yield {**item, "item": {**copy, "content": contents}}

    def _on_annotation(self, item: Item) -> Iterator[Item]:
        yield {**item, "annotation": _placed(item.get("annotation"), self._text(self._part(item)))}

    def _on_terminal(self, item: Item) -> Iterator[Item]:
        yield from self.finish()
        response = object_of(item.get("response"))
        if isinstance(response.get("output"), list):
            known = tuple(text.text for text in self._texts.values() if text.text)
            output = [*self._before, *(self._supplement(copy, known) for copy in response["output"])]
            item = {**item, "response": {**response, "output": output}}
        yield item

    # -- texts --------------------------------------------------------------------------------------------

    def _part(self, item: Item) -> Part:
        """Return the text that an item belongs to, and remember the item's ids for it."""
        message = self._response.resolve(AssistantMessage, item.get("item_id"), item.get("output_index"))
        return self._at(message, item.get("content_index"), {key: item[key] for key in _PLACE if key in item})

    def _at(self, message: AssistantMessage, index: Any, place: Item) -> Part:
        part = message.part("text", index if isinstance(index, int) else None)
        self._places[part] = place
        return part

    def _text(self, part: Part) -> CitedText:
        return self._texts.setdefault(part, CitedText(self._sources))

    def _items(self, part: Part, pieces: Sequence[str | Note], like: Item | None = None) -> Iterator[Item]:
        """Yield the items for texts and citations of a part; a text delta copies the fields of `like`."""
        place = self._places.get(part, {})
        number = len(self._text(part).notes) - sum(isinstance(piece, dict) for piece in pieces)
        for piece in pieces:
            if isinstance(piece, str):
                yield {**(like or {"type": "response.output_text.delta", **place, "logprobs": []}), "delta": piece}
            else:
                fields = {"annotation_index": number, "annotation": piece}
                yield {"type": "response.output_text.annotation.added", **place, **fields}
                number += 1

    def _completed(self, part: Part, whole: Item) -> Iterator[Item]:
        """Emit the tail of a whole text and rewrite it to match its deltas (`spec/servers.md#lazy-messages`)."""
        text = self._text(part)
        full, received = mend(whole["text"]) if isinstance(whole.get("text"), str) else "", text.received
        new = text.feed(full[len(received) :]) if full.startswith(received) else []
        yield from self._items(part, [*new, *text.finish()])
        if full == text.received:
            _rewrite(whole, text, text.notes)
        elif full:
            _rewrite(whole, self._read_whole(full), text.notes)

    def _supplement(self, copy: Any, known: tuple[str, ...]) -> Any:
        """Rewrite an output of the terminal item; if its text differs from the `known` ones, it has no citations."""
        if object_of(copy).get("type") != AssistantMessage.kind:
            return copy
        contents = []
        for content in list_of(copy.get("content")):
            if object_of(content).get("type") == "output_text" and isinstance(content.get("text"), str):
                content, text = dict(content), self._read_whole(mend(content["text"]))
                _rewrite(content, text, text.notes if not known or text.text.startswith(known) else [])
            contents.append(content)
        return {**copy, "content": contents}

    def _read_whole(self, full: str) -> CitedText:
        text = CitedText(self._sources)
        text.feed(full)
        text.finish()
        return text


def _rewrite(whole: Item, text: CitedText, notes: Sequence[Note]) -> None:
    """Replace a text with marks by the one without; the upstream's own annotations are shifted."""
    own = [_placed(note, text) for note in objects_of(whole.get("annotations"))]
    whole.update(text=text.text, annotations=[*own, *notes])


def _placed(note: Any, text: CitedText) -> Any:
    """Return an annotation of the upstream with offsets for the text without marks."""
    names = ("index", "start_index", "end_index")
    offsets = {key: value for key in names if isinstance(value := object_of(note).get(key), int)}
    return {**note, **{key: text.place(value) for key, value in offsets.items()}} if offsets else note


_ROWS: dict[str, Callable[[CitedItems, Item], Iterator[Item]]] = {
    "response.output_item.added": CitedItems._on_added,
    "response.output_text.delta": CitedItems._on_delta,
    "response.output_text.done": CitedItems._on_text_done,
    "response.content_part.done": CitedItems._on_part_done,
    "response.output_item.done": CitedItems._on_done,
    "response.output_text.annotation.added": CitedItems._on_annotation,
    **dict.fromkeys(
        ("response.completed", "response.incomplete", "response.failed", "response.cancelled", "error"),
        CitedItems._on_terminal,
    ),
}
