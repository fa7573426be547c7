"""nginx in front of a server, configured as the documentation says."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests.chaos.reading import PATIENCE, wait_for
from tests.kinds import require
from tests.server_process import ServerProcess

DOCS = Path(__file__).resolve().parents[1] / "docs"
SERVER = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {location}
    }}
}}
"""


def documented_location() -> str:
    """Return the location block that the documentation gives."""
    pages = [page.read_text() for page in sorted(DOCS.glob("*.md"))]
    found = [block for page in pages for block in re.findall(r"^```nginx\n(.*?)^```", page, re.MULTILINE | re.DOTALL)]
    (block,) = [block for block in found if "location /api/assistants/" in block]
    assert "proxy_http_version 1.1;" in block
    return str(block)


@contextmanager
def nginx(server: ServerProcess, folder: Path, version: str) -> Iterator[ServerProcess]:
    """Run nginx before a server as documented, but for the HTTP version that it speaks to it."""
    require("nginx")
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    assert program, "nginx is missing: install it (Debian: apt-get install nginx), or run `make test` as root"
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    location = re.sub(r"proxy_pass http://[\d.]+:\d+;", f"proxy_pass {server.origin};", documented_location())
    assert server.origin in location
    location = location.replace("proxy_http_version 1.1;", f"proxy_http_version {version};")
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(SERVER.format(user=user, folder=folder, port=port, location=location))
    process = subprocess.Popen([program, "-c", str(config), "-e", str(folder / "error.log")])
    front = ServerProcess(server.process, server.log_file)
    front.origin = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: process.poll() is not None or answers(front), "an nginx that answers")
        assert process.poll() is None, (folder / "error.log").read_text()
        yield front
    finally:
        process.terminate()
        process.wait(PATIENCE)


def answers(server: ServerProcess) -> bool:
    place = urlsplit(server.origin)
    with suppress(OSError), socket.create_connection((place.hostname or "", place.port or 0), 1):
        return server.get("/health").status == 200
    return False
