"""Answer everything that goes wrong below the prefix as JSON: our errors, Flask's, surprises, unknown routes."""

from __future__ import annotations

import logging
import math
import traceback

from flask import Blueprint, Response, current_app, got_request_exception, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, TooManyRequests

from ..errors import AssistantStreamError, NotFound, RequestError, StoreError, Unauthorized, Unavailable, UpstreamError
from ..protocol.failures import RATE_LIMIT
from . import request_log
from .responses import json_response

logger = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
CATCH_ALL = "unknown_route"


def add_error_responses(blueprint: Blueprint) -> None:
    """Register the error answers and the catch-all; nothing outside the blueprint changes."""
    blueprint.register_error_handler(AssistantStreamError, _ours)
    blueprint.register_error_handler(HTTPException, _flasks)
    blueprint.register_error_handler(Exception, _surprise)
    for rule in ("/", "/<path:path>"):
        blueprint.add_url_rule(
            rule, CATCH_ALL, unknown_route, methods=METHODS, provide_automatic_options=False, strict_slashes=False
        )


def unknown_route(**_path: str) -> Response:
    """Answer what no route takes: 405 where the path is known, 404 else; OPTIONS for all routes."""
    allowed = _allowed_methods()
    preflight = "Access-Control-Request-Method" in request.headers
    if request.method == "OPTIONS" and (allowed or preflight):
        # A preflight for an unknown path passes, so that the front-end gets to read the 404.
        return Response(status=204, headers={"Allow": ", ".join([*allowed, "OPTIONS"])})
    if allowed:
        raise MethodNotAllowed([*allowed, "OPTIONS"], f"{request.method} is not allowed here, {', '.join(allowed)} is.")
    raise NotFound(f"Unknown request URL: {request.method} {request.path}. The routes are in openapi.json.")


def _allowed_methods() -> list[str]:
    """Return the methods that a route of its own takes at this path."""
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None
    allowed = []
    for method in METHODS:
        try:
            rule, _ = adapter.match(method=method, return_rule=True)
        except HTTPException:
            continue
        if rule.endpoint.rpartition(".")[2] != CATCH_ALL:
            allowed.append(method)
    return allowed


def _ours(error: AssistantStreamError) -> Response:
    if isinstance(error, StoreError):
        return _store_failed(error)
    if isinstance(error, Unavailable):
        return _unavailable(error)
    if isinstance(error, UpstreamError):
        return _upstream_failed(error)
    if not isinstance(error, RequestError):
        _log(logging.ERROR, f"{type(error).__name__}: {error.message}")
        return _internal_error()
    response = json_response(error.body(), error.status)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _store_failed(error: StoreError) -> Response:
    """Say that the store is away and no more: a driver's message may name hosts."""
    _log(logging.ERROR, f"store failed: {error.message}")
    told = StoreError("The store does not answer; try again in a moment.")
    response = json_response(told.body(), told.status)
    response.headers["Retry-After"] = "1"
    return _not_repeated(response)


def _unavailable(error: Unavailable) -> Response:
    """Have the request sent again in a moment, perhaps to another process: nothing was begun."""
    response = json_response(error.body(), error.status)
    response.headers["Retry-After"] = str(math.ceil(error.retry_after))
    response.headers["x-should-retry"] = "true"
    return response


def _upstream_failed(error: UpstreamError) -> Response:
    """Pass on what the upstream made of a request; its message is fit for clients."""
    _log(logging.WARNING, f"upstream failed: {error.message}")
    response = json_response(error.body(), error.status)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(math.ceil(error.retry_after))
    return _not_repeated(response)


def _not_repeated(response: Response) -> Response:
    """Tell OpenAI's clients, which repeat such a failure by themselves, to leave it: a write may have landed."""
    if request.method not in ("GET", "HEAD"):
        response.headers["x-should-retry"] = "false"
    return response


def _flasks(error: HTTPException) -> Response:
    """Turn what Flask or the host aborted with into JSON, its status and headers kept."""
    if error.response is not None:
        return current_app.make_response(error.response)  # a redirect to the host's login page, for one
    status = error.code or 500
    kind = RequestError if status < 500 else AssistantStreamError
    code = RATE_LIMIT if status == TooManyRequests.code else None
    response = json_response(kind(error.description or error.name, code=code).body(), status)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _surprise(error: Exception) -> Response:
    """Answer 500 and log where it happened; an exception's text may quote content, so it is left out."""
    got_request_exception.send(current_app._get_current_object(), exception=error)  # type: ignore[attr-defined]
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log(logging.ERROR, f"{type(error).__name__} at\n{frames}")
    return _internal_error()


def _internal_error() -> Response:
    info = request_log.current()
    return json_response(AssistantStreamError(f"Internal error; request id {info.request_id}.").body(), 500)


def _log(level: int, text: str) -> None:
    info = request_log.current()
    logger.log(level, "%s [%s]", text, info, extra=info.extra)
