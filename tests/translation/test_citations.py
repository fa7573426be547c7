"""Annotations: markers, pictures and links, their offsets, and the files that they name."""

from __future__ import annotations

from typing import Any

import pytest

from flask_assistant_stream.engines.response_items import container_file_citation, url_citation
from flask_assistant_stream.protocol import objects
from flask_assistant_stream.protocol.generated_files import GeneratedFile
from flask_assistant_stream.translation.translator import Ending, Translator

from .checker import Fold, check
from .material import (
    annotated,
    answer,
    checked,
    clock,
    done,
    ids,
    message,
    play,
    played,
    run,
    terminal,
    text,
    translator,
)

Item = dict[str, Any]
TABLE = container_file_citation("cntr_1", "cfile_1", "table.csv", 0, 4)
PLOT = container_file_citation("cntr_1", "cfile_2", "plot.PNG", 0, 4)
CITED = {"type": "file_citation", "file_id": "file_1", "filename": "notes.txt", "index": 4}
MARKER = "【0:0†notes.txt】"


def links(fold: Fold, message: int = 0) -> list[tuple[str, str]]:
    """Return the cited pages of a message's first part: URL, and the text that each is about."""
    part = fold.messages[message]["content"][0]["text"]
    found = part.get("x_url_citations", ())
    return [(one["url"], part["value"][one["start_index"] : one["end_index"]]) for one in found]


# -- files that were made ---------------------------------------------------------------------------------
def test_a_file_of_a_container_is_a_path_with_a_marker() -> None:
    made, events = play([text("Here"), annotated(TABLE), text("."), terminal()])
    fold = check(events)
    marker = "【0:0†table.csv】"
    assert fold.texts == [f"Here{marker}."]
    assert fold.messages[0]["content"][0]["text"]["annotations"] == [
        {
            "type": "file_path",
            "text": marker,
            "file_path": {"file_id": "cfile_1"},
            "start_index": 4,
            "end_index": 4 + len(marker),
        }
    ]
    file = GeneratedFile("cfile_1", "table.csv", container_id="cntr_1", upstream_id="cfile_1")
    assert made.take_files() == [file]
    assert made.take_files() == []


@pytest.mark.parametrize("cited_before", [False, True])
def test_a_link_into_the_container_is_itself_the_text_of_its_annotation(cited_before: bool) -> None:
    link = "sandbox:/mnt/data/table.csv"
    said = f"See [it]({link})."
    note = {**TABLE, "start_index": 9, "end_index": 9 + len(link)}
    page = url_citation("https://a.test", "A", 4, 8)
    before = [annotated(CITED)] if cited_before else []
    fold = played([text("See "), *before, text(said[4:]), annotated(note), annotated(page), terminal()])
    assert fold.texts == [f"See {MARKER if cited_before else ''}{said[4:]}"]
    path = fold.messages[0]["content"][0]["text"]["annotations"][-1]
    assert (path["text"], path["file_path"]) == (link, {"file_id": "cfile_1"})
    assert links(fold) == [("https://a.test", "[it]")]


def test_a_file_that_is_named_twice_is_reported_once() -> None:
    again = {**TABLE, "start_index": 5, "end_index": 9}
    made, events = play([text("Here"), annotated(TABLE), text(" and here"), annotated(again), terminal()])
    assert len(check(events).messages[0]["content"][0]["text"]["annotations"]) == 2
    assert len(made.take_files()) == 1


def test_an_image_is_a_parts_the_message() -> None:
    made, events = play([text("See "), annotated(PLOT), text("this"), terminal()])
    fold = checked(events)
    image = {"type": "image_file", "image_file": {"file_id": "cfile_2"}}
    assert fold.messages[0]["content"] == [objects.text_part("See this"), image]
    (told,) = [e.object()["delta"]["content"][0] for e in events if b'"delta"' in e.data and b"image_file" in e.data]
    assert told == {"index": 1, **image}
    assert made.take_files() == [GeneratedFile("cfile_2", "plot.PNG", container_id="cntr_1", upstream_id="cfile_2")]


def test_an_image_before_any_text_follows_an_empty_one() -> None:
    _, events = play([annotated(PLOT), text("See"), terminal()])
    first = next(event for event in events if event.name == "thread.message.delta")
    assert first.object()["delta"]["content"] == [
        {"index": 0, "type": "text", "text": {"annotations": [], "value": ""}}
    ]
    fold = check(events)
    assert [part["type"] for part in fold.messages[0]["content"]] == ["text", "image_file"]
    assert fold.texts == ["See"]


def test_without_citations_an_image_stays_and_pages_are_left_out() -> None:
    items = [text("See"), annotated(PLOT), annotated(TABLE), annotated(url_citation("https://a.test", "A", 0, 3))]
    (said, image) = played([*items, terminal()], citations=False).messages[0]["content"]
    assert (said, image["type"]) == (objects.text_part("See"), "image_file")


def test_a_message_with_an_image_is_replayed_as_its_text() -> None:
    call = done({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"}, 1)
    made, _ = play([text("See"), annotated(PLOT), call, terminal()])
    assert made.items()[0] == {"type": "message", "role": "assistant", "content": "See"}


# -- cited pages ------------------------------------------------------------------------------------------
def test_a_page_has_a_key_of_its_own() -> None:
    page = url_citation("https://a.test", "A", 0, 4)
    _, events = play([text("Rain today"), annotated(page), terminal()])
    parts = checked(events).messages[0]["content"]
    placed = {"type": "url_citation", "url": "https://a.test", "title": "A", "start_index": 0, "end_index": 4}
    (delta,) = [e.object()["delta"]["content"] for e in events if b'"delta"' in e.data and b"x_url" in e.data]
    assert delta == [{"index": 0, "type": "text", "text": {"value": "", "x_url_citations": [{"index": 0, **placed}]}}]
    (part,) = parts
    assert part["text"] == {"value": "Rain today", "annotations": [], "x_url_citations": [placed]}


def test_offsets_are_moved_by_markers_before_them_only() -> None:
    items = [text("Rain"), annotated(url_citation("https://a.test", "A", 1, 4)), annotated(CITED), text(".")]
    assert links(played([*items, terminal()])) == [("https://a.test", "ain")]
    items = [text("😀ain"), annotated(CITED), text(" today é"), annotated(url_citation("https://a.test", "A", 0, 4))]
    items += [
        annotated(url_citation(f"https://{page}.test", page, *at)) for page, at in (("b", (4, 10)), ("c", (2, 6)))
    ]
    fold = played([*items, terminal()])
    assert fold.texts == [f"😀ain{MARKER} today é"]
    assert links(fold) == [
        ("https://a.test", "😀ain"),
        ("https://b.test", " today"),
        ("https://c.test", f"in{MARKER} t"),
    ]


def test_pages_of_a_text_that_was_never_streamed() -> None:
    notes = [url_citation("https://b.test", "B", 5, 10), CITED, url_citation("https://a.test", "A", 0, 4)]
    part = {"type": "output_text", "text": "Rain today.", "annotations": notes}
    fold = played([done({**message(), "content": [part]}), terminal()])
    assert fold.texts == [f"Rain{MARKER} today."]
    assert sorted(links(fold)) == [("https://a.test", "Rain"), ("https://b.test", "today")]


def test_a_page_that_is_told_again_counts_once() -> None:
    page = url_citation("https://a.test", "A", 0, 4)
    part = {"type": "output_text", "text": "Rain", "annotations": [page]}
    fold = played([text("Rain"), annotated(page), done({**message(), "content": [part]}), terminal()])
    assert links(fold) == [("https://a.test", "Rain")]


@pytest.mark.parametrize(
    ("start", "end", "about"), [(None, None, ""), (2, 1, ""), (3, 99, "n"), (-1, 2, "Ra"), ("0", "4", ""), (50, 60, "")]
)
def test_odd_offsets_stay_within_the_text(start: Any, end: Any, about: str) -> None:
    page = {"type": "url_citation", "url": "https://a.test", "start_index": start, "end_index": end}
    assert links(played([text("Rain"), annotated(page), terminal()])) == [("https://a.test", about)]


def test_a_message_that_goes_on_in_another_counts_from_there() -> None:
    items = [text("Rain ", "m1"), done(message("Rain ", "m1")), *answer("two", "m2", 1), text("today", "m1")]
    fold = played([*items, annotated(url_citation("https://a.test", "A", 5, 8), "m1"), terminal()])
    assert (fold.texts, links(fold, 2)) == (["Rain ", "two", "today"], [("https://a.test", "tod")])


def test_another_worker_keeps_pages_pictures_and_paths() -> None:
    page = url_citation("https://a.test", "A", 0, 4)
    made = translator()
    items = [text("Rain"), annotated(TABLE), annotated(PLOT), annotated(page), text("!")]
    events = made.start() + made.feed(items)
    taken = Translator.restore(run(), events, None, new_id=ids(), now=clock())
    ended, closed = made.close(Ending.INTERRUPTED), taken.close(Ending.INTERRUPTED)
    assert ended[0].object()["content"] == closed[0].object()["content"]
    check([*events, *closed])
