"""Who may import whom, and who may start a thread: the tables of the architecture, checked against the source."""

from __future__ import annotations

import ast
import graphlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "flask_assistant_stream"
SOURCE = Path(__file__).parent.parent / PACKAGE

DOMAIN = "errors per_process protocol stores.base run_logger"
"""What the parts of the run protocol share."""

WEB = "flask werkzeug marshmallow apispec"

TABLE = {
    "": "*",  # public names, imported lazily
    "errors": "",
    "credentials": "",
    "per_process": "",
    "protocol": "errors protocol",
    "translation": "errors protocol translation",
    "encoders": "protocol encoders",
    "stores": "protocol errors per_process stores threads",
    "stores.stemming": "snowballstemmer",
    "stores.mongodb": "protocol errors per_process stores threads pymongo bson",
    "engines": "protocol translation errors per_process credentials engines",
    "engines.openai.profiles": "errors credentials",
    "engines.openai.fitting": "protocol.failures errors engines.base engines.openai.profiles",
    "engines.openai.http_connect": "errors per_process engines certifi",
    "engines.openai.http_stream": "errors engines httptools",
    "engines.openai.engine": "protocol errors credentials engines openai jiter",
    "storages": f"{DOMAIN} stores.capabilities stores.listing threads storages",
    "storages.openai": f"{DOMAIN} credentials storages openai",
    "storages.extract": "errors pypdf docx lxml",
    "files": f"{DOMAIN} stores.capabilities stores.listing threads storages files",
    "run_logger": "protocol stores.base translation",
    "tools": "",
    "tools.arguments": "errors protocol pydantic docstring_parser",
    "tools.registry": "errors protocol tools.arguments pydantic_core",
    "tools.calls": "errors protocol tools.registry run_logger",
    "tools.options": "errors protocol tools.registry",
    "tools.server": f"{DOMAIN} tools",
    "config": "errors",
    "log": f"{DOMAIN} log",
    "log.projection": DOMAIN,
    "log.signals": "",
    "log.watch": "errors stores.base stores.capabilities log.signals",
    "log.follow": "errors protocol.events stores.base log.signals log.watch",
    "titles": f"{DOMAIN} translation engines.base",
    "runs": f"{DOMAIN} translation log runs",
    "runs.requests": "protocol",
    "runs.queues": "log.signals",
    "runs.upstream_request": f"{DOMAIN} translation files.tool_resources",
    "runs.execution": f"{DOMAIN} translation log runs tools engines.base files.files",
    "runs.runner": f"{DOMAIN} translation log runs tools titles engines.base files.files files.tool_resources",
    "assistants": DOMAIN,
    "auth": "errors flask",
    "routes": f"{DOMAIN} routes assistants encoders engines.base files storages.base log runs titles auth {WEB}",
    "routes.clients": "errors log.follow routes.request_log threads",
    "routes.v1": f"{DOMAIN} routes assistants encoders runs.requests runs.upstream_request {WEB}",
    "threads": "per_process gevent",
    "assembly": "* flask flask_cors",
    "shutdown": "runs.draining routes.base flask",
    "gunicorn_hooks": "shutdown",
    "extension": "* flask typing_extensions",
    "testing": "errors protocol stores engines encoders testing pytest",
    "example": "errors config auth extension flask",
    "__main__": "errors example routes.base shutdown flask gevent",
}
"""Module or package → what it may import besides the standard library; `*` is every module of this package."""

THREAD_STARTERS = {
    "gunicorn_hooks",
    "per_process",
    "runs.runner",
    "runs.sweeper",
    "tools.calls",
    "engines.openai.notices",
}
"""`tools.calls` gives each tool a thread that it can leave behind: a call that takes too long cannot be ended.
`engines.openai.notices` asks the upstream once what nobody waits for: on a ticker it would hold up leases and
heartbeats."""
THREAD_STARTS = {"threading.Thread", "threading.Timer", "_thread.start_new_thread"}
GEVENT = {"threads", "__main__"}
DYNAMIC = {"", "stores", "engines", "encoders"}
"""Packages whose files are found by name, and the lazy public names."""

IMPURE = {"asyncio", "logging", "os", "queue", "random", "socket", "subprocess", "threading", "time"}
"""What `protocol` must not even take from the standard library; `secrets` is in ids.py alone."""


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name below the package."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def absolute(module: str, node: ast.ImportFrom) -> str:
    """Resolve a relative import to its dotted name from the top."""
    if not node.level:
        return node.module or ""
    parts = [PACKAGE, *module.split(".")] if module else [PACKAGE]
    if MODULES[module].name != "__init__.py":
        parts.pop()
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def imported(module: str) -> Iterator[tuple[int, str]]:
    """Yield line and dotted target of every import: lazy ones and those for type checkers count as well."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(module, node)
            for alias in node.names:
                inner = f"{base}.{alias.name}".removeprefix(f"{PACKAGE}.")
                is_module = base.startswith(PACKAGE) and inner in MODULES
                yield node.lineno, f"{base}.{alias.name}" if is_module else base


def row(module: str) -> str | None:
    """Return the name of the closest row of the table: the module's own, or that of a package it is in."""
    name = module
    while name not in TABLE:
        if "." not in name:
            return None
        name = name.rpartition(".")[0]
    return name


def covers(allowed: str, target: str) -> bool:
    return target == allowed or target.startswith(f"{allowed}.")


def may_import(allowed: list[str], target: str) -> bool:
    """Say whether `target` is within the allowed modules and packages, or in the standard library."""
    if target == PACKAGE or target.startswith(f"{PACKAGE}."):
        inner = target.removeprefix(PACKAGE).removeprefix(".")
        return "*" in allowed or any(covers(name, inner) for name in allowed)
    return target.partition(".")[0] in sys.stdlib_module_names or any(covers(name, target) for name in allowed)


@pytest.mark.parametrize("module", MODULES)
def test_imports(module: str) -> None:
    name = row(module)
    assert name is not None, f"{module} has no row in TABLE: say there what it may import, and in the architecture"
    allowed = TABLE[name].split()
    wrong = [
        f"{MODULES[module].name}:{line} imports {target}"
        for line, target in imported(module)
        if not may_import(allowed, target)
    ]
    assert not wrong, f"{wrong}: the row {name!r} allows {allowed} and the standard library"


@pytest.mark.parametrize("depth", [None, 1, 2], ids=["modules", "packages", "subpackages"])
def test_no_circle_and_no_backward_arrow(depth: int | None) -> None:
    """Neither between modules nor between whole packages; imports for type checkers count."""
    graph: dict[str, set[str]] = {}
    for module in MODULES:
        source = ".".join(module.split(".")[:depth])
        for _, target in imported(module):
            if target.startswith(f"{PACKAGE}."):
                used = ".".join(target.split(".")[1:][:depth])
                graph.setdefault(source, set()).update({used} - {source})
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail("circle: " + " is imported by ".join(error.args[1]))


def test_every_row_is_of_a_module() -> None:
    assert not set(TABLE) - set(MODULES)


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith(("protocol", "translation"))])
def test_protocol_is_pure(module: str) -> None:
    forbidden = IMPURE if module == "protocol.ids" else {*IMPURE, "secrets"}
    assert not {target.partition(".")[0] for _, target in imported(module)} & forbidden


@pytest.mark.parametrize("module", MODULES)
def test_threading_is_the_only_concurrency(module: str) -> None:
    roots = {target.partition(".")[0] for _, target in imported(module)}
    assert not roots & {"asyncio", "multiprocessing", "concurrent"}


@pytest.mark.parametrize("module", sorted(set(MODULES) - THREAD_STARTERS))
def test_threads_are_started_in_a_few_places_only(module: str) -> None:
    """The suites for hosts' own tests aside: they play the threads that use a store or an engine."""
    if covers("testing", module):
        return
    used = {ast.unparse(node) for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute)}
    taken = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert not (used | taken) & THREAD_STARTS


@pytest.mark.parametrize("module", sorted(set(MODULES) - GEVENT))
def test_nobody_else_looks_at_gevent(module: str) -> None:
    """Neither by importing it nor by its name in `sys.modules`."""
    texts = {node.value for node in ast.walk(tree(module)) if isinstance(node, ast.Constant)}
    assert not {text for text in texts if isinstance(text, str) and covers("gevent", text)}


@pytest.mark.parametrize("module", sorted(set(MODULES) - DYNAMIC))
def test_imports_can_be_read_from_the_source(module: str) -> None:
    """A module named at run time would slip past the table."""
    names = {node.id for node in ast.walk(tree(module)) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute)}
    assert not names & {"import_module", "__import__"}
