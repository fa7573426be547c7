"""A file of more than 400 lines says at its top why it is long: `Long because …`."""

from __future__ import annotations

from pathlib import Path

from tests.lint.source import ROOT, modules, problem, scripts

LINES = 400
HEAD = 15


def check(root: Path = ROOT) -> list[str]:
    """Return the modules and scripts that are long without a reason."""
    problems = []
    for path in [*modules(root).values(), *scripts(root)]:
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > LINES and not any("long because" in line.lower() for line in lines[:HEAD]):
            problems.append(problem(root, path, 1, f"{len(lines)} lines: split it, or say `Long because …` at its top"))
    return problems
