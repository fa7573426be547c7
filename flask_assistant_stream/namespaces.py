"""Namespaces keep the owners of several registrations apart in one store: owner `1` of each has its own data.

The registration named `FIRST` has no namespace: its owners are stored as they are. In every other namespace the owner
of each record, file and search is `namespace`, `SEPARATOR`, owner, and no owner contains the separator.
"""

from __future__ import annotations

from contextlib import suppress

from .errors import Duplicate
from .stores.base import Kind, Record, Store

FIRST = "assistant_stream"
"""The name of a registration by default, and the namespace whose owners are stored as they are."""
SEPARATOR = "\x1f"
MARK = "owner"
"""The id of the record that a namespace has of its own, under an owner without a name."""


def stored_owner(namespace: str, owner: str) -> str:
    """Return the name under which a store knows an owner of a namespace."""
    return owner if namespace == FIRST else f"{namespace}{SEPARATOR}{owner}"


def plain_owner(stored: str) -> str:
    """Return an owner as `authenticate` returned it."""
    return stored.rpartition(SEPARATOR)[2]


def hides_data(store: Store, namespace: str) -> bool:
    """Return whether a namespace is new in a store that has data without one, which was shared before.

    A store without such data remembers the namespace, so that an app that has several from its start is never warned.
    """
    nameless = stored_owner(namespace, "")
    if store.find(Kind.OWNER, nameless, MARK) is None:
        if store.has_owners_without(SEPARATOR):
            return True
        with suppress(Duplicate):  # another worker was first
            store.insert(Record(Kind.OWNER, nameless, {"id": MARK, "object": Kind.OWNER.value}))
    return False
