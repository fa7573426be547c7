"""Lists of records: all of them, or a page of those that pass a filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..protocol.events import dump
from .base import Kind, Order, Page, Record, Store, first_fitting

CHUNK = 500
"""The most records per read."""

Keep = Callable[[Record], bool]


def all_records(store: Store, kind: Kind, owner: str, parent: str = "", order: Order = "asc") -> list[Record]:
    """Return all records below `parent`."""
    return list(_walk(store, kind, owner, parent, order, None, None, CHUNK))


def page_of(
    store: Store,
    kind: Kind,
    owner: str,
    *,
    parent: str = "",
    keep: Keep | None = None,
    limit: int,
    order: Order,
    after: str | None,
    before: str | None = None,
) -> Page:
    """Return a page of the records that `keep` accepts; NotFound if a cursor is not in the list, kept or not."""
    if keep is None:
        return store.list(kind, owner, parent=parent, limit=limit, order=order, after=after, before=before)
    backwards = before is not None and after is None
    if backwards:  # the page ends next to the cursor
        order, after, before = "asc" if order == "desc" else "desc", before, None
    records = filter(keep, _walk(store, kind, owner, parent, order, after, before, limit + 1))
    kept, has_more = first_fitting(records, lambda record: len(dump(record.body)), limit)
    return Page(kept[::-1] if backwards else kept, has_more)


def _walk(
    store: Store,
    kind: Kind,
    owner: str,
    parent: str,
    order: Order,
    after: str | None,
    before: str | None,
    chunk: int,
) -> Iterator[Record]:
    """Yield records in order, read in chunks that double: the first often has all that is wanted."""
    while True:
        page = store.list(kind, owner, parent=parent, limit=chunk, order=order, after=after, before=before)
        yield from page.records
        if not page.has_more:
            return
        after, chunk = page.records[-1].id, min(2 * chunk, CHUNK)
