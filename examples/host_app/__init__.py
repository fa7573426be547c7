"""A small shop with eight usual extensions, and an assistant in it. See README.md."""

from .app import create_app

__all__ = ["create_app"]
