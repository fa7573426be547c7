"""Files of the SDK face: every endpoint, lists, limits, walls; and through the official Python client."""

from __future__ import annotations

import socket
import time
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from flask_assistant_stream.errors import NotFound
from flask_assistant_stream.stores.base import Kind
from tests.server_process import PREFIX, Answer, ServerProcess
from tests.stack.app import API_KEY

from .conftest import MakeSite, Site, refused

CONTENT = b"The sky is green."


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()


def listed(site: Site, query: str = "", **options: Any) -> list[str]:
    answer = site.get(f"/v1/files{query}", **options)
    assert answer.status_code == 200, answer.text
    return [file["id"] for file in answer.get_json()["data"]]


def test_a_file_from_upload_to_delete(site: Site) -> None:
    answer = site.upload("sky.txt", CONTENT, path="/v1/files", fields={"purpose": "assistants"})
    file = answer.get_json()
    kind = {"object": "file", "status": "processed", "status_details": None, "expires_at": None}
    about = {"bytes": len(CONTENT), "filename": "sky.txt", "purpose": "assistants"}
    assert file == {"id": file["id"], "created_at": file["created_at"], **kind, **about}
    path = f"/v1/files/{file['id']}"
    assert site.get(path).get_json() == file
    assert site.get(f"{path}/content").data == CONTENT
    page = site.get("/v1/files").get_json()
    ends = {"first_id": file["id"], "last_id": file["id"], "has_more": False}
    assert page == {"object": "list", "data": [file], **ends}
    deleted = site.request("DELETE", path, headers={"Content-Type": "application/json"}).get_json()
    assert deleted == {"id": file["id"], "object": "file", "deleted": True}
    for answer in (site.get(path), site.get(f"{path}/content"), site.request("DELETE", path)):
        refused(answer, 404, f"No file found with id '{file['id']}'.")


@pytest.mark.parametrize("purpose", ["assistants", "vision", "user_data"])
def test_files_of_any_type_are_accepted(site: Site, purpose: str) -> None:
    file_id = site.new_file("program.exe", b"\x00\xff", purpose=purpose)
    assert site.get(f"/v1/files/{file_id}").get_json()["purpose"] == purpose
    assert site.get(f"/v1/files/{file_id}/content").data == b"\x00\xff"


def test_both_faces_know_a_file(site: Site) -> None:
    file_id = site.upload("own.txt").get_json()["fileId"]
    assert listed(site) == [file_id]
    assert site.get(f"/v1/files/{file_id}").get_json()["purpose"] == "assistants"
    other = site.new_file()
    assert [one["file_id"] for one in site.get("/files").get_json()] == [file_id]
    assert site.get(f"/files/{other}").data == CONTENT
    assert site.request("DELETE", f"/v1/files/{file_id}").status_code == 200
    assert site.get("/files").get_json() == []


def test_lists(site: Site) -> None:
    ids = [site.new_file(f"{n}.txt", purpose="vision" if n % 2 else "assistants") for n in range(25)]
    assert listed(site) == ids[::-1]
    assert listed(site, "?limit=10000&order=asc") == ids
    assert listed(site, "?purpose=vision&order=asc") == ids[1::2]
    assert listed(site, "?purpose=fine-tune") == []
    page = site.get(f"/v1/files?limit=2&order=asc&after={ids[3]}").get_json()
    assert ([file["id"] for file in page["data"]], page["has_more"]) == (ids[4:6], True)
    page = site.get(f"/v1/files?limit=2&order=asc&purpose=vision&after={ids[21]}").get_json()
    assert ([file["id"] for file in page["data"]], page["has_more"]) == (ids[23:24], False)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=10001", "limit=x", "order=up", "after=file-x", "after=", "purpose="]
)
def test_bad_queries(site: Site, query: str) -> None:
    site.new_file()
    param = query.partition("=")[0]
    refused(site.get(f"/v1/files?{query}"), 400, f"Invalid '{param}'", param)


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("GET", "/content"), ("HEAD", "/content")])
def test_a_file_of_others_is_as_unknown_as_one_of_nobody(site: Site, method: str, path: str) -> None:
    file_id = site.new_file()
    foreign = site.request(method, f"/v1/files/{file_id}{path}", user="ben")
    unknown = site.request(method, f"/v1/files/file-x{path}", user="ben")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.text.replace(file_id, "file-x") == unknown.text
    assert listed(site, user="ben") == []
    refused(site.get(f"/v1/files?after={file_id}", user="ben"), 400, "Invalid 'after'", "after")
    assert listed(site) == [file_id]


def test_an_expired_file_is_not_found(site: Site) -> None:
    fields = {"purpose": "assistants", "expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    file = site.upload(path="/v1/files", fields=fields).get_json()
    assert file["expires_at"] == file["created_at"] + 3600
    assert listed(site) == [file["id"]]
    site.request("DELETE", f"/v1/files/{file['id']}")
    refused(site.upload(path="/v1/files"), 400, "Invalid 'purpose'", "purpose")
    assert listed(site) == []
    file_id = site.new_file()
    site.registration.store.update(Kind.FILE, "anna", file_id, body={"expires_at": int(time.time()) - 1})
    assert listed(site) == []
    refused(site.get(f"/v1/files/{file_id}/content"), 404, f"No file found with id '{file_id}'.")
    with pytest.raises(NotFound):
        site.registration.store.get(Kind.FILE, "anna", file_id)


def test_the_official_client(client: openai.OpenAI) -> None:
    file = client.files.create(file=("näïve.txt", CONTENT), purpose="assistants")
    assert (file.filename, file.bytes, file.status) == ("näïve.txt", len(CONTENT), "processed")
    assert client.files.retrieve(file.id) == file
    assert client.files.wait_for_processing(file.id) == file
    expiry: Any = {"anchor": "created_at", "seconds": 3600}
    short = client.files.create(file=("short.txt", CONTENT), purpose="assistants", expires_after=expiry)
    assert short.expires_at == short.created_at + 3600
    assert client.files.delete(short.id).deleted
    assert client.files.content(file.id).read() == CONTENT
    others = {client.files.create(file=b"x", purpose="user_data").id for _ in range(3)}
    assert {other.id for other in client.files.list(limit=2, purpose="user_data")} == others
    for id in (file.id, *others):
        assert client.files.delete(id).deleted
    with pytest.raises(openai.NotFoundError) as caught:
        client.files.content(file.id)
    assert caught.value.body["message"] == f"No file found with id '{file.id}'."  # type: ignore[index]
    with pytest.raises(openai.BadRequestError) as refusal:
        client.files.create(file=("a.txt", b""), purpose="assistants")
    assert refusal.value.param == "file"


HEAD = (
    b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
)
FORM = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "multipart/form-data; boundary=b"}
PIECE = b"x" * 65_536


def test_a_chunked_body_is_read_to_its_end_and_rejected_if_incomplete(sqlite_server: ServerProcess) -> None:
    def send(pieces: int, end: bytes) -> Answer:
        return sqlite_server.post("/v1/files", iter([HEAD, *[PIECE] * pieces, end]), headers=FORM)

    before = names(sqlite_server)
    stored = send(48, b"\r\n--b--\r\n")
    assert (stored.status, stored.json["bytes"]) == (200, 48 * len(PIECE))
    path = f"/v1/files/{stored.json['id']}"
    assert sqlite_server.get(f"{path}/content", headers=FORM).body == PIECE * 48
    broken = send(3, b"")
    assert (broken.status, broken.json["error"]["type"]) == (400, "invalid_request_error")
    assert sqlite_server.request("DELETE", path, headers=FORM).status == 200
    assert names(sqlite_server) == before


def test_an_upload_that_breaks_off(sqlite_server: ServerProcess) -> None:
    before = names(sqlite_server)
    url = urlsplit(sqlite_server.origin)
    for length in ("Content-Length: 1000000", "Transfer-Encoding: chunked"):
        lines = [f"POST {PREFIX}/v1/files HTTP/1.1", "Host: x", length, *[f"{k}: {v}" for k, v in FORM.items()], "", ""]
        with socket.create_connection((url.hostname or "", url.port or 0)) as connection:
            start = HEAD + PIECE
            framed = b"%x\r\n%s\r\n" % (len(start), start) if "chunked" in length else start
            connection.sendall("\r\n".join(lines).encode() + framed)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.makefile("rb").read()
        assert not answer or b" 400 " in answer.partition(b"\r\n")[0], answer
    assert names(sqlite_server) == before


def names(server: ServerProcess) -> list[str]:
    return [one["filename"] for one in server.get("/v1/files", headers=FORM).json["data"]]
