"""Words that names do not use, each with its replacement: one word has one meaning, and one meaning has one word."""

from __future__ import annotations

from pathlib import Path

from tests.lint.source import ROOT, bound_names, modules, problem, tree, words

REFUSED = {
    "anybody": "the field's word: client, worker, owner",
    "backend": "store, engine or storage",
    "flaw": "problem or warning",
    "given": "what it is",
    "handler": "what it does: a verb, or the thing it returns",
    "heard": "received",
    "hears": "receives",
    "helper": "what it does",
    "helpers": "what they do",
    "lent": "borrowed",
    "made": "created or generated",
    "manager": "what it holds or does",
    "membership": "member or vector_store_file",
    "memberships": "vector_store_files",
    "misc": "what is in it",
    "moments": "times or seconds",
    "nobody": "no worker, no client",
    "retold": "rendered",
    "service": "store, engine or storage",
    "shipped": "built in",
    "site": "registration",
    "somebody": "the field's word: client, worker, owner",
    "stuff": "what it is",
    "surroundings": "context",
    "things": "what they are",
    "told": "reported, sent or written",
    "unsettle": "mark as changed",
    "util": "what it does",
    "utils": "what they do",
    "who": "the field's word: client, worker, owner",
    "wish": "request",
}
"""Word -> what to write instead, in any name of the package."""

REFUSED_NAMES = {
    "found": "what it is",
    "pace": "throttle",
    "repeats": "idempotency or request_key",
}
"""Whole name -> what to write instead."""


def module_problems(root: Path, module: str, path: Path) -> list[str]:
    """Return the refused names of one module, its own among them."""
    own = [(1, part) for part in module.split(".")]
    problems = []
    for line, name in [*own, *bound_names(tree(path))]:
        problems += [
            problem(root, path, line, f"the name {name!r} uses {word!r}: write {REFUSED[word]}")
            for word in words(name)
            if word in REFUSED
        ]
        if name in REFUSED_NAMES:
            problems.append(problem(root, path, line, f"the name {name!r} says nothing: write {REFUSED_NAMES[name]}"))
    return problems


def check(root: Path = ROOT) -> list[str]:
    """Return every name of the package that uses a refused word."""
    return [text for module, path in modules(root).items() for text in module_problems(root, module, path)]
