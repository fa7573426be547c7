"""What the tests of this folder have measured, told at the end of the run."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

SWITCH = "ASSISTANT_STREAM_CHAOS"
LONG = os.environ.get(SWITCH) == "long"


def amount(short: int, long: int) -> int:
    """Choose how much of something a test does."""
    return long if LONG else short


@dataclass
class Scorecard:
    """Rows of the table: what was done, what has to hold, what was measured."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def note(self, test: str, holds: str, **measured: object) -> None:
        """Add a row; figures by name, seconds with two decimals."""
        figures = [f"{name.replace('_', ' ')} {_shown(value)}" for name, value in measured.items()]
        self.rows.append((test, holds, ", ".join(figures)))

    @property
    def markdown(self) -> str:
        """The table."""
        head = ["| test | holds | measured |", "|---|---|---|"]
        return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in self.rows)])


def _shown(value: object) -> str:
    return f"{value:.2f} s" if isinstance(value, float) else str(value)


SCORECARD = Scorecard()
