"""The pages name only what exists: make targets, settings, tests, public names, snippets that parse."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from flask_assistant_stream.config import KEYS
from tests.lint.source import PACKAGE, ROOT, modules, pages, problem, tree

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SETTING = re.compile(r"(?<![A-Z_])(?:ASSISTANT|OPENAI)_[A-Z_]+[A-Z]")
OTHER_VARIABLES = {"ASSISTANT_INSTANCE", "ASSISTANT_STREAM_CI", "ASSISTANT_STREAM_CHAOS"}
"""Variables of the example app and of the tests, which are no settings."""

Found = Iterator[tuple[int, str]]


def blocks(text: str, language: str) -> list[tuple[int, str]]:
    """Return line and text of the fenced blocks of a language."""
    return [
        (text.count("\n", 0, block.start(2)) + 1, block[2]) for block in FENCE.finditer(text) if block[1] == language
    ]


def prose(text: str) -> str:
    """Return a page with its fenced blocks replaced by empty lines."""
    return FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)


def commands(root: Path, page: Path, text: str) -> Found:
    """`make …` names a target."""
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for number, line in enumerate(text.splitlines(), 1):
        for target in re.findall(r"(?:`|^|\$ )make ([a-z-]+)", line):
            if target not in targets:
                yield number, f"`make {target}` is no target of the Makefile"


def settings(root: Path, page: Path, text: str) -> Found:
    """Settings are rows of config.py's table."""
    known = OTHER_VARIABLES.union(*({key.name, *key.origin} for key in KEYS))
    for number, line in enumerate(text.splitlines(), 1):
        for name in SETTING.findall(line):
            if name not in known:
                yield number, f"{name} is no setting"


def snippets(root: Path, page: Path, text: str) -> Found:
    """Python compiles, JSON is JSON."""
    for line, block in blocks(text, "python"):
        try:
            compile(block, page.name, "exec")
        except SyntaxError as error:
            yield line, f"the snippet is no Python: {error}"
    for line, block in blocks(text, "json"):
        try:
            json.loads(block)
        except ValueError as error:
            yield line, f"the snippet is no JSON: {error}"


def public_names(root: Path, page: Path, text: str) -> Found:
    """Snippets import public names, from modules that exist."""
    public = {
        node.value
        for node in ast.walk(tree(root / PACKAGE / "__init__.py"))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    for line, block in blocks(text, "python"):
        for names in re.findall(rf"^from {PACKAGE} import (.+)$", block, re.MULTILINE):
            unknown = set(re.split(r"[, ()]+", names)) - public - {""}
            if unknown:
                yield line, f"{', '.join(sorted(unknown))} is not public"
        for module in re.findall(rf"^from {PACKAGE}\.([\w.]+) import", block, re.MULTILINE):
            if module not in modules(root):
                yield line, f"{PACKAGE}.{module} does not exist"


def named_files(root: Path, page: Path, text: str) -> Found:
    """Files that a page names with their folder, of the repository or the package, exist."""
    for number, line in enumerate(prose(text).splitlines(), 1):
        for name in re.findall(r"`((?:tests|examples|benchmarks)/[\w./-]+|[a-z]\w*/[\w/]+\.py)`", line):
            if not any((place / name).exists() for place in (root, root / PACKAGE)):
                yield number, f"{name} does not exist"


RULES: tuple[Callable[[Path, Path, str], Found], ...] = (
    commands,
    settings,
    snippets,
    public_names,
    named_files,
)


def check(root: Path = ROOT) -> list[str]:
    """Return what the pages say that is not so, and the pages that the index does not list."""
    problems = []
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        problems += [problem(root, page, line, said) for rule in RULES for line, said in rule(root, page, text)]
    for index in (root / "docs" / "README.md", root / "docs" / "spec" / "README.md"):
        listed = index.read_text(encoding="utf-8") if index.exists() else ""
        problems += [
            problem(root, index, 1, f"{page.name} is not listed")
            for page in sorted(index.parent.glob("*.md"))
            if page != index and f"({page.name})" not in listed
        ]
    return problems
