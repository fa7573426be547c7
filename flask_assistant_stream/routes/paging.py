"""A page of a list, as its query asks for it."""

from __future__ import annotations

from ..errors import NotFound, RequestError
from ..stores.base import Kind, Page
from .base import Call


def list_page(call: Call, kind: Kind, parent: str = "", *, run_id: str | None = None) -> Page:
    """Return the records that a `ListQuery` asks for.

    Raises:
        RequestError: `after` or `before` is not in the list.
    """
    query = call.query
    try:
        return call.site.store.list(
            kind,
            call.owner,
            parent=parent,
            limit=query["limit"],
            order=query["order"],
            after=query.get("after"),
            before=query.get("before"),
            run_id=run_id,
        )
    except NotFound as error:
        param = error.param or ("after" if "after" in query else "before")
        raise RequestError(f"Invalid '{param}': no such object in this list.", param=param) from None
