"""What holds for the package as a whole: small files, one word per concept, a complete and typed wheel."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from tests.test_layers import MODULES, SOURCE, tree

ROOT = Path(__file__).parent.parent
MAX_LINES = 400
FORBIDDEN = {"backend", "manager", "handler", "service", "helper", "helpers", "util", "utils"}

PAGE_FILES = [path for name in ("ui", "templates") for path in (SOURCE / name).rglob("*") if path.is_file()]
"""Scripts, styles and templates of the chat page, the libraries that it uses and their licences."""
SCRIPTS = [path for path in PAGE_FILES if path.suffix == ".js" and path.parent.name != "vendor"]

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def words(name: str) -> set[str]:
    """Split a snake_case or CamelCase name into lower-case words."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def bound_names(module: str) -> Iterator[str]:
    """Yield every name that a module defines: classes, functions, arguments and variables."""
    for node in ast.walk(tree(module)):
        if isinstance(node, Definition):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


@pytest.mark.parametrize("module", MODULES)
def test_no_file_is_long(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_no_script_is_long(script: Path) -> None:
    lines = script.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_LINES


@pytest.mark.parametrize("module", MODULES)
def test_one_word_per_concept(module: str) -> None:
    names = [*module.split("."), *bound_names(module)]
    assert not [name for name in names if words(name) & FORBIDDEN]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Build the wheel as `pip install .` does, from a copy: a build leaves files beside its source."""
    where = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, where)
    shutil.copytree(SOURCE, where / SOURCE.name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    command += ["--wheel-dir", str(where), str(where)]
    subprocess.run(command, check=True, timeout=300)
    with zipfile.ZipFile(next(where.glob("*.whl"))) as opened:
        yield opened


@pytest.fixture
def metadata(wheel: zipfile.ZipFile) -> Message:
    """Read the wheel's METADATA."""
    return message_from_bytes(
        wheel.read(next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")))
    )


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert {str(path.relative_to(ROOT)) for path in MODULES.values()} | {"flask_assistant_stream/py.typed"} <= shipped
    assert {str(path.relative_to(ROOT)) for path in PAGE_FILES} <= shipped
    assert {name.partition("/")[0] for name in shipped} == {"flask_assistant_stream"}
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_metadata(metadata: Message) -> None:
    assert metadata["Name"] == "flask-assistant-stream"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["Description-Content-Type"] == "text/markdown"
    requires = {re.split(r"[\s;<>=\[]", line)[0].lower() for line in metadata.get_all("Requires-Dist", [])}
    assert {"flask", "flask-cors", "openai", "pymongo", "gevent", "marshmallow"} <= requires


def test_the_change_log_names_this_version(metadata: Message) -> None:
    assert f"## {metadata['Version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
