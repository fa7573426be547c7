"""The Flask context of a host's tools: an empty request with the address and the language of the one behind the run.

A run outlives its request, so a tool must not see the cookies, the session or the body of that one. But `url_for` needs
an address, and extensions such as Flask-Babel the visitor's languages.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from flask import Flask, has_request_context, request

LANGUAGES = "Accept-Language"


def contexts_of(app: Flask) -> Callable[[], Callable[[], AbstractContextManager[object]]]:
    """Return a function for the request that starts or continues a run; it returns what makes its tools' contexts."""

    def keep() -> Callable[[], AbstractContextManager[object]]:
        if not has_request_context():
            return app.app_context
        headers = {name: value for name, value in request.headers if name == LANGUAGES}
        # With its path: extensions that cache by path must not mistake a tool for a page.
        return partial(app.test_request_context, request.path, base_url=request.root_url, headers=headers)

    return keep
