"""The quickstart of the Assistants API in Node, from `examples/`: only the base URL is ours."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.example_server import clean_environment, example_server
from tests.node_clients import NODE_DIRECTORY, node_program
from tests.server_process import PREFIX, ROOT, ServerProcess
from tests.stack.app import API_KEY

pytestmark = [pytest.mark.node, pytest.mark.slow]

SCRIPT = ROOT / "examples" / "quickstart.mjs"


@pytest.fixture(params=["6.49.0", "7.57.0"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Copy the script and one version of the client, as a user has them."""
    packages = tmp_path / "project" / "node_modules"
    packages.mkdir(parents=True)
    (packages / "openai").symlink_to(NODE_DIRECTORY / "node_modules" / f"openai-{request.param}")
    shutil.copy(SCRIPT, packages.parent)
    return packages.parent


def quickstart(folder: Path, base_url: str, api_key: str, *questions: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [node_program(), SCRIPT.name, *questions],
        cwd=folder,
        env=clean_environment(OPENAI_BASE_URL=base_url, OPENAI_API_KEY=api_key),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def test_the_example_app_with_the_key_that_it_prints(folder: Path, tmp_path: Path) -> None:
    with example_server(tmp_path / "instance") as server:
        snippet = re.search(r'OpenAI\(base_url="(.+)", api_key="(.+)"\)', "".join(server.printed))
        assert snippet, server.printed
        done = quickstart(folder, snippet[1], snippet[2], '/get_weather {"location": "Paris"}', "Thanks, and now?")
    assert (done.returncode, done.stderr) == (0, "")
    call, after, rest = done.stdout.split("\nassistant ")[1:]
    assert call.split() == ["calls", "get_weather", '{"location":', '"Paris"}']
    assert '{"location":"Paris","temperature":21,"unit":"c","conditions":"sunny"}' in after
    assert "user > Thanks, and now?" in after
    assert "3 messages in this thread" in rest


def test_text_and_two_calls_in_one_run(folder: Path, sqlite_server: ServerProcess) -> None:
    done = quickstart(folder, f"{sqlite_server.origin}{PREFIX}/v1", API_KEY, "Weather? @@script:two_calls@@")
    assert (done.returncode, done.stderr) == (0, "")
    spoken, first, second, after = done.stdout.split("\nassistant ")[1:]
    assert spoken.strip() == "> Let me look."
    assert first.split()[:2] == second.split()[:2] == ["calls", "get_weather"]
    assert after.count('"conditions":"sunny"') == 2


def test_a_failed_run_and_a_wrong_key_are_reported(folder: Path, sqlite_server: ServerProcess) -> None:
    done = quickstart(folder, f"{sqlite_server.origin}{PREFIX}/v1", API_KEY, "@@script:fail@@")
    assert (done.returncode, done.stderr) == (1, "\nThe run is failed: The model broke.\n")
    done = quickstart(folder, f"{sqlite_server.origin}{PREFIX}/v1", "sk-wrong", "hello")
    assert done.returncode == 1
    assert "AuthenticationError: 401 " in done.stderr


def test_the_script_does_not_know_whose_api_it_is() -> None:
    code = [line for line in SCRIPT.read_text(encoding="utf-8").splitlines() if not line.startswith("//")]
    assert not [line for line in code if "base" in line.lower() or "http" in line]
