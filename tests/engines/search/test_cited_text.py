"""Marks in a model's text: what is one, what is not, and that no cut between two pieces changes anything."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_assistant_stream.engines.search.cited_text import CitedText

SOURCES = [{"file_id": f"file-{n}", "filename": f"{n}.md"} for n in "abc"]

Read = tuple[str, list[tuple[int, str]]]


def fed(pieces: Iterable[str]) -> CitedText:
    """Feed pieces, and check on the way that what comes out is what the text says in the end."""
    text, out, notes = CitedText(SOURCES), "", list[dict[str, Any]]()
    told = [one for piece in pieces for one in text.feed(piece)]
    for one in [*told, *text.finish()]:
        if isinstance(one, str):
            assert one
            out += one
        else:
            assert one["index"] == len(out)
            notes.append(one)
    assert (text.text, text.notes) == (out, notes)
    return text


def read(*pieces: str) -> Read:
    text = fed(pieces)
    return text.text, [(note["index"], note["file_id"]) for note in text.notes]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("It lasts 37 months [doc1].", ("It lasts 37 months.", [(18, "file-a")])),
        ("It lasts 37 months.[doc2]", ("It lasts 37 months.", [(19, "file-b")])),
        ("[doc3] So it is.", (" So it is.", [(0, "file-c")])),
        ("Yes [doc1][doc2].", ("Yes.", [(3, "file-a"), (3, "file-b")])),
        ("Yes [doc1] [doc1].", ("Yes.", [(3, "file-a")])),
        ("Yes [doc1, doc3].", ("Yes.", [(3, "file-a"), (3, "file-c")])),
        ("Yes [doc1; 2].", ("Yes.", [(3, "file-a"), (3, "file-b")])),
        ("Yes 【doc1】.", ("Yes.", [(3, "file-a")])),
        ("Yes [Doc 1].", ("Yes.", [(3, "file-a")])),
        ("Yes <doc1>, [^doc2].", ("Yes,.", [(3, "file-a"), (4, "file-b")])),
        ("One [doc1]\n\nTwo [doc1]\n", ("One\n\nTwo\n", [(3, "file-a"), (8, "file-a")])),
        ("🌞 Łódź [doc2]!", ("🌞 Łódź!", [(6, "file-b")])),
        ("a `b` [doc1]", ("a `b`", [(5, "file-a")])),
        ("a ` lone tick\nand [doc1]", ("a ` lone tick\nand", [(17, "file-a")])),
        ("```\nx[doc1]\n```\nSo [doc1]", ("```\nx[doc1]\n```\nSo", [(18, "file-a")])),
    ],
)
def test_marks_become_citations(written: str, expected: Read) -> None:
    assert (read(written), read(*written)) == (expected, expected)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "No mark at all ",
        "Unknown [doc4] and [doc0] and [doc1, doc9].",
        "a < b, <p>, <doc>, </doc1>",
        "[1] and [2], a[0], [x](doc1), [doc]",
        "A link [doc1](https://example.com/a).",
        "Code `[doc1]` and ``a ` [doc1]``.",
        "```python\nprint('[doc1]')\n```",
        "````\n```\n[doc1]\n````",
        "```\nnever closed [doc1]",
        "begun [doc1",
        "begun [doc",
        "begun [",
        "[" * 50 + "`" * 50,
        "[doc" + "1" * 500 + "]",
    ],
)
def test_everything_else_is_text(written: str) -> None:
    assert (read(written), read(*written)) == ((written, []), (written, []))


BITS = [*"<^[]d129(` \n【】🌞", "doc", ", ", "  ", "```", "word", "[doc1]", "\ud83c", "\udf1e"]
TEXTS = st.lists(st.sampled_from(BITS), max_size=30).map("".join)


@given(written=TEXTS, cuts=st.lists(st.integers(0, 60), max_size=12))
def test_no_cut_changes_anything(written: str, cuts: list[int]) -> None:
    places = sorted({0, len(written), *(min(cut, len(written)) for cut in cuts)})
    text, pieced = CitedText(SOURCES), CitedText(SOURCES)
    text.feed(written)
    text.finish()
    for one, two in pairwise(places):
        pieced.feed(written[one:two])
    pieced.finish()
    assert (pieced.text, pieced.notes) == (text.text, text.notes)
    if not text.notes:
        assert text.text == text.received
    assert all(0 <= note["index"] <= len(text.text) for note in text.notes)
    assert [note["index"] for note in text.notes] == sorted(note["index"] for note in text.notes)


def test_offsets_of_the_model_are_found_again() -> None:
    text = fed(["ab [doc1]cd [doc2]ef"])
    assert text.text == "abcdef"
    assert [text.place(offset) for offset in (0, 2, 3, 9, 10, 11, 18, 20)] == [0, 2, 2, 2, 3, 4, 4, 6]


def test_a_flood_of_backticks_takes_no_time() -> None:
    assert read("`" * 20_000 + "a") == ("`" * 20_000 + "a", [])
