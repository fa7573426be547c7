"""Reads of lists: a few queries in their order, each of which an index answers."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING

from ..base import ON_LINES, Kind, Page, Record, first_fitting, not_found
from ..lines import EVERYTHING, Span, clipped, spans_of
from .documents import UNREAD, Document, decode_document, record_id, size_of, to_lines, to_record
from .schema import COLLECTIONS, DELETED, THREADS, Db

Place = tuple[int, str]
"""Position and `_id` of a record in its list."""


def place_of(db: Db, kind: Kind, owner: str, id: str, parent: str) -> Place:
    """Return the place of a record in its list, also of a deleted one; NotFound if it was never there."""
    key, listed = record_id(kind, owner, id), {"owner": owner, "parent": parent}
    for collection, query in ((COLLECTIONS[kind], {"_id": key}), (DELETED, {"_id": deleted_id(kind, key)})):
        if document := db[collection].find_one({**query, **listed}, {"position": True}):
            return document["position"], key
    raise not_found(kind, id)


def deleted_id(kind: Kind, key: str) -> str:
    """Return the `_id` of the place of a deleted record."""
    return f"{kind.value}/{key}"


def default_spans(db: Db, kind: Kind, owner: str, parent: str) -> Sequence[Span]:
    """Return the spans of a list that none are given for."""
    if kind not in ON_LINES:
        return EVERYTHING
    thread = db[THREADS].find_one({"_id": parent}, {"owner": True, "lines": True})
    return spans_of(to_lines(thread)) if thread is not None and thread["owner"] == owner else ()


def read_list(
    db: Db,
    listed: tuple[Kind, str, str],
    spans: Sequence[Span],
    low: Place | None,
    high: Place | None,
    limit: int,
    *,
    descending: bool,
) -> Page:
    """Return the first records of a list (kind, owner, parent) that are in the spans and between two places.

    Spans are read one by one until the page is full: most pages are within one. `$or` would be one query, but not every
    server merges its branches by an index.
    """
    kind = listed[0]
    there = [span for span in spans if kind in ON_LINES or not span.line]
    between = clipped(there, low[0] if low else 0, high[0] if high else None)
    queries = [query for span in between for query in _span_queries(_on_line(listed, span.line), span, low, high)]
    if descending:
        queries.reverse()
    return _read(db, kind, queries, ("position", "_id"), limit, DESCENDING if descending else ASCENDING)


def read_of_owner(db: Db, kind: Kind, owner: str, after: Record | None, limit: int) -> Page:
    """Return the first records of an owner behind a record, whatever their parents."""
    queries: list[Document] = [{"owner": owner}]
    if after is not None:
        below = _on_line((kind, owner, after.parent), after.line)
        same_place = {"position": after.position, "_id": {"$gt": record_id(kind, owner, after.id)}}
        queries = [{**below, **same_place}, {**below, "position": {"$gt": after.position}}]
        if kind in ON_LINES:
            queries.append({**below, "line": {"$gt": after.line}})
        queries.append({"owner": owner, "parent": {"$gt": after.parent}})
    line = ("line",) if kind in ON_LINES else ()
    return _read(db, kind, queries, ("parent", *line, "position", "_id"), limit, ASCENDING)


def _read(db: Db, kind: Kind, queries: Sequence[Document], order: Sequence[str], limit: int, way: int) -> Page:
    """Return a page of what queries find; a later query is only sent if the earlier ones do not fill it."""
    collection = db[COLLECTIONS[kind]].with_options(UNREAD)

    def matching() -> Generator[RawBSONDocument, None, None]:
        for query in queries:
            with collection.find(query).sort([(key, way) for key in order]).limit(limit + 1) as cursor:
                yield from cursor

    with closing(matching()) as documents:
        page, has_more = first_fitting(documents, size_of, limit)
    return Page([to_record(kind, decode_document(document)) for document in page], has_more)


def _on_line(listed: tuple[Kind, str, str], line: int) -> Document:
    kind, owner, parent = listed
    query: Document = {"owner": owner, "parent": parent}
    return {**query, "line": line or None} if kind in ON_LINES else query  # documents of line 0 have no such field


def _span_queries(query: Document, span: Span, low: Place | None, high: Place | None) -> Iterator[Document]:
    """Yield the queries of a span between two places, ascending: at the position of a place, the ids count too."""
    _, first, end = span
    if low is not None and first == low[0]:
        ids = {"$gt": low[1], **({"$lt": high[1]} if high is not None and high[0] == first else {})}
        yield {**query, "position": first, "_id": ids}
        first += 1
    to_high = high is not None and end == high[0] + 1
    if high is not None and to_high:
        end = high[0]
    if end is None or first < end:
        position = {**({"$gte": first} if first else {}), **({} if end is None else {"$lt": end})}
        yield {**query, **({"position": position} if position else {})}
    if high is not None and to_high and first <= high[0]:
        yield {**query, "position": high[0], "_id": {"$lt": high[1]}}
