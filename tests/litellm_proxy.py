"""A real LiteLLM proxy before a fake server of chat completions: its bridge speaks the Responses API to us.

It runs from an environment of its own, `.litellm`, which `make test` makes. Nothing that it would fetch when it starts
is fetched: price list, news, presets are those that it brings along.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.server_process import KEY

PROGRAM = Path(__file__).resolve().parents[1] / ".litellm" / "bin" / "litellm"
START_SECONDS = 120
STOP_SECONDS = 20
LOCAL = ("MODEL_COST_MAP", "BLOG_POSTS", "ANTHROPIC_BETA_HEADERS", "AUTOROUTER_PRESETS", "POLICY_TEMPLATES")
"""What it would look up in the net."""


@contextmanager
def litellm_proxy(where: Path, chat_url: str, model: str) -> Iterator[str]:
    """Run a proxy until the context is left; gives its base URL. It takes `KEY`.

    Args:
        where: a folder for its configuration and its log.
        chat_url: base URL of the server of chat completions.
        model: the one model that it knows.
    """
    if not PROGRAM.exists():
        pytest.fail(f"{PROGRAM} is missing: run `make test` once, or `make .litellm/.stamp`")
    config, port = where / "config.json", _free_port()
    config.write_text(json.dumps(_config(chat_url, model)))
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


def _config(chat_url: str, model: str) -> dict[str, object]:
    bridged = {"model": f"openai/{model}", "api_base": chat_url, "api_key": "sk-none", "use_chat_completions_api": True}
    return {
        "model_list": [{"model_name": model, "litellm_params": bridged}],
        "litellm_settings": {"telemetry": False, "num_retries": 0},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }


def _environment(where: Path) -> dict[str, str]:
    local = {f"LITELLM_LOCAL_{name}": "True" for name in LOCAL}
    quiet = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "PYTHONUNBUFFERED": "1"}
    return {"PATH": os.environ["PATH"], "HOME": str(where), "LITELLM_MASTER_KEY": KEY, **quiet, **local}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until it says that it is alive."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(URLError, OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=5).close()
            return
        time.sleep(0.1)
    raise AssertionError(f"the proxy did not start:\n{log.read_text(errors='replace')[-4000:]}")
