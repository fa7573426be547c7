"""Stems of English words; other words stay."""

from __future__ import annotations

import pytest

from flask_assistant_stream.stores.stemming import stem

STEMS = {"files": "file", "hopping": "hop", "hoping": "hope", "agreed": "agre", "relational": "relat", "sky": "sky"}
NO_WORDS = ("as", "größen", "x86s", "")


@pytest.mark.parametrize(("word", "stemmed"), [*STEMS.items(), *((word, word) for word in NO_WORDS)])
def test_stems(word: str, stemmed: str) -> None:
    assert stem(word) == stemmed
