"""Formats results as Markdown: medians beside the FastAPI design of the same run, and the aims."""

from __future__ import annotations

import platform
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path

from .servers import FASTAPI, GUNICORN, MONGODB, ONE_WORKER, TWO_WORKERS
from .tools import Result

PACKAGES = ("flask", "gevent", "gunicorn", "httptools", "jiter", "fastapi", "uvicorn", "openai")
Figure = Callable[[Result], float]


def _cpu_per_event(run: Result) -> float:
    return float(run["us_per_event"])


def _cpu_per_request(run: Result) -> float:
    return float(run["server_cpu_s"]) * 1e3 / int(run["good"])


def _core_events(run: Result) -> float:
    return 1e6 / _cpu_per_event(run)


def _kilobytes(run: Result) -> float:
    return float(run["rss_peak_kb"] - run["rss_base_kb"]) / int(run["concurrency"])


def _first_delta(run: Result) -> float:
    return float(run["ttfd_us"]["p50"]) / 1e3


def _lag_p99(run: Result) -> float:
    return float(run["lag_us"]["p99"]) / 1e3


COLUMNS: Sequence[tuple[str, str, Figure]] = (
    ("CPU µs/event", "{:,.1f}", _cpu_per_event),
    ("events/s", "{:,.0f}", lambda run: run["events_per_s"]),
    ("CPU ms/request", "{:,.2f}", _cpu_per_request),
    ("first delta, ms", "{:,.1f}", _first_delta),
    ("lag p99, ms", "{:,.0f}", _lag_p99),
    ("KB/stream", "{:,.0f}", _kilobytes),
)


@dataclass(frozen=True, slots=True)
class Aim:
    """A goal and the workload that measures it.

    Attributes:
        most, least: the bound; the other is None.
        relative: the bound is on the ratio to the FastAPI design.
    """

    text: str
    server: str
    workload: str
    figure: Figure
    most: float | None = None
    least: float | None = None
    relative: bool = False


AIMS: Sequence[Aim] = (
    Aim("CPU per event, 500 paced streams: ≤ 0.20 × FastAPI", GUNICORN, "paced500", _cpu_per_event, 0.2, relative=True),
    Aim(
        "events per second of a core, 1000 paced streams: ≥ 6 × FastAPI",
        GUNICORN,
        "paced1000",
        _core_events,
        least=6,
        relative=True,
    ),
    Aim("CPU per request: ≤ 0.25 × FastAPI", GUNICORN, "ttfb1", _cpu_per_request, 0.25, relative=True),
    Aim("first delta of one stream: ≤ 2.5 ms", GUNICORN, "ttfb1", _first_delta, 2.5),
    Aim("first delta of one stream on MongoDB: ≤ 6 ms", MONGODB, "ttfb1", _first_delta, 6),
    Aim("added latency at 100 streams, p99: ≤ 15 ms", GUNICORN, "paced100", _lag_p99, 15),
    Aim("memory per open stream, upstream included: ≤ 60 KB", GUNICORN, "idle1000", _kilobytes, 60),
)


class Results:
    """The runs of all servers and workloads."""

    def __init__(self, runs: Iterable[Result]) -> None:
        self._runs: dict[tuple[str, str], list[Result]] = defaultdict(list)
        for run in runs:
            if run.get("events"):
                self._runs[run["workload"], run["server"]].append(run)

    def workloads(self) -> list[str]:
        return list(dict.fromkeys(workload for workload, _ in self._runs))

    def runs(self, workload: str, server: str) -> list[Result]:
        return self._runs.get((workload, server), [])

    def servers(self, workload: str) -> list[str]:
        return [server for name, server in self._runs if name == workload]

    def median(self, workload: str, server: str, figure: Figure) -> float | None:
        """Return the median figure of the runs with complete answers, or None without any."""
        runs = [run for run in self.runs(workload, server) if run["good"]]
        return statistics.median(map(figure, runs)) if runs else None


def machine() -> str:
    """Describe the machine and package versions, without a host name."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    cores = sum(line.startswith("processor") for line in _lines("/proc/cpuinfo"))
    memory = next((int(line.split()[1]) // 2**20 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    return (
        f"{date.today()}, {cores} cores of {model}, {memory} GB, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, {versions}."
    )


def streams(results: Results) -> str:
    """Return one table per workload."""
    return "\n\n".join(_workload(results, workload) for workload in results.workloads())


def aims(results: Results) -> str:
    """Return the table of aims and measured figures."""
    lines = ["| aim | measured | FastAPI | met |", "|---|--:|--:|---|"]
    lines += [line for aim in AIMS if (line := _aim(results, aim))]
    return "\n".join(lines)


def workers(results: Results) -> str:
    """Return the comparison of one worker and two."""
    lines = ["| workload | one worker, events/s | two workers | ratio |", "|---|--:|--:|--:|"]
    for workload in results.workloads():
        one, two = (
            results.median(workload, name, lambda run: run["events_per_s"]) for name in (ONE_WORKER, TWO_WORKERS)
        )
        if one and two:
            lines.append(f"| {workload} | {one:,.0f} | {two:,.0f} | {two / one:.2f} |")
    return "\n".join(lines)


def imports(seconds: dict[str, float]) -> str:
    lines = ["| import | seconds |", "|---|--:|"]
    return "\n".join(lines + [f"| `{module}` | {value:.3f} |" for module, value in seconds.items()])


def pages(measured: dict[str, list[tuple[str, float, float]]], short: int, long: int) -> str:
    lines = [f"| page of 20 | store | of {short:,}, ms | of {long:,}, ms |", "|---|---|--:|--:|"]
    for store, rows in measured.items():
        lines += [f"| {name} | {store} | {few:.1f} | {many:.1f} |" for name, few, many in rows]
    return "\n".join(lines)


def _workload(results: Results, workload: str) -> str:
    head = f"| {workload} | " + " | ".join(name for name, _, _ in COLUMNS) + " | CPU ÷ FastAPI | complete |"
    lines = [head, "|---|" + "--:|" * (len(COLUMNS) + 2)]
    peer = results.median(workload, FASTAPI, _cpu_per_event)
    for server in results.servers(workload):
        runs = results.runs(workload, server)
        figures = [(form, results.median(workload, server, figure)) for _, form, figure in COLUMNS]
        cells = ["–" if value is None else form.format(value) for form, value in figures]
        own = results.median(workload, server, _cpu_per_event)
        ratio = f"{own / peer:.2f}" if own and peer else ""
        complete = f"{sum(run['good'] for run in runs)}/{sum(run['opened'] for run in runs)}"
        lines.append(f"| {server} | " + " | ".join([*cells, ratio, complete]) + " |")
    return "\n".join(lines)


def _aim(results: Results, aim: Aim) -> str | None:
    own = results.median(aim.workload, aim.server, aim.figure)
    peer = results.median(aim.workload, FASTAPI, aim.figure)
    if own is None or (aim.relative and not peer):
        return None
    value = own / peer if aim.relative and peer else own
    met = value <= aim.most if aim.most is not None else aim.least is not None and value >= aim.least
    shown = f"{own:,.1f} ({value:.2f} ×)" if aim.relative else f"{own:,.1f}"
    return f"| {aim.text} | {shown} | {'' if peer is None else f'{peer:,.1f}'} | {'yes' if met else 'no'} |"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if sys.platform == "linux" else []
