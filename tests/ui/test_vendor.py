"""The libraries that the chat page ships are those that npm has, whole, and said truly."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
VENDOR = ROOT / "flask_assistant_stream" / "ui" / "vendor"
MODULES = ROOT / "ui_vendor" / "node_modules"
COPIES = re.findall(r"^\tcp \$\(VENDOR_MODULES\)/(\S+) \$\(VENDOR\)/(\S+)$", (ROOT / "Makefile").read_text(), re.M)
"""What `make vendor` copies: from where in `node_modules`, under which name."""
WANTED: dict[str, str] = json.loads((ROOT / "ui_vendor" / "package.json").read_text())["dependencies"]


@pytest.mark.parametrize(("source", "name"), COPIES)
def test_they_are_as_npm_has_them(source: str, name: str) -> None:
    if not MODULES.is_dir():
        pytest.fail("The libraries are not there to compare with: `make test` installs them")
    assert (VENDOR / name).read_bytes() == (MODULES / source).read_bytes()


def test_nothing_else_is_there() -> None:
    assert {path.name for path in VENDOR.iterdir()} == {name for _, name in COPIES} | {"README.md"}


def test_each_has_its_licence() -> None:
    scripts = {name.removesuffix(".js") for _, name in COPIES if name.endswith(".js")}
    assert scripts == {name.removesuffix(".LICENSE") for _, name in COPIES if name.endswith(".LICENSE")}
    assert len(scripts) == len(WANTED)


def test_the_page_about_them_names_their_versions() -> None:
    rows = re.findall(r"^\| `\S+` \| (\S+): `\S+` \| (\S+) \|", (VENDOR / "README.md").read_text(), re.M)
    assert dict(rows) == WANTED


def test_versions_are_exact_and_the_lock_names_no_registry() -> None:
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in WANTED.values())
    lock = (ROOT / "ui_vendor" / "package-lock.json").read_text()
    assert "://" not in lock
    assert '"integrity"' in lock
