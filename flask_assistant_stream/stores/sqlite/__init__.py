"""The embedded store, `sqlite:///path`: one SQLite file for the processes of one host."""

from .store import SQLiteStore

make = SQLiteStore

__all__ = ["SQLiteStore", "make"]
