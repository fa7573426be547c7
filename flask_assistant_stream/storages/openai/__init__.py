"""The storage at OpenAI, or at a server with the same files API, through the official client."""

from .storage import UpstreamStorage

__all__ = ["UpstreamStorage"]
