"""Lists of records: all of them, or a page of those that pass a filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..errors import NotFound
from .base import Kind, Order, Page, Record, Store

CHUNK = 500
"""Records per read of a whole list."""

Keep = Callable[[Record], bool]


def all_records(store: Store, kind: Kind, owner: str, parent: str = "", order: Order = "asc") -> list[Record]:
    """Return all records below `parent`; starts again if the record of a cursor is deleted meanwhile."""
    while True:
        try:
            return list(_walk(store, kind, owner, parent, order, None, None))
        except NotFound:
            continue


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
    kept: list[Record] = []
    for record in _walk(store, kind, owner, parent, order, after, before):
        if keep(record):
            kept.append(record)
        if len(kept) > limit and (before is None or after is not None):
            break
    if before is not None and after is None:  # the page ends next to the cursor
        return Page(kept[-limit:], len(kept) > limit)
    return Page(kept[:limit], len(kept) > limit)


def _walk(
    store: Store, kind: Kind, owner: str, parent: str, order: Order, after: str | None, before: str | None
) -> Iterator[Record]:
    if before is not None and after is None:
        # A page before a cursor ends next to it: walk backwards, then reverse.
        flipped: Order = "asc" if order == "desc" else "desc"
        yield from reversed(list(_walk(store, kind, owner, parent, flipped, before, None)))
        return
    while True:
        page = store.list(kind, owner, parent=parent, limit=CHUNK, order=order, after=after, before=before)
        yield from page.records
        if not page.has_more:
            return
        after = page.records[-1].id
