"""Requests of the tests of files, and what they read in the answers."""

from __future__ import annotations

import uuid
from typing import Any

from flask_assistant_stream.testing.decode import objects_of
from tests.server_process import Answer, ServerProcess
from tests.waiting import soon

HANDBOOK = "# Handbook\n\n## Returns\n\nA purchase may be sent back for 27 days.\n\n## Hours\n\nWe open at nine.\n"


def form(filename: str, content: bytes, **fields: str) -> dict[str, Any]:
    """Return what `ServerProcess.request` needs to send a file as a browser does."""
    boundary = f"----{uuid.uuid4().hex}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
    body = "".join(parts).encode() + head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content
    return {
        "body": body + f"\r\n--{boundary}--\r\n".encode(),
        "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    }


def upload(
    server: ServerProcess, filename: str, content: bytes, path: str = "/files", user: str = "", **fields: str
) -> Answer:
    sent = form(filename, content, **fields)
    return server.post(path, sent["body"], headers=sent["headers"] | (of(user) if user else {}))


def attached(server: ServerProcess, filename: str, content: bytes, user: str, *tools: str) -> list[dict[str, Any]]:
    """Upload a file over the SDK face and return it as an attachment, for those tools."""
    file = upload(server, filename, content, "/v1/files", user, purpose="assistants").json
    return [{"file_id": file["id"], **({"tools": [{"type": tool} for tool in tools]} if tools else {})}]


def listed(server: ServerProcess, user: str) -> list[dict[str, Any]]:
    """Return the own files of a user, as soon as all of them have been read."""
    soon(lambda: "in_progress" not in [file["status"] for file in server.get("/files", headers=of(user)).json])
    files: list[dict[str, Any]] = server.get("/files", headers=of(user)).json
    return files


def of(user: str) -> dict[str, str]:
    """Return the headers of a user."""
    return {"X-User": user}


def citations(answer: Answer) -> list[dict[str, Any]]:
    (message,) = objects_of(answer.events, "thread.message.completed")
    text = message["content"][0]["text"]
    for note in text["annotations"]:
        assert text["value"][note["start_index"] : note["end_index"]] == note["text"]
    notes: list[dict[str, Any]] = text["annotations"]
    return notes
