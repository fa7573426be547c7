"""The store on a MongoDB server, `mongodb://…` or `mongodb+srv://…`: any number of hosts."""

from .store import MongoDBStore

make = MongoDBStore

__all__ = ["MongoDBStore", "make"]
