"""The Python client pages through every list, also while it deletes what it has seen."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import openai
import pytest

from flask_assistant_stream.stores.base import PAGE_BYTES
from tests.server_process import ServerProcess
from tests.stack.app import API_KEY

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

COUNT = 5


def emptied(pages: Any, delete: Callable[[str], Any]) -> list[str]:
    """Delete every object of a list as it comes and return the ids in order."""
    seen = []
    for each in pages:
        seen.append(each.id)
        delete(each.id)
    return seen


def a_file(client: openai.OpenAI, number: int) -> str:
    return client.files.create(file=(f"{number}.txt", f"Number {number}.".encode()), purpose="assistants").id


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_list_is_deleted_while_it_is_read(client: openai.OpenAI, order: str) -> None:
    page: dict[str, Any] = {"limit": 2, "order": order}
    stores = client.vector_stores
    assistants, messages = client.beta.assistants, client.beta.threads.messages

    def whole(ids: list[str]) -> list[str]:
        return ids if order == "asc" else ids[::-1]

    file_ids = [a_file(client, number) for number in range(COUNT)]
    vector_store_id = stores.create(file_ids=file_ids).id
    inside = stores.files
    found = emptied(inside.list(vector_store_id, **page), lambda id: inside.delete(id, vector_store_id=vector_store_id))
    assert (sorted(found), [*inside.list(vector_store_id)]) == (sorted(file_ids), [])
    assert emptied(client.files.list(**page), client.files.delete) == whole(file_ids)

    store_ids = [vector_store_id, *(stores.create().id for _ in range(COUNT))]
    assert emptied(stores.list(**page), stores.delete) == whole(store_ids)

    assistant_ids = {assistants.create(model="m").id for _ in range(COUNT)}
    seen = [each.id for each in assistants.list(**page) if each.id in assistant_ids and assistants.delete(each.id)]
    assert (len(seen), set(seen)) == (COUNT, assistant_ids)

    thread_id = client.beta.threads.create().id
    message_ids = [messages.create(thread_id, role="user", content="?").id for _ in range(COUNT)]
    found = emptied(messages.list(thread_id, **page), lambda id: messages.delete(id, thread_id=thread_id))
    assert (found, [*messages.list(thread_id)]) == (whole(message_ids), [])


def test_a_deleted_vector_store_bounds_a_page_on_both_sides(client: openai.OpenAI) -> None:
    first, gone, last = [client.vector_stores.create().id for _ in range(3)]
    client.vector_stores.delete(gone)
    assert client.vector_stores.list(after=gone).data[0].id == first
    assert client.vector_stores.list(before=gone).data[-1].id == last


@pytest.mark.parametrize("cursor", ["after", "before"])
def test_an_id_that_was_never_in_the_list_is_an_error(client: openai.OpenAI, cursor: str) -> None:
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "?"}])
    elsewhere = client.beta.threads.create().id
    gone = client.beta.threads.messages.list(thread.id).data[0].id
    client.beta.threads.messages.delete(gone, thread_id=thread.id)
    lists: list[tuple[Callable[..., Any], str]] = [
        (client.vector_stores.list, "vs_unknown"),
        (client.beta.assistants.list, "asst_unknown"),
        (partial(client.beta.threads.messages.list, elsewhere), gone),
    ]
    for read, id in lists:
        with pytest.raises(openai.BadRequestError) as caught:
            read(**{cursor: id})
        assert caught.value.param == cursor


def test_a_page_is_bounded_in_bytes(client: openai.OpenAI, server: ServerProcess) -> None:
    """Five messages of a megabyte each; escaped they would have three."""
    thread_id, long = client.beta.threads.create().id, "🫖" * 250_000
    messages = client.beta.threads.messages
    ids = [messages.create(thread_id, role="user", content=f"{number}{long}").id for number in range(COUNT)]
    for order in ("asc", "desc"):
        assert [each.id for each in messages.list(thread_id, limit=100, order=order)] == (
            ids if order == "asc" else ids[::-1]
        )
    for face in ("", "/v1"):
        path = f"/threads/{thread_id}/messages?limit=100&order=asc"
        answer = server.get(face + path, headers={"Authorization": f"Bearer {API_KEY}"})
        page = answer.json
        assert len(answer.body) <= PAGE_BYTES + 1000
        assert (page["has_more"], page["last_id"]) == (True, page["data"][-1]["id"])
        assert page["data"][0]["content"][0]["text"]["value"] == f"0{long}"
        assert len(answer.body) < 1_100_000 * len(page["data"]), "the text is not escaped"


def test_a_list_of_large_assistants(client: openai.OpenAI) -> None:
    instructions = "🫖" * 256_000
    ids = [client.beta.assistants.create(model="m", instructions=instructions).id for _ in range(COUNT)]
    page = client.beta.assistants.list(limit=100)
    assert (len(page.data) < COUNT, page.has_more) == (True, True)
    assert [each.id for each in client.beta.assistants.list(limit=100)][:COUNT] == ids[::-1]
    for id in ids:
        client.beta.assistants.delete(id)
