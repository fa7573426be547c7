"""Stems of English words; what is no English word stays."""

from __future__ import annotations

import pytest

from flask_assistant_stream.stores.stemming import stem


@pytest.mark.parametrize(
    ("word", "stemmed"),
    [
        ("files", "file"),
        ("hopping", "hop"),
        ("hoping", "hope"),
        ("agreed", "agre"),
        ("relational", "relat"),
        ("sky", "sky"),
        ("as", "as"),
        ("größen", "größen"),
        ("x86s", "x86s"),
        ("", ""),
    ],
)
def test_stems(word: str, stemmed: str) -> None:
    assert stem(word) == stemmed
