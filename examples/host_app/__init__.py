"""A small shop with a login, CSRF protection and rate limits, and an assistant in it. See README.md."""

from .app import create_app

__all__ = ["create_app"]
