"""Assistants objects as plain dicts with every documented key, nulls included (spec/assistants.md#objects)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .run_states import MessageStatus, RunStatus, StepStatus

Object = dict[str, Any]

RUN_SECONDS = 600
"""A run of the real API expired after this time (spec/assistants.md#run-states)."""

LINKS = "x_url_citations"
"""Key of a text part's `text`: cited web pages, `{type: "url_citation", url, title, start_index, end_index}` each.

Strict clients reject them in `annotations` (spec/assistants.md#strict-clients).
"""

RUN_VOLATILE = (
    "status",
    "started_at",
    "expires_at",
    "cancelled_at",
    "failed_at",
    "completed_at",
    "required_action",
    "last_error",
    "incomplete_details",
    "usage",
)
"""The keys of a run that its events change. Events never change other keys, such as metadata."""


def assistant(id: str, created_at: int, model: str, **fields: Any) -> Object:
    """Build an assistant; `fields` are those of the create request."""
    return {
        "id": id,
        "object": "assistant",
        "created_at": created_at,
        "name": None,
        "description": None,
        "model": model,
        "instructions": None,
        "tools": [],
        "tool_resources": {},
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "response_format": "auto",
        "reasoning_effort": None,
        **fields,
    }


def thread(
    id: str,
    created_at: int,
    *,
    metadata: Mapping[str, str] | None = None,
    tool_resources: Mapping[str, Any] | None = None,
) -> Object:
    """Build a thread."""
    return {
        "id": id,
        "object": "thread",
        "created_at": created_at,
        "metadata": dict(metadata or {}),
        "tool_resources": dict(tool_resources or {}),
    }


def text_part(value: str, annotations: Sequence[Object] = (), links: Sequence[Object] = ()) -> Object:
    """Build an output text part; offsets of `annotations` and `links` are code points of `value`."""
    text: Object = {"value": value, "annotations": list(annotations)}
    if links:
        text[LINKS] = list(links)
    return {"type": "text", "text": text}


def message(
    id: str,
    created_at: int,
    thread_id: str,
    role: str,
    content: list[Object],
    *,
    status: MessageStatus = MessageStatus.COMPLETED,
    run_id: str | None = None,
    assistant_id: str | None = None,
    attachments: list[Object] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Object:
    """Build a message. User messages are `completed`: the real API omitted the key, strict clients need it."""
    return {
        "id": id,
        "object": "thread.message",
        "created_at": created_at,
        "thread_id": thread_id,
        "status": status.value,
        "incomplete_details": None,
        "completed_at": created_at if status is MessageStatus.COMPLETED else None,
        "incomplete_at": None,
        "role": role,
        "content": content,
        "assistant_id": assistant_id,
        "run_id": run_id,
        "attachments": attachments or [],
        "metadata": dict(metadata or {}),
    }


def run(id: str, created_at: int, thread_id: str, assistant: Object, **overrides: Any) -> Object:
    """Build a queued run of `assistant`.

    `overrides` are fields of the run request; None is skipped. `instructions` is `""` and never null: strict clients
    reject null (spec/assistants.md#strict-clients).
    """
    changes = {key: value for key, value in overrides.items() if value is not None}
    body: Object = {
        "id": id,
        "object": "thread.run",
        "created_at": created_at,
        "assistant_id": assistant["id"],
        "thread_id": thread_id,
        **dict.fromkeys(RUN_VOLATILE),
        "status": RunStatus.QUEUED.value,
        "expires_at": created_at + RUN_SECONDS,
        "max_prompt_tokens": None,
        "max_completion_tokens": None,
        "truncation_strategy": {"type": "auto", "last_messages": None},
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "metadata": {},
    }
    for key in ("model", "tools", "tool_resources", "temperature", "top_p", "response_format", "reasoning_effort"):
        body[key] = assistant[key]
    body["instructions"] = assistant["instructions"] or ""
    return {**body, **changes}


def run_step(id: str, created_at: int, run: Object, details: Object) -> Object:
    """Build a step in progress. `details` is its `step_details` with its type."""
    return {
        "id": id,
        "object": "thread.run.step",
        "created_at": created_at,
        "run_id": run["id"],
        "assistant_id": run["assistant_id"],
        "thread_id": run["thread_id"],
        "type": details["type"],
        "status": StepStatus.IN_PROGRESS.value,
        "cancelled_at": None,
        "completed_at": None,
        "expired_at": None,
        "failed_at": None,
        "last_error": None,
        "step_details": details,
        "usage": None,
        "metadata": {},
    }


def page(data: list[Object], *, has_more: bool) -> Object:
    """Build a list object (spec/assistants.md#lists)."""
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }


def file(
    id: str,
    created_at: int,
    filename: str,
    size: int,
    purpose: str,
    *,
    status: str = "processed",
    expires_at: int | None = None,
) -> Object:
    """Build a file of `size` bytes; `status` is `uploaded`, `processed` or `error`."""
    return {
        "id": id,
        "object": "file",
        "bytes": size,
        "created_at": created_at,
        "expires_at": expires_at,
        "filename": filename,
        "purpose": purpose,
        "status": status,
        "status_details": None,
    }


def vector_store(
    id: str,
    created_at: int,
    name: str | None,
    *,
    usage_bytes: int = 0,
    counts: Mapping[str, int] | None = None,
    expires_after: Mapping[str, Any] | None = None,
    expires_at: int | None = None,
    last_active_at: int | None = None,
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Object:
    """Build a vector store; `counts` are files by status. The name is never null: strict clients reject it."""
    counted = file_counts(counts or {})
    return {
        "id": id,
        "object": "vector_store",
        "created_at": created_at,
        "name": name or "",
        "description": description,
        "usage_bytes": usage_bytes,
        "file_counts": counted,
        "status": "in_progress" if counted["in_progress"] else "completed",
        "expires_after": dict(expires_after) if expires_after else None,
        "expires_at": expires_at,
        "last_active_at": created_at if last_active_at is None else last_active_at,
        "metadata": dict(metadata or {}),
    }


def vector_store_file(
    file_id: str,
    created_at: int,
    vector_store_id: str,
    *,
    status: str = "in_progress",
    usage_bytes: int = 0,
    last_error: Object | None = None,
    chunking_strategy: Mapping[str, Any] | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Object:
    """Build a file in a vector store; `last_error` is `{code, message}` if the status is `failed`."""
    return {
        "id": file_id,
        "object": "vector_store.file",
        "created_at": created_at,
        "vector_store_id": vector_store_id,
        "usage_bytes": usage_bytes,
        "status": status,
        "last_error": last_error,
        "chunking_strategy": dict(chunking_strategy or {"type": "other"}),
        "attributes": dict(attributes or {}),
    }


def files_batch(
    id: str, created_at: int, vector_store_id: str, counts: Mapping[str, int], *, status: str | None = None
) -> Object:
    """Build a batch of files in a vector store. Without a `status`, the counts of its files decide."""
    counted = file_counts(counts)
    return {
        "id": id,
        "object": "vector_store.files_batch",
        "created_at": created_at,
        "vector_store_id": vector_store_id,
        "status": status or ("in_progress" if counted["in_progress"] else "completed"),
        "file_counts": counted,
    }


def file_counts(counts: Mapping[str, int]) -> Object:
    """Build the `file_counts` of a vector store or a batch from the number of its files by status."""
    known = {status: counts.get(status, 0) for status in ("in_progress", "completed", "failed", "cancelled")}
    return {**known, "total": sum(known.values())}
