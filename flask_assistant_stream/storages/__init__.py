"""Storages: a storage indexes files and searches vector stores. Hosts add their own with `register_storage`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from ..errors import ConfigError
from ..stores.base import Store
from .base import Storage, Upload

__all__ = ["MakeStorage", "Storage", "Upload", "register_storage", "registered_storages"]

MakeStorage: TypeAlias = Callable[[Store], Storage]
"""Creates a storage over the app's own store without touching the network."""

_makers: dict[str, MakeStorage] = {}


def register_storage(name: str, make: MakeStorage) -> None:
    """Let `ASSISTANT_STORAGE=name` choose the storage that `make` creates; names are case-insensitive.

    Raises:
        ConfigError: another storage has the name.
    """
    if _makers.setdefault(name.strip().lower(), make) is not make:
        raise ConfigError(f"A storage {name!r} is registered already. Choose another name.")


def registered_storages() -> Mapping[str, MakeStorage]:
    """Return the registered storages by name."""
    return MappingProxyType(_makers)
