"""A class name means one thing in the whole package; `_X` counts as `X`, a nested `Meta` does not count."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from tests.lint.source import ROOT, modules, problem, tree

ALLOWED: dict[str, str] = {}
"""Class name -> why it is defined more than once."""


def check(root: Path = ROOT) -> list[str]:
    """Return every definition of a class name after the first one."""
    places = defaultdict(list)
    for path in modules(root).values():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef) and node.name != "Meta":
                places[node.name.lstrip("_")].append((path, node.lineno))
    return [
        problem(root, path, line, f"the class name {name} is defined in {where[0][0].relative_to(root)} already")
        for name, where in places.items()
        if name not in ALLOWED
        for path, line in where[1:]
    ]
