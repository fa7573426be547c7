"""Reads of lists: a few queries in their order, each of which an index answers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing

from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING

from ..base import ON_LINES, Kind, Page, Record, first_fitting, not_found
from ..lines import EVERYTHING, Span, clipped, spans_of
from .documents import UNREAD, Document, decode_document, record_id, size_of, to_lines, to_record
from .schema import COLLECTIONS, DELETED, THREADS, Db

SPANS = 16
"""Spans per query: most pages need no second one, and the server opens an index cursor for each."""

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
    """Return the first records of a list (kind, owner, parent) that are in the spans and between two places."""
    kind = listed[0]
    there = [span for span in spans if kind in ON_LINES or not span.line]
    between = clipped(there, low[0] if low else 0, high[0] if high else None)
    parts = [_span_query(listed, span, low, high) for span in between]
    if descending:
        parts.reverse()
    groups = [parts[first : first + SPANS] for first in range(0, len(parts), SPANS)]
    queries = [group[0] if len(group) == 1 else {"$or": group} for group in groups]
    return _read(db, kind, queries, ("position", "_id"), limit, DESCENDING if descending else ASCENDING)


def read_of_owner(db: Db, kind: Kind, owner: str, after: Record | None, limit: int) -> Page:
    """Return the first records of an owner behind a record, whatever their parents."""
    queries: list[Document] = [{"owner": owner}]
    if after is not None:
        below: Document = {"owner": owner, "parent": after.parent}
        next_to_it = {**below, **_beyond((after.position, record_id(kind, owner, after.id)), "$gt")}
        queries = [next_to_it, {"owner": owner, "parent": {"$gt": after.parent}}]
        if kind in ON_LINES:
            next_to_it["line"] = after.line or None
            queries.insert(1, {**below, "line": {"$gt": after.line}})
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


def _span_query(listed: tuple[Kind, str, str], span: Span, low: Place | None, high: Place | None) -> Document:
    kind, owner, parent = listed
    query: Document = {"owner": owner, "parent": parent}
    if kind in ON_LINES:
        query["line"] = span.line or None  # documents of line 0 have no such field
    position = {"$gte": span.first} if span.first else {}
    if span.end is not None:
        position["$lt"] = span.end
    if position:
        query["position"] = position
    bounds = [_beyond(place, way) for place, way in ((low, "$gt"), (high, "$lt")) if place is not None]
    return {**query, "$and": bounds} if bounds else query


def _beyond(place: Place, way: str) -> Document:
    """Return the condition for the records on one side of a place."""
    position, key = place
    same_place = {"position": position, "_id": {way: key}}
    # The first condition is redundant but bounds the index scan, which `$or` does not.
    return {"position": {f"{way}e": position}, "$or": [{"position": {way: position}}, same_place]}
