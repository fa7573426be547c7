"""Stores: a module here is a store, and its name is the URL's scheme."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from ..errors import ConfigError
from .base import Store

_SCHEMES = ("mongodb", "sqlite")


def make_store(url: str, *, log_seconds: float = 86400.0) -> Store:
    """Make the store that a URL names, without touching it yet.

    Args:
        url: `mongodb://…`, `mongodb+srv://…` or `sqlite:///path`.
        log_seconds: how long a run's events stay readable after its end.

    Raises:
        ConfigError: no store has that scheme, its driver is missing, or the URL is not complete.
    """
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme not in _SCHEMES or find_spec(f".{scheme}", __name__) is None:
        raise ConfigError("ASSISTANT_STORE: write mongodb://host/database, mongodb+srv://… or sqlite:///path/to/file.")
    store: Store = import_module(f".{scheme}", __name__).make(url, log_seconds=log_seconds)
    return store
