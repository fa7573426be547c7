"""What a run sends upstream: the thread as it is stored, the run, and what the run has come to so far.

Reads the store, writes nothing; `protocol/to_responses.py` does the translation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .protocol.from_responses import Translator
from .protocol.objects import Object
from .protocol.to_responses import to_responses
from .stores.base import Kind, RunRecord, Store

HISTORY_CHARS = 2_000_000
"""How much of a long thread is sent upstream, newest first: beyond every context window there is."""
SEARCH_RESULTS = "search_results"
"""The `extra` key of a run whose file searches are to tell what they found."""


def make_request(
    store: Store,
    run: RunRecord,
    translator: Translator,
    history: Sequence[Object] | None,
    vector_store_ids: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the Responses request with which a run goes on.

    Args:
        store: where the thread is.
        run: as it was started or claimed.
        translator: the run's.
        history: the thread's messages before the run's own, or None where they must be read.
        vector_store_ids: searched by every run.

    Raises:
        StoreError: the store does not answer.
    """
    return to_responses(
        translator.run,
        _history(store, run) if history is None else history,
        translator.items(),
        vector_store_ids=[*_stores_of_thread(store, run), *vector_store_ids],
        search_results=bool(run.extra.get(SEARCH_RESULTS)),
        used_tokens=translator.completion_tokens,
        used_prompt_tokens=translator.prompt_tokens,
    )


def _history(store: Store, run: RunRecord) -> list[Object]:
    """Return the thread's messages before this run's own, oldest first, as far back as is worth sending."""
    newest_first: list[Object] = []
    chars, after = 0, None
    while True:
        page = store.list(Kind.MESSAGE, run.owner, parent=run.parent, limit=100, after=after)
        for record in page.records:
            if record.body["run_id"] != run.id:
                newest_first.append(record.body)
                chars += sum(len(part["text"]["value"]) for part in record.body["content"] if "text" in part)
        if not page.has_more or chars > HISTORY_CHARS:
            return newest_first[::-1]
        after = page.records[-1].id


def _stores_of_thread(store: Store, run: RunRecord) -> list[str]:
    """Return the vector stores of the run's thread, which are searched besides the assistant's (wire.md 3.1)."""
    if not any(tool["type"] == "file_search" for tool in run.body["tools"]):
        return []
    thread = store.get(Kind.THREAD, run.owner, run.parent)
    search: Object = (thread.body.get("tool_resources") or {}).get("file_search") or {}
    return list(search.get("vector_store_ids") or ())
