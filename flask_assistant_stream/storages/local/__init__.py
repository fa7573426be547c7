"""The storage over the app's own store: no key, no network."""

from .storage import LocalStorage

__all__ = ["LocalStorage"]
