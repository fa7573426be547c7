"""Check the rules that ruff and mypy do not know: `python -m tests.lint`, part of `make lint`.

A rule is a module of this folder with `check() -> list[str]`, which returns its problems as "path:line: message".
"""

from __future__ import annotations

import importlib
import sys

RULES = (
    "layers",
    "architecture",
    "words",
    "class_names",
    "module_names",
    "file_length",
    "isolation",
    "pages",
    "citations",
)


def main() -> int:
    """Print every problem and return how the process ends."""
    problems = [problem for rule in RULES for problem in importlib.import_module(f"tests.lint.{rule}").check()]
    print(*problems, f"{len(problems)} problems of {len(RULES)} rules", sep="\n")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
