"""Under gevent, calls of files/ do not block other greenlets."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.fake_upstream import UpstreamProcess

PRELUDE = """
    from gevent import monkey
    monkey.patch_all()
    import io, sys, threading, time
    from flask_assistant_stream.errors import UpstreamError
    from flask_assistant_stream.storages.base import Upload
    from flask_assistant_stream.files.files import Files
    from flask_assistant_stream.files.tool_resources import ToolResources
    from flask_assistant_stream.files.vector_stores import VectorStores
    from flask_assistant_stream.stores import make_store

    url, path = sys.argv[1:]
    store = make_store(f"sqlite:///{path}")
    gaps, over = [], threading.Event()

    def tick():
        last = time.monotonic()
        while not over.is_set():
            time.sleep(0.01)
            gaps.append(time.monotonic() - last)
            last = time.monotonic()

    def upload(text):
        return Upload("a.txt", "text/plain", "assistants", io.BytesIO(text), len(text))

    def watched(call):
        ticker = threading.Thread(target=tick)
        ticker.start()
        started = time.monotonic()
        call()
        taken = time.monotonic() - started
        over.set()
        ticker.join()
        assert max(gaps) < 0.5 and len(gaps) > 5, (max(gaps), len(gaps))
        return taken

    def resources(storage):
        files = Files(store, storage, max_bytes=1 << 24)
        return ToolResources(store, files, VectorStores(store, storage, files))
"""

STALLED = """
    from flask_assistant_stream.storages.openai.storage import UpstreamStorage
    from flask_assistant_stream.upstream import Upstream
    storage = UpstreamStorage(Upstream("key", url), timeout=1.0, upload_timeout=1.0)
    storage.create_vector_store("ann", {})  # the client is imported
    own = resources(storage)

    def call():
        try:
            own.upload_own("ann", upload(b"text"))
        except UpstreamError as error:
            assert error.status == 504
        else:
            raise AssertionError("it was answered")

    assert watched(call) >= 1.0
    assert own.own_files("ann") == []
    storage.close()
    store.close()
"""

LOCAL = """
    from flask_assistant_stream.extraction.extractor import TextExtractor
    from flask_assistant_stream.storages.local.storage import LocalStorage
    extractor = TextExtractor()
    storage = LocalStorage(store, extractor=extractor)
    own = resources(storage)

    def call():
        own.upload_own("ann", upload(b"The sky is blue. " * 100_000))
        while own.own_files("ann")[0]["status"] == "in_progress":
            time.sleep(0.02)

    watched(call)
    assert [file["status"] for file in own.own_files("ann")] == ["completed"]
    assert "The sky is blue." in storage.find("ann", [own.own_store("ann")], "sky", 3)[0]["text"]
    storage.stop()
    extractor.stop()
    store.close()
"""


def run(code: str, url: str, path: Path) -> None:
    """Run code in a patched process; it fails by itself."""
    source = textwrap.dedent(PRELUDE) + textwrap.dedent(code)
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", source, url, str(path)]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True, cwd=root, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_stalled_upstream_does_not_block_greenlets(upstream_process: UpstreamProcess, tmp_path: Path) -> None:
    upstream_process.control_files(fail=[{"route": "POST /files", "how": "stall"}])
    run(STALLED, upstream_process.base_url, tmp_path / "store.db")


def test_reading_and_indexing_a_file_does_not_block_greenlets(tmp_path: Path) -> None:
    run(LOCAL, "", tmp_path / "store.db")
