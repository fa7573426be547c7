"""The tree of docs/architecture.md names every module of the package, and no other.

A line of the tree has one or more names, indented below their folder, then two spaces and what they are. A folder whose
modules are not listed stands for all of them.
"""

from __future__ import annotations

from pathlib import Path

from tests.lint.source import PACKAGE, ROOT, modules, problem


def tree_paths(page: str) -> list[tuple[int, str]]:
    """Return line and path below the package of each name in the tree; folders end in `/`."""
    start = page.find(f"```\n{PACKAGE}/\n")
    if start < 0:
        return []
    first = page.count("\n", 0, start) + 3
    paths, folders = [], list[tuple[int, str]]()
    for number, line in enumerate(page[start:].split("\n```", 1)[0].splitlines()[2:], first):
        indent = len(line) - len(line.lstrip())
        names = [name for name in line.strip().split("  ")[0].split() if name.endswith((".py", "/"))]
        folders = [folder for folder in folders if folder[0] < indent]
        above = folders[-1][1] if folders else ""
        paths += [(number, above + name) for name in names]
        folders += [(indent, above + name) for name in names if name.endswith("/")]
    return paths


def check(root: Path = ROOT) -> list[str]:
    """Return the names of the tree that do not exist, and the modules that the tree does not have."""
    page = root / "docs" / "architecture.md"
    listed = tree_paths(page.read_text(encoding="utf-8") if page.exists() else "")
    package = root / PACKAGE
    problems = [problem(root, page, n, f"{name} does not exist") for n, name in listed if not (package / name).exists()]
    names = {name for _, name in listed}
    opened = {name.rpartition("/")[0] + "/" for name in names if not name.endswith("/")}
    for path in modules(root).values():
        below = path.relative_to(package)
        folder = next((f"{parent}/" for parent in below.parents if f"{parent}/" in names), "")
        whole = folder and folder not in opened
        if path.name != "__init__.py" and str(below) not in names and not whole:
            problems.append(problem(root, page, 1, f"the tree lacks {below}"))
    return problems
