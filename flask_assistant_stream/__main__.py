"""`python -m flask_assistant_stream`: the example app on gevent, which patches before other imports."""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()

import argparse
import logging
import os
import shlex
import signal
import socket
import sys

import gevent
from flask import Flask
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer
from gevent.queue import Queue

from .errors import ConfigError
from .example import API_KEY_FILE, PREFIX, create_example_app, instance_folder
from .loggers import logger_of
from .routes.base import EXTENSION
from .shutdown import Shutdown, drains

STOP_SECONDS = 5.0
"""How long runs may continue after SIGTERM; then they are interrupted."""
LAST_SECONDS = 0.5
"""Time for other requests."""

logger = logger_of("flask_assistant_stream.server")


def main() -> None:
    """Serve until Ctrl-C, which interrupts runs, or until SIGTERM, which gives them `STOP_SECONDS`."""
    arguments = _arguments()
    os.umask(0o077)  # only this user may read the instance folder
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    key_file = instance_folder() / API_KEY_FILE
    first_start = not key_file.exists()
    try:
        app = create_example_app(host=arguments.host)
        server = _server(app, arguments.host, arguments.port)
    except (ConfigError, OSError) as error:
        sys.exit(f"Cannot start: {error}")
    origin = _origin(arguments.host, server.server_port)
    for registration in app.extensions[EXTENSION].values():
        registration.runner.wake()  # end the runs of the last process before the first request
    _greet(app, origin)
    if first_start and key_file.exists():
        key = key_file.read_text()
        print(f"API key for OpenAI's clients; shown once, stored in {key_file}:\n  {key}\n")
        print(f'  from openai import OpenAI\n  client = OpenAI(base_url="{origin}{PREFIX}/v1", api_key="{key}")\n')
    stops = Queue()
    gevent.signal_handler(signal.SIGTERM, stops.put, STOP_SECONDS)
    gevent.signal_handler(signal.SIGINT, stops.put, 0.0)
    print("Ready. Ctrl-C stops.", flush=True)
    shutdown = Shutdown(drains(app), stops.get())
    gevent.signal_handler(signal.SIGINT, shutdown.hurry)
    server.close()
    shutdown.run()
    server.stop(LAST_SECONDS)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m flask_assistant_stream", description="Serve the example app.")
    parser.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1", help="address (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=int,
        default=os.environ.get("PORT") or "5000",
        help="port, 0 for a free one (default: %(default)s)",
    )
    return parser.parse_args()


def _server(app: Flask, host: str, port: int) -> WSGIServer:
    """Start a server; its connections inherit TCP_NODELAY, which sends each write at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = WSGIServer.get_listener((host, port), family=family)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = WSGIServer(listener, app, spawn=Pool(), log=None, error_log=logger)
    server.stop_timeout = STOP_SECONDS
    server.start()
    return server


def _origin(host: str, port: int) -> str:
    name = "localhost" if host == "::1" else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"


def _greet(app: Flask, origin: str) -> None:
    registration = next(iter(app.extensions[EXTENSION].values()))
    store = type(registration.store).__module__.split(".")[2]
    body = shlex.quote('{"content": "hello"}')
    print(f"Serving {origin}{PREFIX}")
    print(f"Engine {registration.engine.name}, store {store}, instance folder {app.instance_path}\n")
    if registration.ui:
        print(f"  Chat page: {origin}{PREFIX}/\n")
    print(f"  curl -N -d {body} {origin}{PREFIX}/chat/stream\n")


if __name__ == "__main__":
    main()
