"""The quickstart of the Assistants API in Node, as it stands in `examples/`: nothing but the base URL is ours."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.node_clients import HINT, NODE_DIRECTORY
from tests.server_process import PREFIX, ROOT, ServerProcess
from tests.stack.app import API_KEY


@pytest.mark.parametrize("version", ["6.49.0", "7.57.0"])
def test_it_asks_answers_a_call_and_shows_what_follows(
    sqlite_server: ServerProcess, tmp_path: Path, version: str
) -> None:
    node, packages = shutil.which("node"), tmp_path / "node_modules"
    assert node, f"Node is missing: {HINT}"
    packages.mkdir()
    (packages / "openai").symlink_to(NODE_DIRECTORY / "node_modules" / f"openai-{version}")
    shutil.copy(ROOT / "examples" / "quickstart.mjs", tmp_path)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ASSISTANT_"))}
    given = {"OPENAI_BASE_URL": f"{sqlite_server.origin}{PREFIX}/v1", "OPENAI_API_KEY": API_KEY}
    done = subprocess.run(
        [node, "quickstart.mjs", "Weather? @@script:two_calls@@"],
        cwd=tmp_path,
        env={**kept, **given},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "assistant uses function" in done.stdout
    assert "assistant > " in done.stdout
    assert done.stdout.rstrip().endswith("The run is completed.")
