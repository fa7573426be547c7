"""The host app of the stack's tests, which also says which worker an answer comes from."""

from __future__ import annotations

import os

from flask import Flask, Response

from tests.stack.app import create_app as create_host

WORKER = "X-Worker"


def create_app() -> Flask:
    """Make the app; the environment says which store and which upstream."""
    app = create_host()

    @app.after_request
    def tell_worker(response: Response) -> Response:
        response.headers[WORKER] = str(os.getpid())
        return response

    return app
