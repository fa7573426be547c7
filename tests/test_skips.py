"""The CI switch: what is skipped elsewhere fails there, but for missing shared material."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import SHARED_MISSING, SWITCH

ROOT = Path(__file__).parent.parent


def outcome(test: str, where: Path, switch: str) -> str:
    """Return pytest's closing line for one test file, run in a process of its own."""
    (where / "test_one.py").write_text(f"import pytest\n{test}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.skips", "-p", "no:cacheprovider", str(where)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", SWITCH: switch}
    answer = subprocess.run(command, cwd=where, env=environ, capture_output=True, text=True, timeout=60)
    return answer.stdout.splitlines()[-1]


IN_TEST = "def test_it(): pytest.skip({!r})"
IN_MODULE = "pytest.skip({!r}, allow_module_level=True)"


@pytest.mark.parametrize("place", [IN_TEST, IN_MODULE])
def test_a_skip_fails_in_ci_only(tmp_path: Path, place: str) -> None:
    test = place.format("no server")
    assert outcome(test, tmp_path, switch="").startswith("1 skipped")
    line = outcome(test, tmp_path, switch="1")
    assert line.startswith(("1 failed", "1 error"))


def test_missing_shared_material_may_be_skipped(tmp_path: Path) -> None:
    assert outcome(IN_TEST.format(SHARED_MISSING), tmp_path, switch="1").startswith("1 skipped")
