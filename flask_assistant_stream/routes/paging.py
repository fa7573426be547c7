"""A page of a list, as its query asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import NotFound, RequestError
from ..protocol.objects import Object, page
from ..stores.base import Kind, Page
from .base import ApiRequest


def list_page(request: ApiRequest, kind: Kind, parent: str = "", *, run_id: str | None = None) -> Page:
    """Return the records that a `ListQuery` asks for.

    Raises:
        RequestError: `after` or `before` is not in the list.
    """
    query = request.query
    try:
        return request.registration.store.list(
            kind,
            request.owner,
            parent=parent,
            limit=query["limit"],
            order=query["order"],
            after=query.get("after"),
            before=query.get("before"),
            run_id=run_id,
        )
    except NotFound as error:
        raise _not_in_list(error.param or ("after" if "after" in query else "before")) from None


def found_page(
    request: ApiRequest, find: Callable[..., tuple[list[Object], bool]], *args: str, before: bool = True, **options: Any
) -> Object:
    """Return the page that a query asks for as `find` gives it.

    Args:
        find: takes `args`, `limit`, `order`, `after`, `before` where the list knows it, and `options`.

    Raises:
        NotFound: what is listed is below something that is not there.
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


def _not_in_list(param: str) -> RequestError:
    return RequestError(f"Invalid '{param}': no such object in this list.", param=param)
