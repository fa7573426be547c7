"""Stems of English words, compared with those of an independent implementation: SQLite's."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flask_assistant_stream.stores.stemming import stem

ROOT = Path(__file__).parent.parent.parent
ENDINGS = ("ed", "ing", "eed", "ies", "sses", "ization", "iveness", "fulness", "ability", "ement", "sion", "icate")


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


def test_sqlite_has_the_same_stems() -> None:
    texts = [path.read_text(encoding="utf-8") for path in [*ROOT.glob("docs/*.md"), *ROOT.glob("tests/*.py")]]
    found = sorted({word for text in texts for word in re.findall("[a-z]{3,20}", text.lower())})
    words = sorted({*found, *(word + ending for word in found for ending in ENDINGS)})
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE VIRTUAL TABLE words USING fts5(word, tokenize = 'porter unicode61')")
        connection.execute("CREATE VIRTUAL TABLE stems USING fts5vocab(words, 'instance')")
        connection.executemany("INSERT INTO words (rowid, word) VALUES (?, ?)", [*enumerate(words)])
        theirs = dict(connection.execute("SELECT doc, term FROM stems").fetchall())
    assert len(words) > 10_000
    assert {words[number]: stemmed for number, stemmed in theirs.items() if stem(words[number]) != stemmed} == {}
