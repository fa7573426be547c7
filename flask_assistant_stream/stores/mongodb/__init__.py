"""The store on a MongoDB server, `mongodb://…` or `mongodb+srv://…`: any number of hosts."""

from .store import MongoDBStore

__all__ = ["MongoDBStore"]
