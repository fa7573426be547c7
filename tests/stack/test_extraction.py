"""Hostile uploads of one owner, and workers that are killed: the others notice nothing, and no file is left unread."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import openai
import pytest

from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.stores.sqlite import SQLiteStore
from flask_assistant_stream.testing.decode import text_of
from tests.files.hostile import open_paragraphs_html, repeated_form_pdf, shared_stream_pdf, unnamed_part_docx
from tests.server_process import FLASK_RUN, GTHREAD, PREFIX, ROOT, ServerProcess, gunicorn, serving
from tests.stack.app import API_KEY
from tests.stack.uploads import HANDBOOK, attached, of, upload
from tests.waiting import soon

OFFLINE = {"ASSISTANT_ENGINE": "offline", "ASSISTANT_OFFLINE_DELAY_SECONDS": "0"}
SERVERS = {
    "gevent": gunicorn("--workers", "2"),
    "preload": gunicorn("--workers", "2", "--preload"),
    "gthread": (*GTHREAD, "--workers", "2", "tests.stack.app:create_app()"),
    "flask-run": FLASK_RUN,
}
HEALTH_SECONDS, READY_SECONDS = 1.0, 5.0
RETURNS = "How long may a purchase be sent back?"


@pytest.fixture(params=["sqlite", "mongodb"])
def store(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


def status(server: ServerProcess, file_id: str, user: str) -> dict[str, Any]:
    file: dict[str, Any] = server.get(f"/v1/files/{file_id}", headers=of(user)).json
    return file


def took(call: Any) -> float:
    started = time.monotonic()
    assert call().status == 200
    return time.monotonic() - started


@pytest.mark.parametrize("server", SERVERS)
def test_files_that_take_minutes_stop_no_other_owner(server: str, tmp_path: Path) -> None:
    hostile = shared_stream_pdf()
    with serving(SERVERS[server], tmp_path, ASSISTANT_EXTRACTION_SECONDS="4", **OFFLINE) as running:
        for number in range(8):
            assert upload(running, f"{number}.pdf", hostile, user="anna").status == 200
        assert upload(running, "handbook.md", HANDBOOK.encode(), user="berta").status == 200
        for _ in range(10):
            assert took(lambda: running.get("/health")) < HEALTH_SECONDS
            assert took(lambda: running.get("/health/ready")) < READY_SECONDS
            assert took(lambda: running.get("/threads", headers=of("berta"))) < READY_SECONDS
        answer = running.chat(RETURNS, assistantId="asst_search", headers=of("berta"))
        assert "27 days" in text_of(answer.events), "her file waits for the running one of anna alone"
        first = running.get("/files", headers=of("anna")).json
        assert {file["status"] for file in first} <= {"in_progress", "failed"}


@pytest.mark.parametrize(
    ("name", "hostile", "reason"),
    [
        ("form.pdf", repeated_form_pdf, "takes longer than 2 seconds"),
        ("main.docx", unnamed_part_docx, ""),
        ("open.html", open_paragraphs_html, ""),
    ],
)
def test_a_hostile_file_ends_with_the_reason_and_the_next_file_is_read(
    store: str, name: str, hostile: Any, reason: str, tmp_path: Path
) -> None:
    limits = {"ASSISTANT_EXTRACTION_SECONDS": "2", "ASSISTANT_EXTRACTION_MEMORY_BYTES": str(256 << 20)}
    with serving(gunicorn("--workers", "1"), tmp_path, store=store, **limits, **OFFLINE) as server:
        (bad,) = attached(server, name, hostile(), "anna", "file_search")
        soon(lambda: status(server, bad["file_id"], "anna")["status"] != "uploaded")
        file = status(server, bad["file_id"], "anna")
        assert file["status"] in ("error", "processed")
        assert reason in (file["status_details"] or "")
        (good,) = attached(server, "handbook.md", HANDBOOK.encode(), "anna", "file_search")
        soon(lambda: status(server, good["file_id"], "anna")["status"] == "processed")
        answer = server.chat(RETURNS, assistantId="asst_search", attachments=[good], headers=of("anna"))
        assert "27 days" in text_of(answer.events)
        if file["status"] == "error":
            fields: dict[str, Any] = {"assistantId": "asst_search", "attachments": [bad]}
            answer = server.chat("What is in it?", headers=of("anna"), **fields)
            assert f'The attached file "{name}" could not be read' in text_of(answer.events)
            assert file["status_details"] in text_of(answer.events)


def readers(server: ServerProcess) -> dict[int, int]:
    """Return the extraction processes by the worker that has started them."""
    started = {}
    for worker in server.workers:
        for line in Path(f"/proc/{worker}/task").glob("*/children"):
            for pid in line.read_text().split():
                if b"extraction.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    started[int(pid)] = worker
    return started


def test_nothing_starts_before_the_first_file(tmp_path: Path) -> None:
    with serving(gunicorn("--workers", "2", "--preload"), tmp_path, **OFFLINE) as server:
        server.chat("Hello")
        assert readers(server) == {}
        upload(server, "handbook.md", HANDBOOK.encode(), user="anna")
        soon(lambda: len(readers(server)) == 1)


def test_a_killed_worker_leaves_no_process_and_another_one_reads_its_file(store: str, tmp_path: Path) -> None:
    limits = {"ASSISTANT_EXTRACTION_SECONDS": "4", "ASSISTANT_LEASE_SECONDS": "3"}
    with serving(gunicorn("--workers", "2"), tmp_path, store=store, **limits, **OFFLINE) as server:
        (slow,) = attached(server, "form.pdf", repeated_form_pdf(), "anna")
        soon(lambda: len(readers(server)) == 1)
        ((process, worker),) = readers(server).items()
        os.kill(worker, signal.SIGKILL)
        soon(lambda: not Path(f"/proc/{process}").exists(), 5)
        (quick,) = attached(server, "handbook.md", HANDBOOK.encode(), "berta")
        soon(lambda: status(server, quick["file_id"], "berta")["status"] == "processed")
        soon(lambda: status(server, slow["file_id"], "anna")["status"] == "error", 60)
        assert "takes longer than 4 seconds" in status(server, slow["file_id"], "anna")["status_details"]


def test_the_helpers_of_the_official_client_wait_until_files_are_read(tmp_path: Path) -> None:
    path, bad = tmp_path / "handbook.md", tmp_path / "bad.pdf"
    path.write_text(HANDBOOK)
    bad.write_text("no pdf")
    with (
        serving(gunicorn("--workers", "2"), tmp_path / "server", **OFFLINE) as server,
        openai.OpenAI(base_url=f"{server.origin}{PREFIX}/v1", api_key=API_KEY, max_retries=0) as client,
    ):
        alone = client.files.create(file=path, purpose="assistants")
        assert client.files.wait_for_processing(alone.id, poll_interval=0.05).status == "processed"
        other = client.files.wait_for_processing(
            client.files.create(file=bad, purpose="assistants").id, poll_interval=0.05
        )
        assert (other.status, bool(other.status_details)) == ("error", True)
        store = client.vector_stores.create()
        for attached_file in (
            client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=path, poll_interval_ms=50),
            client.vector_stores.files.create_and_poll(alone.id, vector_store_id=store.id, poll_interval_ms=50),
        ):
            assert attached_file.status == "completed"
        batch = client.vector_stores.file_batches.upload_and_poll(store.id, files=[path, bad], poll_interval_ms=50)
        assert (batch.status, batch.file_counts.completed, batch.file_counts.failed) == ("completed", 1, 1)
        counts = client.vector_stores.retrieve(store.id).file_counts
        assert (counts.completed, counts.failed, counts.in_progress) == (3, 1, 0)


def test_a_worker_that_stops_gives_its_file_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    config = str(ROOT / "examples" / "gunicorn.conf.py")
    with serving(gunicorn("--workers", "1", "--config", config), tmp_path, store=url, **OFFLINE) as server:
        (left,) = attached(server, "form.pdf", repeated_form_pdf(), "anna")
        soon(lambda: len(readers(server)) == 1)
        (process,) = readers(server)
        assert server.stop() == 0
    soon(lambda: not Path(f"/proc/{process}").exists(), 5)
    store = SQLiteStore(url)
    assert [record.id for record in store.list(Kind.EXTRACTION, "").records] == [left["file_id"]]
    assert store.list(Kind.EXTRACTION, "", parent=left["file_id"]).records == [], "no attempt is counted"
    store.close()


def test_a_restarted_server_reads_what_was_left(tmp_path: Path) -> None:
    with serving(gunicorn("--workers", "1"), tmp_path, **OFFLINE) as server:
        attached(server, "form.pdf", repeated_form_pdf(), "anna")
        (left,) = attached(server, "handbook.md", HANDBOOK.encode(), "anna")
        soon(lambda: len(readers(server)) == 1)
        os.kill(server.workers[0], signal.SIGKILL)
        os.kill(server.process.pid, signal.SIGKILL)
    with serving(gunicorn("--workers", "1"), tmp_path, ASSISTANT_EXTRACTION_SECONDS="2", **OFFLINE) as again:
        soon(lambda: status(again, left["file_id"], "anna")["status"] == "processed", 60)
