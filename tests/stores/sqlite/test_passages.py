"""The cost of a search in the SQLite file, and what passages leave there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from flask_assistant_stream.errors import RequestError
from flask_assistant_stream.stores.base import Kind, Record
from flask_assistant_stream.stores.sqlite import SQLiteStore, passages
from flask_assistant_stream.testing.store_material import ANN, BOB
from tests.stores.conftest import Spy


def test_words_of_deleted_passages_are_deleted(store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passages, "GROUP", 2)
    store.write_passages(ANN, "file", [f"apple {number}" for number in range(7)])
    store.write_passages(ANN, "file", ["pear"] * 5)
    store.write_passages(BOB, "file", ["apple"])
    store.delete_passages(BOB, "file")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*), max(number) FROM passages").fetchone() == (5, 4)
        assert connection.execute("SELECT count(*) FROM passage_words").fetchone() == (5,)
        connection.execute("INSERT INTO passage_words (passage_words) VALUES ('integrity-check')")
        connection.execute("CREATE VIRTUAL TABLE kept USING fts5vocab(passage_words, 'col')")
        kept = connection.execute("SELECT term, doc FROM kept WHERE col = 'words'").fetchall()
    assert kept == [("pear", 5)]


def test_no_statement_scans_a_table(spy: Spy, store: SQLiteStore) -> None:
    store.write_passages(ANN, "file", ["apple"] * 3)
    store.insert(Record(Kind.FILE, ANN, {"id": "file"}))
    store.write_blob(ANN, "blob", [b"bytes"])
    calls: list[Callable[[], object]] = [
        lambda: store.search_passages(ANN, ["file"], "apple", 2),
        lambda: store.read_passages(ANN, "file"),
        lambda: store.owner_of(Kind.FILE, "file"),
        lambda: store.write_passages(ANN, "file", ["pear"]),
        lambda: [*store.read_blob(ANN, "blob")],
        lambda: store.write_blob(ANN, "blob", [b"bytes"]),
        lambda: store.delete_blob(ANN, "blob"),
    ]
    statements = [sql for call in calls for sql in spy.statements(call)]
    wanted = [sql for sql in statements if sql.lstrip().startswith(("SELECT", "DELETE", "UPDATE")) and "%_" not in sql]
    assert len(wanted) > 10
    for sql in wanted:
        scans = [step for step in spy.plan(sql) if step.startswith("SCAN") or "TEMP B-TREE FOR ORDER" in step]
        assert not [scan for scan in scans if "VIRTUAL TABLE" not in scan], (sql, scans)


def test_a_reopened_file_has_it_all(sqlite_url: str, store: SQLiteStore, tmp_path: Path) -> None:
    store.write_passages(ANN, "file", ["apples"])
    store.write_blob(ANN, "blob", [b"bytes"])
    store.close()
    again = SQLiteStore(sqlite_url)
    assert [hit.text for hit in again.search_passages(ANN, ["file"], "apple", 1)] == ["apples"]
    assert [*again.read_blob(ANN, "blob")] == [b"bytes"]
    again.close()


def test_a_search_that_takes_too_long(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write_passages(ANN, "file", ["apple pear plum"] * 50)
    monkeypatch.setattr(passages, "STEPS", 1)
    monkeypatch.setattr(passages, "SEARCH_SECONDS", -1)
    with pytest.raises(RequestError) as caught:
        store.search_passages(ANN, ["file"], "apple pear plum", 5)
    assert caught.value.code == "search_timeout"
    monkeypatch.setattr(passages, "SEARCH_SECONDS", 10.0)
    assert len(store.search_passages(ANN, ["file"], "apple pear plum", 5)) == 5
    assert len(store.read_passages(ANN, "file")) == 50, "the connection has no limit left"
