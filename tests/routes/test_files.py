"""The owner's files on the app face: upload, list, download, delete, attach to messages; owners are separate."""

from __future__ import annotations

import io
from typing import Any

import pytest
from werkzeug.http import parse_options_header
from werkzeug.test import TestResponse

from flask_assistant_stream.errors import StoreError, UpstreamError
from flask_assistant_stream.files.files import FileContent
from flask_assistant_stream.routes.download import disposition
from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.testing.scripted import text

from .conftest import FRONT_END, MakeSite, Site, fail_with, run_of

SKY = b"The sky is green."
SEARCH, CODE = {"type": "file_search"}, {"type": "code_interpreter"}


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site(text("Hi."), text("Hi."), text("Hi."))


def stored(site: Site) -> list[tuple[str, str]]:
    store, ids = site.registration.store, []
    for owner in ("anna", "ben"):
        for kind in (Kind.FILE, Kind.VECTOR_STORE):
            for record in store.list(kind, owner, limit=100).records:
                below = store.list(Kind.VECTOR_STORE_FILE, owner, parent=record.id, limit=100).records
                ids += [(owner, record.id), *((owner, file.id) for file in below)]
    return ids


def error_of(answer: TestResponse) -> tuple[int, str | None]:
    assert answer.content_type == "application/json"
    return answer.status_code, answer.get_json()["error"]["param"]


def test_the_requests_of_the_quickstarts_page(site: Site) -> None:
    assert site.get("/files").get_json() == []
    answer = site.upload("sky.txt", SKY, headers={"Origin": FRONT_END})
    assert answer.headers["Access-Control-Allow-Origin"] == FRONT_END
    file_id = answer.get_json()["fileId"]
    assert answer.get_json() == {"fileId": file_id, "filename": "sky.txt"}
    other = site.upload("b.md", b"# Grass\n\nIt is blue.").get_json()["fileId"]
    assert site.get("/files").get_json() == [
        {"file_id": other, "filename": "b.md", "status": "completed"},
        {"file_id": file_id, "filename": "sky.txt", "status": "completed"},
    ]
    assert site.get(f"/files/{file_id}").data == SKY
    body = b'{"fileId": "%s"}' % file_id.encode()
    deleted = site.request("DELETE", "/files", data=body, content_type="text/plain;charset=UTF-8")
    assert deleted.get_json() == {"id": file_id, "object": "file", "deleted": True}
    assert [file["file_id"] for file in site.get("/files").get_json()] == [other]
    assert site.get(f"/files/{file_id}").status_code == 404
    assert site.request("DELETE", "/files", data=body).status_code == 404


def test_an_owner_has_one_vector_store_and_one_list_without_pages(site: Site) -> None:
    ids = [site.upload(f"{number}.txt").get_json()["fileId"] for number in range(25)]
    site.upload("c.txt", user="ben")
    assert [file["file_id"] for file in site.get("/files").get_json()] == ids[::-1]
    assert len(site.get("/v1/vector_stores").get_json()["data"]) == 1
    assert [file["filename"] for file in site.get("/files", user="ben").get_json()] == ["c.txt"]


@pytest.mark.parametrize(
    ("filename", "kind"),
    [
        *((f"page.{end}", "text/plain") for end in ("html", "htm", "css", "js", "mjs", "xml", "py")),
        *((f"page.{end}", "application/octet-stream") for end in ("svg", "xhtml", "wasm", "swf", "map", "jar", "xsl")),
        ("data.json", "application/json"),
        ("notes.md", "text/markdown"),
        ("picture.png", "image/png"),
        ("paper.pdf", "application/pdf"),
        ("letter.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        *((f"{name}.txt", "text/plain") for name in ("a b", "näïve “x”", "日本", "quote'", "percent%41;x=y")),
    ],
)
def test_a_download_is_a_file_and_nothing_else(site: Site, filename: str, kind: str) -> None:
    file_id = site.new_file(filename)
    for path in (f"/files/{file_id}", f"/v1/files/{file_id}/content"):
        answer = site.get(path, headers={"Accept": "application/binary"})
        assert (answer.status_code, answer.data, answer.content_type) == (200, SKY, kind)
        assert answer.content_length == len(SKY)
        disposition_kind, options = parse_options_header(answer.headers["Content-Disposition"])
        assert (disposition_kind, options["filename"]) == ("attachment", filename)
        safety = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
        safety["Cross-Origin-Resource-Policy"] = "same-site"
        expected = {**safety, "Cache-Control": "private, no-store"}
        assert expected.items() <= dict(answer.headers).items()
        assert answer.headers["X-Request-Id"]
        head = site.request("HEAD", path)
        assert (head.status_code, head.data, head.content_length) == (200, b"", len(SKY))
        assert head.headers["Content-Disposition"] == answer.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("a.txt", "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt"),
        ("é.txt", "attachment; filename=\"e.txt\"; filename*=UTF-8''%C3%A9.txt"),
        ("日本.txt", "attachment; filename=\"file.txt\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.txt"),
        ("日本", "attachment; filename=\"file\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC"),
        ('a"b\\c.txt', "attachment; filename=\"a_b_c.txt\"; filename*=UTF-8''a%22b%5Cc.txt"),
        ("a\r\nX: y.txt", "attachment; filename=\"a__X: y.txt\"; filename*=UTF-8''a%0D%0AX%3A%20y.txt"),
    ],
)
def test_names_in_a_header(filename: str, header: str) -> None:
    assert disposition(filename) == header


def test_a_store_that_fails_in_the_middle_ends_the_body_early(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def chunks() -> Any:
        yield SKY
        raise StoreError("away")

    content = FileContent("a.txt", "text/plain", 2 * len(SKY), chunks())
    monkeypatch.setattr(site.registration.files, "content", lambda *_: content)
    answer = site.get("/files/file-1")
    assert (answer.data, answer.content_length) == (SKY, 2 * len(SKY))
    assert "download broken off: away" in caplog.text


@pytest.mark.parametrize(
    ("filename", "content", "message"),
    [
        ("a.exe", SKY, "files must end in one of"),
        ("noending", SKY, "files must end in one of"),
        ("a.txt", b"", "empty"),
        ("../a.txt", SKY, "plain file name"),
        ("a\x01.txt", SKY, "control characters"),
        ("n" * 252 + ".txt", SKY, "255 characters"),
    ],
)
def test_uploads_that_are_refused(site: Site, filename: str, content: bytes, message: str) -> None:
    answer = site.upload(filename, content, headers={"Origin": FRONT_END})
    assert error_of(answer) == (400, "file")
    assert message in answer.text
    assert answer.headers["Access-Control-Allow-Origin"] == FRONT_END
    assert stored(site) == []


def test_an_upload_over_the_limit(make_site: MakeSite) -> None:
    site = make_site(max_upload_bytes=1000)
    assert site.upload("a.txt", b"x" * 1000).status_code == 200
    before = stored(site)
    for path, fields in (("/files", {}), ("/v1/files", {"purpose": "assistants"})):
        for size in (1001, 200_000):
            answer = site.upload("a.txt", b"x" * size, path=path, fields=fields)
            assert answer.status_code == 413
            assert "the limit is 1000 bytes" in answer.text
    assert stored(site) == before


@pytest.mark.parametrize("failing", ["create_file", "create_vector_store", "attach"])
def test_an_upload_that_fails_later_leaves_nothing(site: Site, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    error = UpstreamError("The upstream does not answer.", status=503, retry_after=3)
    monkeypatch.setattr(site.registration.files.storage, failing, fail_with(error))
    answer = site.upload()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
    assert answer.headers["x-should-retry"] == "false"
    assert site.get("/files").get_json() == []
    assert site.registration.store.list(Kind.FILE, "anna").records == []


def test_the_file_is_closed_when_the_request_ends(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def take(_owner: str, upload: Any) -> Any:
        seen.append(upload.content)
        raise RuntimeError("a fault")

    monkeypatch.setattr(site.registration.resources, "upload_own", take)
    assert site.upload().status_code == 500
    assert seen[0].closed


@pytest.mark.parametrize(("body", "param"), [(b"", "fileId"), (b'{"fileId": 1}', "fileId"), (b"{", None)])
def test_deletes_that_are_refused(site: Site, body: bytes, param: str | None) -> None:
    assert error_of(site.request("DELETE", "/files", data=body)) == (400, param)
    for path in ("/files", "/v1/files"):
        answer = site.post(path, {"file": "a.txt"})
        assert answer.status_code == 400
        assert "multipart/form-data" in answer.text, "an upload is a form"


def test_an_upload_without_a_login_is_not_read(site: Site) -> None:
    class Untouched(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise AssertionError("the body was read")

        readinto = read  # type: ignore[assignment]

    environ = {"CONTENT_LENGTH": "100"}
    answer = site.request("POST", "/files", user="nobody", input_stream=Untouched(), environ_overrides=environ)
    assert answer.status_code == 401


def resources_of(site: Site, thread_id: str) -> dict[str, Any]:
    return dict(site.registration.store.get(Kind.THREAD, "anna", thread_id).body["tool_resources"])


def test_attachments_are_added_to_the_tool_resources_of_a_thread(site: Site) -> None:
    notes, table = site.new_file(), site.new_file("table.csv", b"a,b")
    attachments = [{"file_id": notes, "tools": [SEARCH]}, {"file_id": table, "tools": [SEARCH, CODE]}]
    thread_id = run_of(site.chat(attachments=attachments))["thread_id"]
    resources = resources_of(site, thread_id)
    (vector_store,) = resources["file_search"]["vector_store_ids"]
    assert resources["code_interpreter"]["file_ids"] == [table]
    path = f"/v1/vector_stores/{vector_store}"
    assert {file["id"] for file in site.get(f"{path}/files").get_json()["data"]} == {notes, table}
    assert site.get(path).get_json()["expires_after"] == {"anchor": "last_active_at", "days": 7}
    more, code = site.new_file("more.txt"), site.new_file("code.py")
    attachments = [{"file_id": more, "tools": [SEARCH]}, {"file_id": code, "tools": [CODE]}]
    answer = site.post(f"/threads/{thread_id}/messages", {"content": "and these", "attachments": attachments})
    assert answer.status_code == 200
    resources["code_interpreter"]["file_ids"].append(code)
    assert resources_of(site, thread_id) == resources
    assert {file["id"] for file in site.get(f"{path}/files").get_json()["data"]} == {notes, table, more}


@pytest.mark.parametrize("file_id", ["file-x", "{bens}"])
@pytest.mark.parametrize("tools", [[SEARCH], [CODE], None])
@pytest.mark.parametrize("path", ["/chat/stream", "/threads/{thread}/messages"])
def test_attachments_that_the_owner_does_not_have(site: Site, path: str, tools: list[Any] | None, file_id: str) -> None:
    file_id = file_id.replace("{bens}", site.new_file(user="ben"))
    thread_id = site.new_thread()
    before = site.contents(), stored(site)
    attachment = {"file_id": file_id, **({} if tools is None else {"tools": tools})}
    answer = site.post(path.format(thread=thread_id), {"content": "hi", "attachments": [attachment]})
    assert error_of(answer) == (404, "attachments[0].file_id")
    assert answer.get_json()["error"]["message"] == f"No file found with id '{file_id}'."
    assert (site.contents(), stored(site)) == before


def test_an_attachment_that_cannot_be_searched(site: Site) -> None:
    image = site.new_file("cat.png", b"PNG", purpose="vision")
    before = stored(site)
    answer = site.post("/chat/stream", {"content": "hi", "attachments": [{"file_id": image, "tools": [SEARCH]}]})
    assert error_of(answer) == (400, "attachments[0].file_id")
    assert stored(site) == before


def test_a_start_that_fails_leaves_no_vector_store(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = site.new_file()
    before = stored(site)
    monkeypatch.setattr(site.registration.runner, "start", fail_with(StoreError("away")))
    attachments = [{"file_id": notes, "tools": [SEARCH]}]
    assert site.post("/chat/stream", {"content": "hi", "attachments": attachments}).status_code == 503
    thread = {"messages": [{"role": "user", "content": "hi", "attachments": attachments}]}
    body = {"assistant_id": "asst_default", "thread": thread}
    assert site.post("/v1/threads/runs", body).status_code == 503
    thread["tool_resources"] = {"file_search": {"vector_stores": [{"file_ids": [notes]}]}}  # type: ignore[assignment]
    assert site.post("/v1/threads/runs", body).status_code == 503
    assert stored(site) == before


@pytest.mark.parametrize("face", ["", "/v1"])
def test_a_deleted_thread_takes_its_vector_store_along(site: Site, face: str) -> None:
    mine = site.new_vector_store()
    resources = {"file_search": {"vector_store_ids": [mine]}}
    keeps = site.post("/v1/threads", {"tool_resources": resources}).get_json()["id"]
    run = run_of(site.chat(attachments=[{"file_id": site.new_file(), "tools": [SEARCH]}]))
    (gone,) = resources_of(site, run["thread_id"])["file_search"]["vector_store_ids"]
    for thread_id in (keeps, run["thread_id"]):
        assert site.request("DELETE", f"{face}/threads/{thread_id}").status_code == 200
    assert site.get(f"/v1/vector_stores/{gone}").status_code == 404
    assert site.get(f"/v1/vector_stores/{mine}").status_code == 200
    assert len(site.get("/v1/files").get_json()["data"]) == 1


def test_a_thread_is_deleted_though_the_upstream_is_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(site.chat(attachments=[{"file_id": site.new_file(), "tools": [SEARCH]}]))
    monkeypatch.setattr(site.registration.resources, "thread_deleted", fail_with(UpstreamError("away")))
    assert site.request("DELETE", f"/threads/{run['thread_id']}").status_code == 200
    assert site.get(f"/threads/{run['thread_id']}").status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_file_of_another_owner_is_as_unknown_as_none(site: Site, method: str) -> None:
    file_id = site.upload().get_json()["fileId"]

    def ask(id: str, user: str) -> TestResponse:
        if method == "DELETE":
            return site.request("DELETE", "/files", json={"fileId": id}, user=user)
        return site.request(method, f"/files/{id}", user=user)

    foreign, unknown = ask(file_id, "ben"), ask("file-x", "ben")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.text.replace(file_id, "file-x") == unknown.text
    assert site.get("/files", user="ben").get_json() == []
    assert site.get(f"/files/{file_id}").status_code == 200
