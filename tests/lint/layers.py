"""Who may import whom, and which modules may start a thread: the tables of the architecture."""

from __future__ import annotations

import ast
import graphlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.lint.source import PACKAGE, ROOT, modules, problem, tree

DOMAIN = "errors per_process protocol stores.base stores.lines run_logger"
"""What the parts of the run protocol share."""

WEB = "flask werkzeug marshmallow apispec"

TABLE = {
    "": "*",  # public names, imported lazily
    "errors": "",
    "upstream": "profiles",
    "loggers": "",
    "per_process": "",
    "turns": "",
    "protocol": "errors protocol",
    "translation": "errors protocol translation",
    "encoders": "errors protocol encoders",
    "stores": "protocol errors per_process stores threads",
    "stores.stemming": "snowballstemmer",
    "stores.mongodb": "protocol errors per_process stores threads pymongo bson",
    "engines": "protocol translation errors per_process upstream profiles engines",
    "profiles": "errors",
    "engines.openai.fitting": "protocol.last_errors errors engines.base profiles",
    "engines.openai.http_connect": "errors per_process engines certifi",
    "engines.openai.http_stream": "errors engines httptools",
    "engines.openai.engine": "protocol translation errors upstream profiles engines openai",
    "engines.openai.response_body": "errors upstream engines jiter",
    "storages": f"{DOMAIN} turns extraction stores.capabilities stores.listing threads storages",
    "storages.openai": f"{DOMAIN} translation upstream profiles storages openai",
    "extraction": "errors turns pypdf lxml chardet webencodings extraction",
    "extraction.extractor": "errors per_process threads turns extraction",
    "files": f"{DOMAIN} extraction stores.capabilities stores.listing threads storages files",
    "run_logger": "protocol stores.base translation",
    "tools": "",
    "tools.arguments": "errors protocol pydantic docstring_parser",
    "tools.coroutines": "threads",
    "tools.registry": "errors protocol tools.arguments tools.coroutines pydantic_core",
    "tools.calls": "errors protocol tools.registry run_logger",
    "tools.options": "errors protocol tools.registry",
    "tools.server": f"{DOMAIN} namespaces tools",
    "config": "errors engines.base storages.base stores.base",
    "log": f"{DOMAIN} log",
    "log.projection": DOMAIN,
    "log.signals": "",
    "log.watch": "errors stores.base stores.capabilities log.signals",
    "log.follow": "errors protocol.events protocol.dialects stores.base log.signals log.watch",
    "titles": f"{DOMAIN} translation engines.base",
    "runs": f"{DOMAIN} translation log runs",
    "runs.request_key": "errors protocol",
    "runs.start_request": "protocol stores.lines runs.request_key",
    "runs.queues": "log.signals",
    "runs.refused_inputs": "",
    "runs.conversation": f"{DOMAIN} translation runs.refused_inputs",
    "runs.upstream_request": f"{DOMAIN} translation engines.base files.tool_resources files.unread_files "
    "runs.conversation runs.refused_inputs",
    "runs.execution": f"{DOMAIN} translation log runs tools engines.base files.files",
    "runs.runner": f"{DOMAIN} stores.rules translation log runs titles",
    "assistants": f"{DOMAIN} stores.listing",
    "namespaces": "errors stores.base",
    "auth": "errors namespaces flask",
    "routes": f"{DOMAIN} routes assistants encoders engines.base files storages.base log runs titles auth {WEB}",
    "routes.clients": "errors log.follow routes.request_log threads",
    "routes.v1": f"{DOMAIN} routes assistants encoders files runs.start_request runs.stored_runs runs.upstream_request "
    f"{WEB}",
    "threads": "per_process gevent",
    "tool_context": "flask",
    "assembly": "* flask flask_cors",
    "shutdown": "runs.draining routes.base flask",
    "gunicorn_hooks": "shutdown",
    "extension": "* flask typing_extensions",
    "csrf": "auth routes flask flask_wtf",
    "testing": "errors protocol stores engines encoders testing pytest",
    "example": "errors config auth extension flask",
    "__main__": "errors example routes.base shutdown flask gevent",
}
"""Module or package → what it may import besides the standard library; `*` is every module of this package."""

EVERYWHERE = "loggers"
"""What every module but the pure ones may import."""
LOGGERS = ("loggers", "extraction")
"""`extraction` silences another library's loggers."""

THREAD_STARTERS = {
    "extraction.child",
    "gunicorn_hooks",
    "per_process",
    "runs.runner",
    "runs.sweeper",
    "tools.calls",
    "engines.openai.notices",
}
"""`extraction.child` is a process of its own, whose thread sees that its worker has gone. `tools.calls` gives each tool
a thread that it can leave behind: a call that takes too long cannot be ended. `engines.openai.notices` asks the
upstream once what nobody waits for: on a ticker it would hold up leases and heartbeats."""
THREAD_STARTS = {"threading.Thread", "threading.Timer", "_thread.start_new_thread"}
GEVENT = {"threads", "__main__"}
EVENT_LOOPS = {("tools.coroutines", "asyncio")}
"""A host's `async def` tool needs an event loop, for the length of its call; the library itself uses threads."""
DYNAMIC = {"", "engines", "encoders"}
"""Packages whose files are found by name, and the lazy public names."""

IMPURE = {"asyncio", "logging", "os", "queue", "random", "socket", "subprocess", "threading", "time"}
"""What `protocol` must not even take from the standard library; `secrets` is in ids.py alone."""


def absolute(module: str, path: Path, node: ast.ImportFrom) -> str:
    """Resolve a relative import to its dotted name from the top."""
    if not node.level:
        return node.module or ""
    parts = [PACKAGE, *module.split(".")] if module else [PACKAGE]
    if path.name != "__init__.py":
        parts.pop()
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def imported(module: str, known: Mapping[str, Path]) -> Iterator[tuple[int, str]]:
    """Yield line and dotted target of every import; lazy imports and those for type checkers count."""
    path = known[module]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(module, path, node)
            for alias in node.names:
                inner = f"{base}.{alias.name}".removeprefix(f"{PACKAGE}.")
                is_module = base.startswith(PACKAGE) and inner in known
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
    """Return whether a dotted name is a module or inside it."""
    return target == allowed or target.startswith(f"{allowed}.")


def may_import(allowed: list[str], target: str) -> bool:
    """Return whether `target` is within the allowed modules and packages, or in the standard library."""
    if target == PACKAGE or target.startswith(f"{PACKAGE}."):
        inner = target.removeprefix(PACKAGE).removeprefix(".")
        return "*" in allowed or any(covers(name, inner) for name in allowed)
    return target.partition(".")[0] in sys.stdlib_module_names or any(covers(name, target) for name in allowed)


def module_problems(module: str, known: Mapping[str, Path]) -> Iterator[tuple[int, str]]:
    """Yield the problems of one module."""
    name = row(module)
    if name is None:
        yield 1, f"{module} has no row in TABLE of tests/lint/layers.py: add what it may import"
        return
    pure = module.startswith(("protocol", "translation"))
    forbidden = (IMPURE if module == "protocol.ids" else {*IMPURE, "secrets"}) if pure else set()
    for line, target in imported(module, known):
        top = target.partition(".")[0]
        if not may_import([*TABLE[name].split(), *([] if pure else [EVERYWHERE])], target):
            yield line, f"imports {target}; the row {name!r} allows {TABLE[name]!r} and the standard library"
        if top in forbidden:
            yield line, f"imports {top}; the protocol and the translation are pure"
        if top in {"asyncio", "multiprocessing", "concurrent"} and (module, top) not in EVENT_LOOPS:
            yield line, f"imports {top}; `threading` is the only concurrency"
    for node in ast.walk(tree(known[module])):
        yield from ((getattr(node, "lineno", 1), text) for text in _node_problems(module, node))


def _node_problems(module: str, node: ast.AST) -> Iterator[str]:
    starts = {ast.unparse(node)} if isinstance(node, ast.Attribute) else set()
    if "logging.getLogger" in starts and not any(covers(name, module) for name in LOGGERS):
        yield "calls logging.getLogger: `loggers.logger_of` escapes what clients put into records"
    if isinstance(node, ast.ImportFrom):
        starts = {f"{node.module}.{alias.name}" for alias in node.names}
    if starts & THREAD_STARTS and module not in THREAD_STARTERS and not covers("testing", module):
        yield f"starts a thread; only {sorted(THREAD_STARTERS)} do"  # the suites of `testing` play a host's threads
    text = node.value if isinstance(node, ast.Constant) else None
    if isinstance(text, str) and covers("gevent", text) and module not in GEVENT:
        yield f"looks at gevent; only {sorted(GEVENT)} do"
    if isinstance(node, ast.Import) and any(alias.name == "flask" for alias in node.names):
        # It keeps Flask's logging handler until gevent's modules are gone: a preloaded server logs a trace at its end.
        yield "imports flask as a module: import its names"
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    if name in {"import_module", "__import__"} and module not in DYNAMIC:
        yield "imports a module by a name from run time, which slips past this table"


def circles(known: Mapping[str, Path]) -> Iterator[str]:
    """Yield the circles between modules, between packages and between subpackages; type checkers' imports count."""
    for depth in (None, 1, 2):
        graph: dict[str, set[str]] = {}
        for module in known:
            source = ".".join(module.split(".")[:depth])
            for _, target in imported(module, known):
                if target.startswith(f"{PACKAGE}."):
                    used = ".".join(target.split(".")[1:][:depth])
                    graph.setdefault(source, set()).update({used} - {source})
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            yield "circle: " + " is imported by ".join(error.args[1])


def check(root: Path = ROOT) -> list[str]:
    """Return the imports, threads and names that the tables do not allow."""
    known = modules(root)
    problems = [
        problem(root, known[module], line, message)
        for module in known
        for line, message in module_problems(module, known)
    ]
    problems += [problem(root, root / PACKAGE / "__init__.py", 1, circle) for circle in circles(known)]
    if root == ROOT:
        problems += [
            f"tests/lint/layers.py:1: the row {name!r} has no module" for name in sorted(set(TABLE) - set(known))
        ]
    return problems
