"""The steps around a view: owner, validation, response, headers, log record."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState
from flask.typing import RouteCallable

from ..errors import NotFound
from ..protocol import ids
from . import compat, request_log
from .base import EXTENSION, ApiRequest, MakeEncoder, Operation, Registration
from .base_url import refuse_sdk
from .body import body_limit, load, read_object
from .request_keys import read_key
from .responses import json_response
from .stream import choose_format
from .upload import read_upload

ANY_TYPE = "*/*"


def current_registration() -> Registration:
    """Return the registration that the current request belongs to."""
    registrations: dict[str, Registration] = current_app.extensions[EXTENSION]
    # The innermost of ours: a host may nest its own blueprints below this one.
    return next(registrations[name] for name in request.blueprints if name in registrations)


def add_operation(blueprint: Blueprint | BlueprintSetupState, operation: Operation) -> None:
    """Add a route to a blueprint, or to one registration of it."""
    blueprint.add_url_rule(
        operation.rule,
        operation.name,
        _endpoint(operation),
        methods=[operation.method],
        provide_automatic_options=False,
        strict_slashes=False,
    )


def finish(response: Response) -> Response:
    """Add the common headers to a response and write the request's log record; an `after_request`."""
    info = request_log.current()
    request_log.write(response)
    if info.show_error is not None and response.status_code >= 400:
        response = info.show_error(response)
    response.headers["X-Request-Id"] = info.request_id
    return current_registration().cors(response)


def _endpoint(operation: Operation) -> RouteCallable:
    def endpoint(**path: Any) -> Response:
        registration, info = current_registration(), request_log.current()
        registration.runner.wake()
        if not operation.face and not operation.public:
            refuse_sdk(operation.rule)
        info.thread_id, info.run_id = path.get("thread_id", ""), path.get("run_id", "")
        if operation.lists and _compat(registration, operation):
            info.show_error = compat.as_list
        owner = "" if operation.public else registration.gate.admit(request).owner
        if owner:
            info.of_owner(owner)
        api_request = _api_request(operation, registration, owner, info.request_id, path)
        try:
            _check_ids(path)
            answer = operation.view(api_request, **path)
        finally:
            if api_request.upload is not None:
                api_request.upload.content.close()
            if api_request.client is not None and not api_request.client.streaming:  # an error, or a JSON response
                api_request.client.leave()
        return answer if isinstance(answer, Response) else json_response(answer)

    endpoint.__name__ = endpoint.__qualname__ = operation.name  # extensions of the host identify views by it
    return endpoint


def _check_ids(path: dict[str, Any]) -> None:
    """Refuse an id that no object has, before it goes into a query or another URL."""
    for name, id in path.items():
        if name.endswith("_id") and not ids.is_segment(id):
            raise NotFound(f"No {name.removesuffix('_id')} found with id '{id[: ids.MAX_CHARS]}'.")


def _api_request(
    operation: Operation, registration: Registration, owner: str, request_id: str, path: dict[str, Any]
) -> ApiRequest:
    format: MakeEncoder | None = choose_format(request) if operation.negotiates else None
    query = {} if operation.query is None else load(operation.query, _arguments())
    body, upload, key = {}, None, None
    receiving = registration.receiving.in_time(request._get_current_object())  # type: ignore[attr-defined]
    if operation.body is not None:
        with receiving:
            sent = read_object(request, body_limit(registration.max_content_chars))
        body = load(operation.body, sent)
        key = read_key(request, operation, owner, path, sent)
    elif operation.upload is not None:
        with receiving:
            body, upload = read_upload(request, operation.upload, registration.files.max_bytes)
    if format is not None and _compat(registration, operation):
        if operation.begins:  # the request is valid: later errors are shown as a stream
            request_log.current().show_error = partial(compat.as_stream, format, path)
        format = compat.wrap(format)
    client = registration.clients.admit(request.environ) if operation.streams(body) else None
    return ApiRequest(registration, owner, body, query, format, request_id, upload, client, key)


def _compat(registration: Registration, operation: Operation) -> bool:
    """Return if compat mode applies: the quickstart's page uses a bare `fetch`, so it accepts any type."""
    bare = request.headers.get("Accept", ANY_TYPE) == ANY_TYPE
    return registration.quickstart_compat and not operation.face and bare


def _arguments() -> dict[str, Any]:
    """Return the query's values; a name that ends in `[]` has a list."""
    args = request.args
    return {name: args.getlist(name) if name.endswith("[]") else args[name] for name in args}
