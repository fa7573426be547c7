"""The servers of the comparison: the library under two servers and on two stores, and the FastAPI design."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
BODY = '{"content":"hello {P}"}'
CONNECTIONS = 4096
"""More than any workload opens at the same time."""

GUNICORN = "gunicorn, gevent"
PYWSGI = "python -m flask_assistant_stream"
MONGODB = "gunicorn, gevent, MongoDB"
ONE_WORKER, TWO_WORKERS = "one worker", "two workers"
FASTAPI = "FastAPI + AsyncOpenAI"


@dataclass(slots=True)
class Server:
    """One row of the tables.

    Attributes:
        name: the row's name.
        command: `{port}` is replaced by the port.
        path: the streaming route.
        environment: added to the environment of this process.
    """

    name: str
    command: list[str]
    path: str = "/chat/stream"
    environment: dict[str, str] = field(default_factory=dict)

    def spec(self) -> dict[str, Any]:
        """Return the description that bench.py reads."""
        port = free_port()
        command = [word.replace("{port}", str(port)) for word in self.command]
        given = {"name": self.name, "cmd": command, "port": port, "path": self.path, "body": BODY}
        return {**given, "env": self.environment, "cwd": str(ROOT)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def gunicorn(workers: int = 1) -> list[str]:
    options = f"-k gevent -w {workers} --worker-connections {CONNECTIONS} --backlog {CONNECTIONS} -b 127.0.0.1:{{port}}"
    return [sys.executable, "-m", "gunicorn", *options.split(), "benchmarks.app:create_app()"]


def uvicorn() -> list[str]:
    options = f"--no-access-log --log-level warning --backlog {CONNECTIONS} --port {{port}}"
    return [sys.executable, "-m", "uvicorn", *options.split(), "benchmarks.fastapi_peer:app"]


def compared(upstream: str, data: Path, mongodb: str | None) -> list[Server]:
    """Return the rows of the main comparison.

    Args:
        upstream: base URL of the Responses API.
        data: a folder for the SQLite files.
        mongodb: a URI with a new database, or None for no MongoDB row.
    """

    def on(store: str) -> dict[str, str]:
        streams = {"ASSISTANT_MAX_STREAMS": str(CONNECTIONS)}
        return {**_asking(upstream), "ASSISTANT_STORE": store, "ASSISTANT_INSTANCE": str(data), **streams}

    example = [sys.executable, "-m", "flask_assistant_stream", "--port", "{port}"]
    rows = [
        Server(GUNICORN, gunicorn(), environment=on(f"sqlite:///{data / 'gunicorn.db'}")),
        Server(PYWSGI, example, "/api/assistants/chat/stream", on(f"sqlite:///{data / 'pywsgi.db'}")),
        Server(FASTAPI, uvicorn(), environment=_asking(upstream)),
    ]
    if mongodb:
        rows.append(Server(MONGODB, gunicorn(), environment=on(mongodb)))
    return rows


def workers(upstream: str, data: Path, cores: str) -> list[Server]:
    """Return one worker and two, both free to use `cores`."""
    rows = []
    for number, name in ((1, ONE_WORKER), (2, TWO_WORKERS)):
        environment = {**_asking(upstream), "ASSISTANT_STORE": f"sqlite:///{data / f'workers{number}.db'}"}
        rows.append(Server(name, ["taskset", "-c", cores, *gunicorn(number)], environment=environment))
    return rows


def _asking(upstream: str) -> dict[str, str]:
    """Return the environment of a server that uses the fake upstream.

    Titles are off: the FastAPI design writes none, and the load generator would count the fake ones as answers.
    """
    return {
        "OPENAI_BASE_URL": upstream,
        "OPENAI_API_KEY": "none",
        "ASSISTANT_UPSTREAM_PROFILE": "openai",
        "ASSISTANT_TITLES": "off",
    }
