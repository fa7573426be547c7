"""What a model learns about attached files that it cannot search, so that it does not answer as if they were empty."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..protocol.objects import Object
from ..storages import vector_store_files
from ..storages.vector_store_files import IN_PROGRESS, members
from ..stores.base import Record, Store

MAX_NOTICES = 20
"""The most files that a request mentions."""


@dataclass(frozen=True, slots=True)
class FileNotice:
    """A file that a run cannot search.

    Attributes:
        text: the reason, as a sentence with the file's name.
    """

    file_id: str
    text: str


def attached_file_notices(
    store: Store, owner: str, vector_store_ids: Sequence[str], file_ids: Sequence[str]
) -> list[FileNotice]:
    """Return which of these files are not searchable in any of these vector stores."""
    notices, file_ids = [], file_ids[:MAX_NOTICES]
    attached = [vector_store_files.attached(store, owner, id, file_ids) for id in vector_store_ids if file_ids]
    for file_id in file_ids:
        known = [records[file_id] for records in attached if file_id in records]
        if known and all(member.body["status"] != "completed" for member in known):
            notices.append(_notice("attached file", known[0]))
    return notices


def unfinished_file_notices(store: Store, owner: str, vector_store_ids: Iterable[str]) -> list[FileNotice]:
    """Return the files in these vector stores that are still being read."""
    unfinished = [m for id in vector_store_ids for m in members(store, owner, id) if m.body["status"] == IN_PROGRESS]
    return [_notice("file", member) for member in unfinished[:MAX_NOTICES]]


def with_notices(request: Object, notices: Sequence[FileNotice]) -> Object:
    """Return a request with the notices behind the text of its last user message."""
    items = list(request["input"])
    users = [index for index, item in enumerate(items) if item.get("role") == "user"]
    if not notices or not users:
        return request
    item = items[users[-1]]
    content = item["content"]
    parts = [{"type": "input_text", "text": content}] if isinstance(content, str) else content
    added = [{"type": "input_text", "text": f"[{notice.text}]"} for notice in notices]
    items[users[-1]] = {**item, "content": [*parts, *added]}
    return {**request, "input": items}


def _notice(what: str, member: Record) -> FileNotice:
    body, name = member.body, str(member.extra["filename"]).replace('"', "'")
    if body["status"] == IN_PROGRESS:
        reason = "is still being read, so it is not searched yet. Tell the user to ask again later."
    elif body["status"] == "cancelled":
        reason = "was not read, as that was cancelled. Tell the user."
    else:
        error = (body["last_error"] or {}).get("message") or "The reason is unknown."
        reason = f"could not be read, so nothing in it is known. Tell the user. The reason: {error}"
    return FileNotice(member.extra["file_id"], f'The {what} "{name}" {reason}')
