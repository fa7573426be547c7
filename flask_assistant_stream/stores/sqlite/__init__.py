"""The store in one SQLite file, `sqlite:///path`: any number of processes on one host."""

from .store import SQLiteStore

__all__ = ["SQLiteStore"]
