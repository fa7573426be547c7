"""Fixtures that every test may use. Each plugin module holds one kind of server or material."""
