"""Passages: no text is lost, no word is cut, none is too long, headings stay with their text."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from flask_assistant_stream.extraction.passages import MAX_CHARS, USUAL_CHARS, cut

SENTENCE = "The quick brown fox jumps over the lazy dog near the river bank today. "

texts = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.text(alphabet="ab \n\t#.,é\u0301🎈。\u00a0\u2028", max_size=300),
        st.sampled_from(["# Heading\n", "\n\n", "## Sub\n\n", SENTENCE * 4, SENTENCE * 30, "x" * 999 + " "]),
    ),
    max_size=12,
).map("".join)


def words(*texts: str) -> list[str]:
    """Return the words of texts; a sentence end of a script without spaces also ends a word."""
    return [word for text in texts for word in re.sub("(?<=[。！？])", " ", text).split()]


@given(texts)
def test_all_words_are_kept_in_order(text: str) -> None:
    passages = cut(text)
    if all(len(word) <= MAX_CHARS for word in text.split()):
        assert words(*passages) == words(text)
    assert "".join(words(*passages)) == "".join(words(text))


@given(texts)
def test_passages_are_neat(text: str) -> None:
    for passage in cut(text):
        assert 0 < len(passage) <= MAX_CHARS
        assert passage == passage.strip()
        assert all(line == " ".join(line.split()) for line in passage.split("\n"))
        assert "\n\n\n" not in passage


@given(texts)
def test_two_short_passages_are_joined(text: str) -> None:
    passages = cut(text)
    short = USUAL_CHARS // 2
    assert not [1 for before, after in pairwise(passages) if len(before) < short and len(after) < short]


def test_empty_text_has_no_passage() -> None:
    assert cut("") == cut(" \n\t\n \u00a0") == []


def test_short_paragraphs_are_joined_and_stay_apart() -> None:
    assert cut("One  line.\r\nAnother.\n\n\n\nA  paragraph.") == ["One line.\nAnother.\n\nA paragraph."]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    passages = cut(SENTENCE * 40)
    assert len(passages) > 2
    for passage in passages:
        assert passage.startswith("The quick")
        assert passage.endswith("today.")
    assert all(USUAL_CHARS - 100 < len(passage) < USUAL_CHARS + 100 for passage in passages[:-1])


def test_a_heading_stays_with_the_text_below() -> None:
    text = "\n\n".join(f"## Section {number}\n\n{SENTENCE * 7}" for number in range(5))
    passages = cut(text)
    assert [passage.splitlines()[0] for passage in passages] == [f"## Section {number}" for number in range(5)]
    assert cut(f"{SENTENCE * 8}\n# Title\n## Part\n{SENTENCE}")[1].startswith("# Title\n\n## Part\n\nThe quick")


def test_a_heading_stays_with_the_beginning_of_a_long_paragraph() -> None:
    first, *_ = cut(f"{SENTENCE * 5}\n\n# Long\n\n{SENTENCE * 30}")[1:]
    assert first.startswith("# Long\n\nThe quick")


def test_a_heading_at_the_end_is_kept() -> None:
    assert cut("Text.\n\n# The end") == ["Text.\n\n# The end"]
    assert cut("# Alone\n\n") == ["# Alone"]


def test_one_long_line_of_json_is_cut_between_its_words() -> None:
    text = "{" + ",".join(f'"key{number}":"value{number}"' for number in range(300)) + "}"
    passages = cut(text)
    assert "".join(passages) == text
    assert all(not (before[-1].isalnum() and after[0].isalnum()) for before, after in pairwise(passages))


def test_a_sentence_that_ends_one_character_too_late() -> None:
    passages = cut("x" * MAX_CHARS + "。0")
    assert [len(passage) for passage in passages] == [MAX_CHARS, 2]


def test_an_endless_word_is_not_cut_before_a_mark() -> None:
    text = "e\u0301" * 2000
    passages = cut("x" + text)
    assert "".join(passages) == "x" + text
    assert not [passage for passage in passages if passage.startswith("\u0301")]


def test_large_texts() -> None:
    assert "".join(cut("#" * 2_000_000)) == "#" * 2_000_000
    assert len(cut("# a\n" * 300_000)) > 1000
    assert len(cut(" " * 1_000_000 + "a")) == 1
