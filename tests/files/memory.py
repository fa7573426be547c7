"""Bytes and passages in memory for a store that cannot keep them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from flask_assistant_stream.errors import NotFound
from flask_assistant_stream.stores.base import Kind, Store
from flask_assistant_stream.stores.capabilities import Blobs, FoundPassage, Passages


class InMemory(Blobs, Passages):
    blobs: ClassVar[dict[tuple[str, str], bytes]]
    texts: ClassVar[dict[tuple[str, str], list[str]]]
    owners: ClassVar[dict[tuple[Kind, str], str]]

    def insert(self, record: Any) -> Any:
        stored = super().insert(record)  # type: ignore[misc]
        self.owners[record.kind, record.id] = record.owner
        return stored

    def write_blob(self, owner: str, id: str, chunks: Iterable[bytes]) -> int:
        self.blobs.pop((owner, id), None)
        whole = b"".join(chunks)
        self.blobs[owner, id] = whole
        return len(whole)

    def read_blob(self, owner: str, id: str) -> Iterator[bytes]:
        if (owner, id) not in self.blobs:
            raise NotFound("none")
        return iter([self.blobs[owner, id]])

    def delete_blob(self, owner: str, id: str) -> None:
        self.blobs.pop((owner, id), None)

    def write_passages(self, owner: str, file_id: str, texts: Sequence[str]) -> None:
        self.texts[owner, file_id] = list(texts)

    def read_passages(self, owner: str, file_id: str) -> list[str]:
        return self.texts.get((owner, file_id), [])

    def delete_passages(self, owner: str, file_id: str) -> None:
        self.texts.pop((owner, file_id), None)

    def search_passages(self, owner: str, file_ids: Sequence[str], query: str, limit: int) -> list[FoundPassage]:
        words = set(re.findall(r"\w+", query.lower()))
        found = []
        for file_id in file_ids:
            for number, text in enumerate(self.texts.get((owner, file_id), [])):
                common = words & set(re.findall(r"\w+", text.lower()))
                if common:
                    found.append(FoundPassage(file_id, number, text, len(common) / len(words)))
        return sorted(found, key=lambda hit: -hit.score)[:limit]

    def owner_of(self, kind: Kind, id: str) -> str | None:
        return self.owners.get((kind, id))


def with_memory(store: Store) -> Store:
    state = {"blobs": {}, "texts": {}, "owners": {}}
    store.__class__ = type("Whole", (InMemory, type(store)), state)
    return store
