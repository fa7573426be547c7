"""The wheel is complete, typed, and holds nothing but the package."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message

import pytest

from tests.lint.source import PACKAGE, ROOT, modules

SOURCE = ROOT / PACKAGE
PAGE_FILES = [path for name in ("ui", "templates") for path in (SOURCE / name).rglob("*") if path.is_file()]
"""Scripts, styles and templates of the chat page, the libraries that it uses and their licences."""


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
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert {str(path.relative_to(ROOT)) for path in modules().values()} | {"flask_assistant_stream/py.typed"} <= shipped
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
    assert f"## {metadata['Version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
