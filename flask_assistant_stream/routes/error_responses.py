"""JSON responses for every error below the prefix: our errors, Flask's, unexpected exceptions, unknown routes."""

from __future__ import annotations

import logging
import math
import traceback

from flask import Blueprint, Response, current_app, got_request_exception, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, TooManyRequests
from werkzeug.routing import PathConverter

from ..errors import AssistantStreamError, NotFound, RequestError, StoreError, Unauthorized, Unavailable, UpstreamError
from ..loggers import Lines, logger_of
from ..protocol.last_errors import RATE_LIMIT
from . import request_log
from .base_url import refuse_sdk
from .responses import json_response

logger = logger_of(__name__)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
CATCH_ALL = "unknown_route"
ANY_PATH = "assistant_path"
"""The name of `AnyPath` among an app's converters."""
REST = f"/<{ANY_PATH}:path>"


class AnyPath(PathConverter):
    """The rest of a path, also with line breaks, which Flask's own converter leaves to the host's 404 page."""

    regex = "(?s:[^/].*?)"


def add_error_responses(blueprint: Blueprint) -> None:
    """Register the error responses and the catch-all for the blueprint alone."""
    blueprint.register_error_handler(AssistantStreamError, _own_error)
    blueprint.register_error_handler(HTTPException, _http_error)
    blueprint.register_error_handler(Exception, _unexpected_error)
    for rule in ("/", REST):
        blueprint.add_url_rule(
            rule, CATCH_ALL, unknown_route, methods=METHODS, provide_automatic_options=False, strict_slashes=False
        )


def unknown_route(**_path: str) -> Response:
    """Return 405 for a known path and 404 for another one; answer OPTIONS for all routes."""
    allowed = _allowed_methods()
    preflight = "Access-Control-Request-Method" in request.headers
    if request.method == "OPTIONS" and (allowed or preflight):
        # A preflight for an unknown path passes, so that the front-end can read the 404.
        return Response(status=204, headers={"Allow": ", ".join([*allowed, "OPTIONS"])})
    if allowed:
        raise MethodNotAllowed([*allowed, "OPTIONS"], f"{request.method} is not allowed here, {', '.join(allowed)} is.")
    refuse_sdk(REST)
    raise NotFound(f"Unknown request URL: {request.method} {request.path}. The routes are in openapi.json.")


def _allowed_methods() -> list[str]:
    """Return the methods of the routes at this path, without the catch-all."""
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


def _own_error(error: AssistantStreamError) -> Response:
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
    """Report a store failure without its reason: a driver's message may name hosts."""
    _log(logging.ERROR, f"store failed: {error.message}")
    public = StoreError("The store does not answer; try again in a moment.")
    response = json_response(public.body(), public.status)
    response.headers["Retry-After"] = "1"
    return _without_retry(response)


def _unavailable(error: Unavailable) -> Response:
    """Ask for a retry, perhaps at another process: nothing has started."""
    response = json_response(error.body(), error.status)
    response.headers["Retry-After"] = str(math.ceil(error.retry_after))
    response.headers["x-should-retry"] = "true"
    return response


def _upstream_failed(error: UpstreamError) -> Response:
    """Return the upstream's error; its message is safe for clients."""
    _log(logging.WARNING, f"upstream failed: {error.message}")
    response = json_response(error.body(), error.status)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(math.ceil(error.retry_after))
    return _without_retry(response)


def _without_retry(response: Response) -> Response:
    """Stop the automatic retry of OpenAI's clients: the write may have succeeded."""
    if request.method not in ("GET", "HEAD"):
        response.headers["x-should-retry"] = "false"
    return response


def _http_error(error: HTTPException) -> Response:
    """Return an abort of Flask or the host as JSON, with its status and headers."""
    if error.response is not None:
        return current_app.make_response(error.response)  # such as a redirect to the host's login page
    status = error.code or 500
    kind = RequestError if status < 500 else AssistantStreamError
    code = RATE_LIMIT if status == TooManyRequests.code else None
    response = json_response(kind(error.description or error.name, code=code).body(), status)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _unexpected_error(error: Exception) -> Response:
    """Return 500 and log the stack without the exception's text, which may quote content."""
    got_request_exception.send(current_app._get_current_object(), exception=error)  # type: ignore[attr-defined]
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log(logging.ERROR, Lines(f"{type(error).__name__} at\n{frames}"))
    return _internal_error()


def _internal_error() -> Response:
    info = request_log.current()
    return json_response(AssistantStreamError(f"Internal error; request id {info.request_id}.").body(), 500)


def _log(level: int, text: str) -> None:
    info = request_log.current()
    logger.log(level, "%s [%s]", text, info, extra=info.extra)
