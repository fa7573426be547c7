"""Files on real servers: without a key on both stores, and with an upstream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_assistant_stream.testing.decode import text_of
from tests.fake_upstream import UpstreamProcess
from tests.files.material import a_docx, a_pdf
from tests.node_clients import NodeDecoder
from tests.server_process import Answer, ServerProcess, gunicorn, serving
from tests.stack.uploads import HANDBOOK, attached, citations, listed, of, upload

MANUAL = "The Zephyr kettle boils at 4000 metres in 93 seconds."


@pytest.fixture(scope="module")
def offline(module_store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Yield the app without an upstream, with two workers, on each store in turn."""
    folder = tmp_path_factory.mktemp("files")
    settings = {"ASSISTANT_ENGINE": "offline", "ASSISTANT_OFFLINE_DELAY_SECONDS": "0"}
    with serving(gunicorn("--workers", "2"), folder, store=module_store, **settings) as running:
        yield running


def ask(server: ServerProcess, question: str, user: str, **rest: Any) -> Answer:
    return server.chat(question, assistantId="asst_search", headers=of(user), **rest)


def test_a_fact_is_cited_until_its_file_is_deleted(
    offline: ServerProcess, node_version: str, node_decode: NodeDecoder
) -> None:
    user = f"reader-{node_version}"
    handbook = upload(offline, "handbook.md", HANDBOOK.encode(), user=user).json
    manual = upload(offline, "Kessel 🫖.pdf", a_pdf(MANUAL), user=user).json
    assert listed(offline, user) == [
        {"file_id": manual["fileId"], "filename": "Kessel 🫖.pdf", "status": "completed"},
        {"file_id": handbook["fileId"], "filename": "handbook.md", "status": "completed"},
    ]
    answer = ask(offline, "How long may a purchase be sent back?", user)
    assert "27 days" in text_of(answer.events)
    (note,) = citations(answer)
    assert note["file_citation"] == {"file_id": handbook["fileId"]}
    assert note["text"].endswith("†handbook.md】")
    decoded = node_decode(node_version, answer.body)
    assert (decoded.error, decoded.text) == (None, text_of(answer.events))
    kettle = ask(offline, "How many seconds does the Zephyr kettle need?", user)
    assert "93 seconds" in text_of(kettle.events)
    assert citations(kettle)[0]["file_citation"]["file_id"] == manual["fileId"]
    gone = offline.request("DELETE", "/files", {"fileId": handbook["fileId"]}, headers=of(user))
    assert gone.json == {"id": handbook["fileId"], "object": "file", "deleted": True}
    again = ask(offline, "How long may a purchase be sent back?", user)
    assert "27 days" not in text_of(again.events)
    assert citations(again) == []
    assert offline.get(f"/files/{handbook['fileId']}", headers=of(user)).status == 404


def test_a_file_is_searched_for_its_owner_only(offline: ServerProcess) -> None:
    upload(offline, "secret.txt", b"The password of the vault is xyzzy.", user="keeper")
    assert "xyzzy" in text_of(ask(offline, "What is the password of the vault?", "keeper").events)
    assert "xyzzy" not in text_of(ask(offline, "What is the password of the vault?", "thief").events)
    assert offline.get("/files", headers=of("thief")).json == []


def test_an_attachment_is_searched_in_its_thread_only(offline: ServerProcess) -> None:
    notes = attached(offline, "notes.docx", a_docx(["The meeting is in room 4711."]), "writer", "file_search")
    first = ask(offline, "Which room is the meeting in?", "writer", attachments=notes)
    assert "4711" in text_of(first.events)
    second = ask(offline, "The meeting: which room?", "writer", threadId=first.run["thread_id"])
    assert "4711" in text_of(second.events)
    assert "4711" not in text_of(ask(offline, "Which room is the meeting in?", "writer").events)


def test_a_download_has_the_uploaded_bytes(offline: ServerProcess) -> None:
    content = bytes(range(256)) * 5000
    # Browsers escape quotation marks like this.
    sent = upload(offline, "Größe %22x%22.csv", content, "/v1/files", "loader", purpose="user_data")
    got = offline.get(f"/v1/files/{sent.json['id']}/content", headers=of("loader"))
    assert got.body == content
    assert int(got.headers["Content-Length"]) == len(content) == sent.json["bytes"]
    assert "filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%22x%22.csv" in got.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("filename", "content"),
    [("empty.txt", b""), ("picture.png", b"\x89PNG"), ("../up.txt", b"x"), ("a\x07b.txt", b"x"), ("", b"x")],
)
def test_refused_uploads_leave_nothing(offline: ServerProcess, filename: str, content: bytes) -> None:
    refused = upload(offline, filename, content, user="clumsy")
    assert (refused.status, refused.json["error"]["param"]) == (400, "file")
    assert offline.get("/files", headers=of("clumsy")).json == []
    assert offline.get("/v1/files", headers=of("clumsy")).json["data"] == []


def test_an_unreadable_file_is_listed_as_failed(offline: ServerProcess) -> None:
    broken = upload(offline, "broken.pdf", b"%PDF-1.4 nothing", user="unlucky").json
    assert [file["status"] for file in listed(offline, "unlucky")] == ["failed"]
    assert "offline engine" in text_of(ask(offline, "What does it say?", "unlucky").events)
    offline.request("DELETE", "/files", {"fileId": broken["fileId"]}, headers=of("unlucky"))
    assert offline.get("/files", headers=of("unlucky")).json == []


@pytest.fixture
def upstream(played: UpstreamProcess) -> Iterator[UpstreamProcess]:
    """Yield the upstream; afterwards it indexes at once again."""
    yield played
    played.control_files(indexing_reads=0)


def searched_stores(upstream: UpstreamProcess) -> list[str]:
    """Return the vector stores of the file search in the last request."""
    (tool,) = [tool for tool in upstream.told()["requests"][-1]["body"]["tools"] if tool["type"] == "file_search"]
    return list(tool["vector_store_ids"])


def test_polling_without_changes_sends_nothing_upstream(server: ServerProcess, upstream: UpstreamProcess) -> None:
    upstream.control_files(indexing_reads=2)
    sent = upload(server, "handbook.md", HANDBOOK.encode(), user="poller")
    assert sent.status == 200, sent.body
    seen = []
    while "completed" not in seen:
        seen.append(server.get("/files", headers=of("poller")).json[0]["status"])
        assert len(seen) < 5000
    assert seen[0] == "in_progress"
    settled = upstream.told_files()["counts"]
    for _ in range(20):
        assert server.get("/files", headers=of("poller")).json[0]["status"] == "completed"
        store = server.get("/v1/vector_stores", headers=of("poller")).json["data"][0]["id"]
        server.get(f"/v1/vector_stores/{store}/files", headers=of("poller"))
        server.get(f"/v1/vector_stores/{store}", headers=of("poller"))
    assert upstream.told_files()["counts"] == settled


def test_the_owners_store_is_searched_beside_configured_ones(server: ServerProcess, played: UpstreamProcess) -> None:
    upload(server, "mine.md", b"mine", user="searcher")
    (own,) = [store["id"] for store in server.get("/v1/vector_stores", headers=of("searcher")).json["data"]]
    server.chat("@@script:text@@", assistantId="asst_search", headers=of("searcher"))
    assert searched_stores(played) == ["vs_food", own]
    server.chat("@@script:text@@", assistantId="asst_search", headers=of("nobody-else"))
    assert searched_stores(played) == ["vs_food"]


def test_a_run_waits_for_the_files_of_its_thread(server: ServerProcess, upstream: UpstreamProcess) -> None:
    upstream.control_files(indexing_reads=2)
    (file,) = attached(server, "long.md", b"long", "patient", "file_search")
    answer = server.chat("@@script:text@@", assistantId="asst_search", attachments=[file], headers=of("patient"))
    assert answer.run["status"] == "completed"
    thread = server.get(f"/threads/{answer.run['thread_id']}", headers=of("patient")).json
    (own,) = thread["tool_resources"]["file_search"]["vector_store_ids"]
    assert own in searched_stores(upstream)
    members = server.get(f"/v1/vector_stores/{own}/files", headers=of("patient")).json["data"]
    assert [member["status"] for member in members] == ["completed"]
    assert server.request("DELETE", f"/threads/{thread['id']}", headers=of("patient")).status == 200
    assert own not in upstream.told_files()["vector_stores"]
    assert file["file_id"] in upstream.told_files()["files"], "an upload is its owner's, not the thread's"


@pytest.mark.parametrize("route", ["POST /files", "POST /vector_stores", "POST /vector_stores/{store}/files"])
def test_an_upload_that_fails_upstream_leaves_nothing(
    server: ServerProcess, upstream: UpstreamProcess, route: str
) -> None:
    user = f"unlucky-{route.count('/')}-{len(route)}"
    before = upstream.told_files()
    upstream.control_files(fail=[{"route": route, "status": 500, "times": 9}])
    rejected = upload(server, "handbook.md", HANDBOOK.encode(), user=user)
    upstream.control_files(fail=[])
    assert (rejected.status, rejected.json["error"]["code"]) == (502, "upstream_error")
    assert upstream.told_files()["files"] == before["files"]
    assert server.get("/files", headers=of(user)).json == []
    assert server.get("/v1/files", headers=of(user)).json["data"] == []
    assert b"sk-of-the-upstream" not in rejected.body
