"""Every citation of the specification and every relative link resolves inside the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("flask_assistant_stream", "tests", "docs", "examples", "benchmarks", ".ci")
SUFFIXES = frozenset((".py", ".js", ".mjs", ".ts", ".tsx", ".html", ".css", ".md", ".toml", ".yml"))
SKIPPED = frozenset(("node_modules", "vendor", "__pycache__", "instance", "lint"))  # this folder has bad examples

_CITATION = re.compile(r"(?<![\w./-])(?:docs/)?(spec/[\w-]+\.md)(?:#([\w-]+))?")
_PAGE = re.compile(r"(?<![\w./-])(docs/[\w-]+\.md)(?:#([\w-]+))?")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_LINK_IN_CODE = re.compile(r"\]\(([^)\s]*\.md(?:#[\w-]+)?)\)")
_OUTSIDE = re.compile(
    r"\bwire\.md|shared/spec|(?<!-)\bformats\.md|\b[Rr]un protocol,? \d|\b[Rr]ules? \d"
    r"|\b(?:upstreams|front-ends)\.md(?:,|\)? ) ?(?:section |rules? |Expected|Sent\b|Proxies\b|\d)"
)


def check() -> list[str]:
    """Return the problems of all files, as "path:line: message"."""
    return [
        f"{path.relative_to(ROOT)}:{line}: {message}"
        for path in _files()
        for line, message in problems(path, path.read_text(encoding="utf-8"))
    ]


def problems(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield line and message of each unresolved citation or link in the text of a file at `path`."""
    is_page = path.suffix == ".md"
    for number, line in enumerate((_without_code(text) if is_page else text).split("\n"), 1):
        for target in (_LINK if is_page else _LINK_IN_CODE).findall(line):
            name, _, anchor = target.partition("#")
            if not re.match(r"[a-z]+:", target) and not _resolves(path.parent / name if name else path, anchor):
                yield number, f"the link {target} leads nowhere: correct its path or its anchor"
        for match in _CITATION.finditer(line):
            if not _resolves(ROOT / "docs" / match[1], match[2]):
                yield number, f"{match[0]} is no section of docs/spec: cite an existing heading"
        for match in _PAGE.finditer(line):
            if not _resolves(ROOT / match[1], match[2]):
                yield number, f"there is no {match[0]}: correct the path or the anchor"
        for match in _OUTSIDE.finditer(line):
            yield number, f"`{match[0]}` cites by number or outside the repository: cite a section of docs/spec"


def _files() -> Iterator[Path]:
    for place in (ROOT / name for name in PLACES):
        for path in sorted(place.rglob("*")):
            if path.suffix in SUFFIXES and path.is_file() and not SKIPPED.intersection(path.parts):
                yield path
    yield from sorted(ROOT.glob("*.md"))


def _without_code(page: str) -> str:
    """Blank the fenced blocks of a page, keeping its line numbers."""
    return re.sub(r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), page, flags=re.MULTILINE | re.DOTALL)


def _resolves(place: Path, anchor: str | None) -> bool:
    place = place.resolve()
    return place.exists() and (not anchor or anchor in _anchors(place))


@cache
def _anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, built as GitHub does."""
    headings = re.findall(r"^#+ (.+)$", _without_code(page.read_text(encoding="utf-8")), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)
