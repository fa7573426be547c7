"""Tests stand alone: none imports from another `test_*` module, none reads a private attribute of the package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.lint.source import ROOT, problem, python_tests, tree

ALLOWED: dict[str, str] = {
    "tests/files/worlds.py": "a store is broken at its connection",
    "tests/node_clients.py": "openai-python shows its accumulated objects nowhere else",
}
"""Path of a test file -> why it reads a private attribute."""
PUBLIC = {"_replace", "_asdict", "_fields", "_make"}
"""Named with an underscore, but public."""


def own_names(module: ast.Module) -> set[str]:
    """Return the private names that a file defines itself, on classes and instances of its own."""
    names = {node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    names |= {
        node.attr for node in ast.walk(module) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    names |= {node.id for node in ast.walk(module) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return names


def file_problems(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of each problem."""
    own = own_names(module)
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            if any(part.startswith("test_") for part in (node.module or "").split(".")):
                yield node.lineno, f"imports from {node.module}: move what is shared to a module without `test_`"
            private = [alias.name for alias in node.names if _private(alias.name)]
            if private:
                yield node.lineno, f"imports {', '.join(private)}, which is private"
        elif isinstance(node, ast.Attribute) and _private(node.attr) and not _is_own(node, own):
            yield node.lineno, f"reads {node.attr}, which is private: reach the same fact through public behaviour"


def _is_own(node: ast.Attribute, own: set[str]) -> bool:
    """Return whether the file defines the attribute, or reads it from its own object, where a base class has it."""
    return node.attr in own | PUBLIC or ast.unparse(node.value) in {"self", "cls", "super()"}


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def check(root: Path = ROOT) -> list[str]:
    """Return the imports and attributes that tie a test to what is not public."""
    return [
        problem(root, path, line, text)
        for path in python_tests(root)
        if str(path.relative_to(root)) not in ALLOWED
        for line, text in file_problems(tree(path))
    ]
