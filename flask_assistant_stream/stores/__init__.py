"""Stores: `make_store` makes the store that a URL names, `register_store` adds a kind of one's own."""

from __future__ import annotations

from typing import Protocol

from ..errors import ConfigError
from .base import AppendResult, Kind, Order, Page, Projection, Record, Row, RunRecord, Start, Store
from .capabilities import Blobs, FoundPassage, Passages, Push

__all__ = [
    "AppendResult",
    "Blobs",
    "FoundPassage",
    "Kind",
    "MakeStore",
    "Order",
    "Page",
    "Passages",
    "Projection",
    "Push",
    "Record",
    "Row",
    "RunRecord",
    "Start",
    "Store",
    "make_store",
    "register_store",
]


class MakeStore(Protocol):
    """Makes a store without connecting to it yet; a store class fits."""

    def __call__(self, url: str, *, log_seconds: float) -> Store:
        """Return the store at `url` that keeps a run's events for `log_seconds` after its end; ConfigError: bad URL."""


def _make_mongodb(url: str, *, log_seconds: float) -> Store:
    from .mongodb.store import MongoDBStore

    return MongoDBStore(url, log_seconds=log_seconds)


def _make_sqlite(url: str, *, log_seconds: float) -> Store:
    from .sqlite.store import SQLiteStore

    return SQLiteStore(url, log_seconds=log_seconds)


_makers: dict[str, MakeStore] = {"mongodb": _make_mongodb, "sqlite": _make_sqlite}


def register_store(scheme: str, make: MakeStore) -> None:
    """Let `make` make the stores of URLs `scheme://…` and `scheme+…://…`; ConfigError if the scheme is taken."""
    if _makers.setdefault(scheme, make) is not make:
        raise ConfigError(f"A store with the scheme '{scheme}' is already registered: choose another scheme.")


def make_store(url: str, *, log_seconds: float = 86400.0) -> Store:
    """Make the store that a URL names, without connecting to it yet.

    Args:
        url: `mongodb://…`, `mongodb+srv://…`, `sqlite:///path` or a registered scheme.
        log_seconds: how long the events of a run stay readable after its end.

    Raises:
        ConfigError: the scheme is unknown, or the URL is not valid.
    """
    make = _makers.get(url.partition(":")[0].partition("+")[0])
    if make is None:
        known = "://…, ".join(_makers)
        raise ConfigError(f"ASSISTANT_STORE has an unknown scheme. Write {known}://…, or call `register_store` first.")
    return make(url, log_seconds=log_seconds)
