"""Statements that list records."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from ..base import ON_LINES, Kind, not_found
from ..lines import EVERYTHING, Span, clipped, spans_of
from .records import ALL, to_lines

Connection = sqlite3.Connection

Place = tuple[int, str]
"""Position and id of a record in its list."""


def place_of(connection: Connection, kind: Kind, owner: str, id: str, parent: str) -> Place:
    """Return the place of a record in its list, also of a deleted one; NotFound if it was never there."""
    for table in ("records", "deleted"):
        sql = f"SELECT position, id FROM {table} WHERE kind = ? AND id = ? AND owner = ? AND parent = ?"
        place: Place | None = connection.execute(sql, (kind.value, id, owner, parent)).fetchone()
        if place is not None:
            return place
    raise not_found(kind, id)


def default_spans(connection: Connection, kind: Kind, owner: str, parent: str) -> Sequence[Span]:
    """Return the spans of a list that none are given for."""
    if kind not in ON_LINES:
        return EVERYTHING
    sql = "SELECT lines FROM records WHERE kind = 'thread' AND id = ? AND owner = ?"
    row = connection.execute(sql, (parent, owner)).fetchone()
    return () if row is None else spans_of(to_lines(row[0]))


def select_list(
    connection: Connection,
    listed: tuple[Kind, str, str],
    spans: Sequence[Span],
    low: Place | None,
    high: Place | None,
    limit: int,
    *,
    descending: bool,
) -> Iterator[Sequence[Any]]:
    """Yield the rows of a list between two places: one indexed read for each span, until no more are taken."""
    kind, owner, parent = listed
    way = "DESC" if descending else "ASC"
    parts = list(clipped(spans, low[0] if low else 0, high[0] if high else None))
    for line, first, end in reversed(parts) if descending else parts:
        where = "r.kind = ? AND r.owner = ? AND r.parent = ? AND r.line = ? AND r.position >= ?"
        values: list[Any] = [kind.value, owner, parent, line, first]
        if end is not None:
            where, values = f"{where} AND r.position < ?", [*values, end]
        for place, beyond in ((low, ">"), (high, "<")):
            if place is not None:
                where, values = f"{where} AND (r.position, r.id) {beyond} (?, ?)", [*values, *place]
        sql = f"{ALL} WHERE {where} ORDER BY r.position {way}, r.id {way} LIMIT ?"
        yield from connection.execute(sql, (*values, limit))


def stored_size(row: Sequence[Any]) -> int:
    """Return the bytes of a row of `ALL`, which has ASCII."""
    return len(row[4]) + len(row[5]) + len(row[9] or "")
