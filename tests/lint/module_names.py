"""A module name says what is in it without its package: no two modules share one, exceptions are listed."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests.lint.source import ROOT, modules, problem

SAME_PART = "the same part of each implementation, side by side"
FACES = "the same resource on the app's face, on the SDK's face, or below both"
ALLOWED: dict[str, str] = {
    "sse": "to be renamed",
    "engine": "to be renamed",
    "errors": "to be renamed",
    "generated_files": "to be renamed",
    "failures": "to be renamed",
    "objects": "to be renamed",
    "starting": "to be renamed",
    "titles": "to be renamed",
    "calls": "to be renamed",
    "options": "to be renamed",
    "base": "the interface of each kind: encoder, engine, route, storage, store",
    "blobs": SAME_PART,
    "passages": SAME_PART,
    "storage": SAME_PART,
    "store": SAME_PART,
    "assistants": FACES,
    "files": FACES,
    "messages": FACES,
    "runs": FACES,
    "schemas": FACES,
    "threads": FACES,
    "vector_store_files": FACES,
    "vector_stores": FACES,
}
"""File name without `.py` -> why several modules have it."""


def check(root: Path = ROOT) -> list[str]:
    """Return every module whose file name another module has."""
    places = defaultdict(list)
    for path in modules(root).values():
        if path.name != "__init__.py":
            places[path.stem].append(path)
    return [
        problem(root, path, 1, f"a module named {stem} is also in {where[0].parent.relative_to(root)}")
        for stem, where in places.items()
        if stem not in ALLOWED
        for path in where[1:]
    ]
