"""Engines: an engine turns a Responses request into items. Hosts add their own with `register_engine`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from ..errors import ConfigError
from .base import Engine, Item, ItemStream, Search

__all__ = ["Engine", "Item", "ItemStream", "MakeEngine", "Search", "register_engine", "registered_engines"]

MakeEngine: TypeAlias = Callable[[], Engine]
"""Creates an engine without touching the network; an engine class without required arguments fits."""

BUILT_IN = ("openai", "offline")
"""Engines that the app creates from its settings."""

_makers: dict[str, MakeEngine] = {}


def register_engine(name: str, make: MakeEngine) -> None:
    """Let `ASSISTANT_ENGINE=name` choose the engine that `make` creates; names are case-insensitive.

    Raises:
        ConfigError: another engine has the name.
    """
    key = name.strip().lower()
    if key in BUILT_IN or _makers.setdefault(key, make) is not make:
        raise ConfigError(f"An engine {name!r} is registered already. Choose another name.")


def registered_engines() -> Mapping[str, MakeEngine]:
    """Return the registered engines by name, without the built-in ones."""
    return MappingProxyType(_makers)
