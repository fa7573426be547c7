"""Finding assistants; a configured one follows its configuration until its owner edits it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.assistants import Assistants, declare
from flask_assistant_stream.errors import ConfigError, NotFound
from flask_assistant_stream.protocol import objects
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Kind, Record, Store

DEFAULT = {"id": "asst_default", "model": "m-1", "instructions": "Be kind."}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = make_store(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    yield store
    store.close()


def assistants(store: Store, **changes: Any) -> Assistants:
    return Assistants(store, {**DEFAULT, **changes}, now=lambda: 1_700_000_000.5)


def use(known: Assistants, owner: str, assistant_id: str | None = None) -> dict[str, Any]:
    found = known.find(owner, assistant_id)
    found.keep()
    return found.body


def test_the_default_is_made_once_per_owner(store: Store) -> None:
    made = use(assistants(store), "anna")
    assert (made["id"], made["model"], made["instructions"]) == ("asst_default", "m-1", "Be kind.")
    assert made["created_at"] == 1_700_000_000
    assert use(assistants(store), "anna", "asst_default") == made
    assert store.get(Kind.ASSISTANT, "anna", "asst_default").body == made
    with pytest.raises(NotFound):
        store.get(Kind.ASSISTANT, "ben", "asst_default")


def test_two_first_requests_at_once(store: Store) -> None:
    one, two = assistants(store).find("anna"), assistants(store).find("anna")
    one.keep()
    two.keep()
    assert assistants(store).find("anna").body == one.body


def test_unedited_fields_follow_the_configuration(store: Store) -> None:
    use(assistants(store), "anna")
    use(assistants(store), "ben")
    store.update(Kind.ASSISTANT, "ben", "asst_default", body={"model": "m-own"})
    for owner, model in (("anna", "m-2"), ("ben", "m-own")):
        found = use(assistants(store, model="m-2", instructions="Be brief."), owner)
        assert (found["model"], found["instructions"]) == (model, "Be brief.")
        assert store.get(Kind.ASSISTANT, owner, "asst_default").body == found


def test_a_stored_one_is_used_as_it_is(store: Store) -> None:
    body = objects.assistant("asst_default", 1, "m-stored")
    store.insert(Record(Kind.ASSISTANT, "anna", body))
    assert use(assistants(store), "anna") == body


def test_a_declared_one_is_everybodys(store: Store) -> None:
    declared = declare([{"id": "asst_default", "instructions": "Rhyme."}, {"id": "asst_b", "model": "m-b"}], "m-1")
    known = Assistants(store, DEFAULT, declared)
    assert use(known, "anna")["instructions"] == "Rhyme."
    assert use(known, "anna")["model"] == "m-1"
    assert use(known, "ben", "asst_b")["model"] == "m-b"


def test_finding_writes_nothing(store: Store) -> None:
    assistants(store).find("anna")
    with pytest.raises(NotFound):
        assistants(store).find("anna", "asst_other")
    with pytest.raises(NotFound):
        store.get(Kind.ASSISTANT, "anna", "asst_default")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([{}], 'at least an "id"'),
        (["asst_a"], 'at least an "id"'),
        ([{"id": ""}], 'at least an "id"'),
        ([{"id": "a", "tool": []}], "no field 'tool'"),
        ([{"id": "a", "tools": {}}], "must be list"),
        ([{"id": "a", "temperature": True}], "must be int or float"),
        ([{"id": "a"}, {"id": "a"}], "twice"),
    ],
)
def test_declarations_are_checked(given: list[Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        declare(given, "m-1")
