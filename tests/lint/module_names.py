"""A module name says what is in it without its package: no two modules share one, exceptions are listed."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests.lint.source import ROOT, modules, problem

SAME_PART = "the same part of each implementation, side by side"
FACES = "the same resource on the app's face, on the SDK's face, or below both"
ALLOWED: dict[str, str] = {
    "base": "the interface of each kind: encoder, engine, route, storage, store, hosted tool",
    "calls": "calls of functions: run in tools, translated in translation, hosted by the upstream",
    "engine": SAME_PART,
    "errors": "our own, and those of a vendor's API as ours",
    "generated_files": "their wire form in protocol, their storage in files",
    "objects": "the Assistants' own, and a vendor's read as them",
    "options": "of tools, and of the translation",
    "sse": "encoders write the stream that engines read",
    "starting": "a run's start, and the writes of it in a store without long transactions",
    "titles": "of threads, and the events that carry them",
    "blobs": SAME_PART,
    "lists": SAME_PART,
    "passages": SAME_PART,
    "schema": SAME_PART,
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
