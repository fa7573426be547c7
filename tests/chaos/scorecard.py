"""What the tests of this folder have measured, told at the end of the run."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from datetime import date
from importlib import metadata
from pathlib import Path

SWITCH = "ASSISTANT_STREAM_CHAOS"
LONG = os.environ.get(SWITCH) == "long"


PACKAGES = ("flask", "gunicorn", "gevent", "openai", "pymongo")


def machine() -> str:
    """Describe where the figures come from, without names."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    processor = model[0].partition(":")[2].strip() if model else platform.machine()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    kernel, python = platform.release().split("-")[0], platform.python_version()
    return f"{date.today()}, {os.cpu_count()} cores of {processor}, Linux {kernel}, Python {python}, {versions}."


def amount(short: int, long: int) -> int:
    """Choose how much of something a test does."""
    return long if LONG else short


@dataclass
class Scorecard:
    """Rows of the table: what was done, what has to hold, what was measured."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def note(self, test: str, holds: str, **measured: object) -> None:
        """Add a row; figures by name; numbers that are not whole are seconds."""
        figures = [f"{name.replace('_', ' ')} {_shown(value)}" for name, value in measured.items()]
        self.rows.append((test, holds, ", ".join(figures)))

    @property
    def markdown(self) -> str:
        """The table."""
        head = ["| test | holds | measured |", "|---|---|---|"]
        return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in self.rows)])


def _shown(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"


SCORECARD = Scorecard()
