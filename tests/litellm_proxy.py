"""A real LiteLLM proxy in front of fake servers: chat completions, which it bridges, and the Responses API.

It runs in its own environment, `.litellm`, created by `make test`. It fetches nothing at start: price list, news and
presets are those in its package.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.kinds import require
from tests.server_process import KEY

PROGRAM = Path(__file__).resolve().parents[1] / ".litellm" / "bin" / "litellm"
START_SECONDS = 300
STOP_SECONDS = 20
LOCAL = ("MODEL_COST_MAP", "BLOG_POSTS", "ANTHROPIC_BETA_HEADERS", "AUTOROUTER_PRESETS", "POLICY_TEMPLATES")
"""Data that it would otherwise download at start."""
NO_RETRIES = {
    "litellm_settings": {"telemetry": False, "num_retries": 0},
    "router_settings": {"num_retries": 0, "disable_cooldowns": True},
}
"""The proxy sends each request once."""


@contextmanager
def litellm_proxy(where: Path, *, bridged: Mapping[str, str], passed_on: Mapping[str, str]) -> Iterator[str]:
    """Run a proxy and yield its base URL. Its API key is `KEY`.

    Args:
        where: a folder for its configuration and log.
        bridged: model -> base URL of a chat completions server.
        passed_on: model -> base URL of a Responses API server.
    """
    require("slow")
    if not PROGRAM.exists():
        pytest.fail(f"{PROGRAM} is missing: run `make test` once, or `make .litellm/.stamp`")
    config, port = where / "config.json", _free_port()
    models = [_model(name, url, bridge=True) for name, url in bridged.items()]
    models += [_model(name, url, bridge=False) for name, url in passed_on.items()]
    config.write_text(json.dumps({"model_list": models, **NO_RETRIES}))
    command = [str(PROGRAM), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with (where / "litellm.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=where, env=_environment(where), stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_ready(process, port, where / "litellm.log")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        process.kill()
        process.wait()


def _model(name: str, url: str, *, bridge: bool) -> dict[str, object]:
    parameters = {"model": f"openai/{name}", "api_base": url, "api_key": "sk-none", "use_chat_completions_api": bridge}
    return {"model_name": name, "litellm_params": parameters}


def _environment(where: Path) -> dict[str, str]:
    local = {f"LITELLM_LOCAL_{name}": "True" for name in LOCAL}
    quiet = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "PYTHONUNBUFFERED": "1"}
    return {"PATH": os.environ["PATH"], "HOME": str(where), "LITELLM_MASTER_KEY": KEY, **quiet, **local}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until the proxy reports that it is alive."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(URLError, OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=5).close()
            return
        time.sleep(0.1)
    raise AssertionError(f"the proxy did not start:\n{log.read_text(errors='replace')[-4000:]}")
