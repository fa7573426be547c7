"""Build a run's requests to the upstream, from the stored thread, the run and its outputs so far.

Reads the store, writes nothing; `translation/request.py` does the translation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..engines.base import Search
from ..files.tool_resources import ToolResources
from ..files.unread_files import attached_file_notices, unfinished_file_notices, with_notices
from ..loggers import logger_of
from ..protocol.objects import Object
from ..stores.base import Kind, RunRecord, Store
from ..stores.lines import EVERYTHING, spans_of
from ..translation.past_messages import BYTES_PER_TOKEN, PastMessage, past_message
from ..translation.request import last_messages, to_responses
from ..translation.translator import Translator
from .conversation import Conversation
from .refused_inputs import RefusedInputs

logger = logger_of(__name__)

HISTORY_CHARS = 2_000_000
"""Length of the history sent upstream, newest first: about 500,000 tokens."""
HISTORY_ITEMS = 10_000
"""The most messages sent upstream, newest first; gateways refuse more than 16,384 items."""
FIRST_PAGE, MAX_PAGE = 50, 200
PAGE_CHARS = 500_000
"""Limits of one read of the history: other runs continue between two reads."""
SEARCH_RESULTS = "search_results"
"""The `extra` key of a run whose file searches must include their results."""
INDEXING_SECONDS = 60.0
"""How long a run waits until the files of its thread are indexed; then it continues without them."""
OWN_INDEXING_SECONDS = 5.0
"""The same for the owner's own files: a run need not wait for a large one that it may not ask about."""
INDEXING_POLL_SECONDS = 0.25


class RequestBuilder:
    """Builds the Responses requests of runs.

    Args:
        vector_store_ids: searched by every run.
        search: searches files for an owner: owner, ids of vector stores, query, limit; None if the upstream does.
        extra_tools: tools of the upstream that every run may use, in the form of the Responses API.
    """

    def __init__(
        self,
        store: Store,
        resources: ToolResources | None = None,
        *,
        vector_store_ids: Sequence[str] = (),
        search: Callable[[str, Sequence[str], str, int], list[dict[str, Any]]] | None = None,
        extra_tools: Sequence[Object] = (),
        reasoning_summaries: bool = False,
    ) -> None:
        self._store = store
        self._resources = resources
        self._shared = tuple(vector_store_ids)
        self._search = search
        self._extra_tools = tuple(extra_tools)
        self._reasoning_summaries = reasoning_summaries
        self._refused = RefusedInputs()

    def of(
        self, run: RunRecord, translator: Translator, conversation: Conversation, stopping: Callable[[], bool]
    ) -> Object:
        """Return the request of a run's next response.

        Waits a limited time for files of the thread that are being indexed.

        Args:
            conversation: the thread's messages before the run's own.
            stopping: returns whether the run must end, which ends the wait.

        Raises:
            StoreError: the store does not answer.
            EngineError: a file of the thread cannot be sent to this upstream.
        """
        resources = self._thread_resources(run)
        of_thread = _ids(resources, "file_search", "vector_store_ids")
        if self._resources is not None:  # an upstream rejects a request that names a deleted one
            of_thread = self._resources.searchable(run.owner, of_thread)
        own = self._own_store(run)
        self._await_indexing(run.owner, of_thread, INDEXING_SECONDS, stopping)
        own_read = self._await_indexing(run.owner, own, OWN_INDEXING_SECONDS, stopping)
        notices = attached_file_notices(self._store, run.owner, of_thread, conversation.attached)
        notices += [] if own_read else unfinished_file_notices(self._store, run.owner, own)
        for notice in notices:
            logger.warning("run %s without file %s: %s", run.id, notice.file_id, notice.text)
        items = translator.items()
        request = to_responses(
            translator.run,
            conversation.fit(items),
            items,
            vector_store_ids=[*of_thread, *own, *self._shared],
            code_files=self._present(run.owner, _ids(resources, "code_interpreter", "file_ids")),
            extra_tools=self._extra_tools,
            reasoning_summaries=self._reasoning_summaries,
            search_results=bool(run.extra.get(SEARCH_RESULTS)),
            used_tokens=translator.completion_tokens,
            used_prompt_tokens=translator.prompt_tokens,
        )
        request = with_notices(request, notices)
        return request if self._resources is None else self._resources.with_inline_files(run.owner, request)

    def search(self, owner: str) -> Search | None:
        """Return the search of files bound to an owner, or None if the upstream searches them."""
        return None if self._search is None else partial(self._search, owner)

    def conversation(self, run: RunRecord, messages: Sequence[Object] | None = None) -> Conversation:
        """Return the thread's messages before this run's own, as they are sent.

        Args:
            messages: all of them as stored; None reads the store.
        """
        past = self.history(run) if messages is None else filter(None, map(past_message, messages))
        return Conversation(run, list(past), self._refused, partial(self._gone, run.owner))

    def history(self, run: RunRecord) -> list[PastMessage]:
        """Return the messages of the run's line, oldest first: the newest, back to a limit that a request has anyway.

        The limits are `HISTORY_CHARS`, `HISTORY_ITEMS`, and the run's `last_messages` and `max_prompt_tokens`.
        """
        newest_first: list[PastMessage] = []
        left = min(last_messages(run.body) or HISTORY_ITEMS, HISTORY_ITEMS)
        room = min(HISTORY_CHARS, BYTES_PER_TOKEN * (run.body.get("max_prompt_tokens") or HISTORY_CHARS))
        thread = self._store.get_thread(run.owner, run.parent) if run.line else None
        spans = EVERYTHING if thread is None else spans_of(thread.lines, run.line)
        listed: dict[str, Any] = {"parent": run.parent, "spans": spans}
        after, limit, read = None, FIRST_PAGE, 0
        while True:
            page = self._store.list(Kind.MESSAGE, run.owner, limit=min(limit, left), after=after, **listed)
            for record in page.records:
                if record.body.get("run_id") == run.id:
                    continue
                left -= 1
                message = past_message(record.body)
                if message is None:
                    continue
                read += message.chars
                if read > room and newest_first:
                    return newest_first[::-1]
                newest_first.append(message)
            if not page.has_more or left <= 0:
                return newest_first[::-1]
            after = page.records[-1].id
            average = read // len(newest_first) if newest_first else 0
            limit = max(1, min(2 * limit, MAX_PAGE, PAGE_CHARS // max(average, 1)))

    def _present(self, owner: str, file_ids: list[str]) -> list[str]:
        gone = self._gone(owner, set(file_ids))
        return [id for id in file_ids if id not in gone]

    def _gone(self, owner: str, sources: set[str]) -> set[str]:
        """Return which files the owner does not have any more: an upstream rejects a whole request for one."""
        return set() if self._resources is None else self._resources.gone(owner, sources)

    def _thread_resources(self, run: RunRecord) -> Object:
        """Return the thread's `tool_resources` if a tool of the run uses them (`spec/responses.md#the-request`)."""
        if not {"file_search", "code_interpreter"} & {tool["type"] for tool in run.body["tools"]}:
            return {}
        return self._store.get(Kind.THREAD, run.owner, run.parent).body.get("tool_resources") or {}

    def _own_store(self, run: RunRecord) -> list[str]:
        """Return the owner's own vector store, if it exists and the run searches files."""
        if self._resources is None or not any(tool["type"] == "file_search" for tool in run.body["tools"]):
            return []
        own = self._resources.own_store(run.owner)
        return [] if own is None else [own]

    def _await_indexing(
        self, owner: str, vector_store_ids: list[str], seconds: float, stopping: Callable[[], bool]
    ) -> bool:
        """Wait until the files of these vector stores are indexed; return False if they are not in time."""
        if self._resources is None or not vector_store_ids:
            return True
        deadline = time.monotonic() + seconds
        while self._resources.indexing(owner, vector_store_ids):
            if stopping() or time.monotonic() >= deadline:
                return False
            time.sleep(INDEXING_POLL_SECONDS)
        return True


def _ids(resources: Object, tool: str, key: str) -> list[str]:
    return list((resources.get(tool) or {}).get(key) or ())
