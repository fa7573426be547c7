"""`python -m benchmarks`: print all results as Markdown on standard output; progress goes to standard error."""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from . import micro, report, servers
from .tools import Missing, Result, Tools, check, mongodb

WORKLOADS = "unpaced32,paced1,paced100,paced500,paced1000,ttfb1,idle1000"
WORKER_WORKLOADS = "unpaced32,-c 32 -n 5 -d 0 -t 4 -l 20"
"""Limited by events, and limited by requests."""
PARTS = ("streams", "workers", "imports", "pages")


def main() -> None:
    options = _arguments()
    try:
        check()
        for package in ("fastapi", "uvicorn", "gunicorn"):
            if find_spec(package) is None:
                raise Missing(f"{package} is missing: pip install -e '.[bench]' (or `make bench`).")
    except Missing as missing:
        sys.exit(str(missing))
    with tempfile.TemporaryDirectory(prefix="assistant-stream-bench-") as folder:
        where = Path(folder)
        tools = Tools(where, options.server_cpu, options.load_cpu)
        print(report.machine(), flush=True)
        with mongodb(where, options.load_cpu) as uri:
            for part in options.parts.split(","):
                print(f"\n{_PARTS[part](tools, where, uri, options)}", flush=True)


def _streams(tools: Tools, where: Path, uri: str | None, options: argparse.Namespace) -> str:
    with tools.upstream() as upstream:
        rows = servers.compared(upstream, where, uri)
        results = report.Results(tools.drive(rows, options.workloads, options.repeats))
    return f"{report.aims(results)}\n\n{report.streams(results)}"


def _workers(tools: Tools, where: Path, uri: str | None, options: argparse.Namespace) -> str:  # noqa: ARG001
    with tools.upstream() as upstream:
        rows = servers.workers(upstream, where, f"{tools.server_cpu},{tools.load_cpu}")
        found: list[Result] = tools.drive(rows, WORKER_WORKLOADS, options.repeats)
    return report.workers(report.Results(found))


def _imports(tools: Tools, where: Path, uri: str | None, options: argparse.Namespace) -> str:  # noqa: ARG001
    return report.imports({module: micro.import_seconds(module) for module in micro.IMPORTS})


def _pages(tools: Tools, where: Path, uri: str | None, options: argparse.Namespace) -> str:  # noqa: ARG001
    measured = {"SQLite": micro.page_milliseconds(micro.sqlite_url(where))}
    if uri:
        measured["MongoDB"] = micro.page_milliseconds(uri)
    return report.pages(measured, micro.SHORT, micro.LONG)


_PARTS = dict(zip(PARTS, (_streams, _workers, _imports, _pages), strict=True))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="of every workload on every server, in rotating order")
    parser.add_argument("--workloads", default=WORKLOADS, help="names or load generator options (default: %(default)s)")
    parser.add_argument("--parts", default=",".join(PARTS), help="what to measure (default: %(default)s)")
    parser.add_argument("--server-cpu", type=int, default=0, help="core of the servers")
    parser.add_argument("--load-cpu", type=int, default=1, help="core of load, upstream and MongoDB")
    return parser.parse_args()


if __name__ == "__main__":
    main()
