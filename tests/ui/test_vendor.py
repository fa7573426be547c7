"""The chat page ships npm's libraries unchanged, with licences and correct versions."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.node_clients import node_program

ROOT = Path(__file__).parent.parent.parent
VENDOR = ROOT / "flask_assistant_stream" / "ui" / "vendor"
MODULES = ROOT / "ui_vendor" / "node_modules"
COPIES = re.findall(r"^\tcp \$\(VENDOR_MODULES\)/(\S+) \$\(VENDOR\)/(\S+)$", (ROOT / "Makefile").read_text(), re.M)
"""The copies of `make vendor`: path in `node_modules`, name here."""
PACKAGE: dict[str, dict[str, str]] = json.loads((ROOT / "ui_vendor" / "package.json").read_text())
WANTED = PACKAGE["dependencies"]


@pytest.mark.node  # the npm packages
@pytest.mark.parametrize(("source", "name"), COPIES)
def test_libraries_equal_the_npm_files(source: str, name: str) -> None:
    if not MODULES.is_dir():
        pytest.fail("The npm libraries are missing. Run `make test` once to install them.")
    assert (VENDOR / name).read_bytes() == (MODULES / source).read_bytes()


@pytest.mark.node
def test_the_bundle_is_that_of_the_modules() -> None:
    if not MODULES.is_dir():
        pytest.fail("The npm libraries are missing. Run `make test` once to install them.")
    command = [node_program(), str(ROOT / "ui_vendor" / "build.mjs"), "--check"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr


def test_there_are_no_other_files() -> None:
    assert {path.name for path in VENDOR.iterdir()} == {name for _, name in COPIES} | {"README.md"}


def test_each_has_its_licence() -> None:
    scripts = {name.removesuffix(".js") for _, name in COPIES if name.endswith(".js")}
    assert scripts == {name.removesuffix(".LICENSE") for _, name in COPIES if name.endswith(".LICENSE")}
    assert len(scripts) == len(WANTED)


def test_the_readme_names_the_versions() -> None:
    rows = re.findall(r"^\| `\S+` \| (\S+): `\S+` \| (\S+) \|", (VENDOR / "README.md").read_text(), re.M)
    assert dict(rows) == WANTED


def test_versions_are_exact_and_the_lock_names_no_registry() -> None:
    versions = [*WANTED.values(), *PACKAGE["devDependencies"].values()]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)
    lock = (ROOT / "ui_vendor" / "package-lock.json").read_text()
    assert "://" not in lock
    assert '"integrity"' in lock
