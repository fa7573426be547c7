"""The files that the rules read: the package, its tests and its pages, below a root that a test can replace."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "flask_assistant_stream"
ROOT = Path(__file__).resolve().parents[2]

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Return the package's modules by their dotted names below the package; `""` is the package itself."""
    named = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root / PACKAGE).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


def scripts(root: Path = ROOT) -> list[Path]:
    """Return the chat page's own scripts."""
    return sorted(path for path in (root / PACKAGE / "ui").rglob("*.js") if path.parent.name not in ("vendor", "built"))


def python_tests(root: Path = ROOT) -> list[Path]:
    """Return the Python files of the tests."""
    return sorted(path for path in (root / "tests").rglob("*.py") if "node_modules" not in path.parts)


def pages(root: Path = ROOT) -> list[Path]:
    """Return the pages of documentation."""
    return sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])


@functools.cache
def tree(path: Path) -> ast.Module:
    """Parse a file, once."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def words(name: str) -> list[str]:
    """Split a snake_case or CamelCase name into its lower-case words."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def bound_names(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything that a file defines: classes, functions, arguments, attributes, variables."""
    for node in ast.walk(module):
        if isinstance(node, Definition):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def problem(root: Path, path: Path, line: int, message: str) -> str:
    """Format a problem as compilers do."""
    return f"{path.relative_to(root)}:{line}: {message}"
