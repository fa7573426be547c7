"""Pages of lists, as the query requests them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from ..errors import NotFound, RequestError
from ..protocol.objects import Object, page
from ..stores.base import Kind, Record
from ..stores.lines import TURN, Span
from .base import ApiRequest


def list_page(
    request: ApiRequest,
    kind: Kind,
    parent: str = "",
    *,
    spans: Sequence[Span] | None = None,
    shown: Callable[[Record], Object] = attrgetter("body"),
) -> Object:
    """Return the page that a `ListQuery` requests, each record as `shown`; RequestError for an unknown cursor.

    Args:
        spans: as for `Store.list`.
    """
    query = request.query
    window: dict[str, Any] = {key: query.get(key) for key in ("limit", "order", "after", "before")}
    try:
        records = request.registration.store.list(kind, request.owner, parent=parent, spans=spans, **window)
    except NotFound as error:
        raise _not_in_list(error.param or ("after" if "after" in query else "before")) from None
    return page([shown(record) for record in records.records], has_more=records.has_more)


def spans_of_run(run: Record) -> tuple[Span, ...]:
    """Return where the messages of a run are, whatever line it is on."""
    return (Span(run.line, run.position, run.position + TURN),)


def page_from(
    request: ApiRequest, find: Callable[..., tuple[list[Object], bool]], *args: Any, before: bool = True, **options: Any
) -> Object:
    """Return the page that a query requests of a list that `find` reads.

    Args:
        find: takes `args`, `limit`, `order`, `after`, `before` if the list has that cursor, and `options`.

    Raises:
        NotFound: the parent of the list does not exist.
        RequestError: `after` or `before` is not in the list.
    """
    query = request.query
    cursors = {name: query.get(name) for name in (("after", "before") if before else ("after",))}
    try:
        data, has_more = find(*args, limit=query["limit"], order=query["order"], **cursors, **options)
    except NotFound as error:
        if error.param not in cursors:
            raise
        raise _not_in_list(str(error.param)) from None
    return page(data, has_more=has_more)


def window(ids: Sequence[str], *, limit: int, after: str | None, before: str | None) -> tuple[range, bool]:
    """Return which places of a list of ids are on a page, and whether more follow.

    Raises:
        NotFound: `after` or `before`, which `param` names, is not in the list.
    """
    for param, cursor in (("after", after), ("before", before)):
        if cursor is not None and cursor not in ids:
            raise NotFound(f"'{cursor}' is not in the list.", param=param)
    whole = range(0 if after is None else ids.index(after) + 1, len(ids) if before is None else ids.index(before))
    backwards = before is not None and after is None  # the page ends next to the cursor
    return whole[-limit:] if backwards else whole[:limit], len(whole) > limit


def _not_in_list(param: str) -> RequestError:
    return RequestError(f"Invalid '{param}': no such object in this list.", param=param)
