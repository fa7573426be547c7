"""Unit tests of the chat page's scripts without a browser: Node runs each `*.test.mjs` here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.node_clients import node_program

pytestmark = pytest.mark.node

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_scripts(name: str) -> None:
    command = [node_program(), "--test", name]
    done = subprocess.run(command, cwd=HERE, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
