"""A server whose connections break in the middle of a response."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from werkzeug.serving import make_server

from tests.server_process import PREFIX


@contextmanager
def cutting(app: Flask, times: int = 2) -> Iterator[str]:
    """Serve an app whose first `times` streams break; yield the URL of its API."""
    app.wsgi_app = Cutting(app.wsgi_app, times)  # type: ignore[method-assign]
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
    server.shutdown()
    thread.join()
    server.server_close()


class Cutting:
    """A WSGI app that cuts the first `times` bodies in the middle of a line."""

    def __init__(self, app: Any, times: int) -> None:
        self.app = app
        self.remaining = times

    def __call__(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        body = b"".join(self.app(environ, start_response))
        if self.remaining and body.count(b"\n") > 4:
            self.remaining -= 1
            yield body[: body.index(b"thread.message.delta", len(body) // 3)]
        else:
            yield body
