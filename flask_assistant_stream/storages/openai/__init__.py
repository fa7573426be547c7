"""Files and vector stores at OpenAI, or at a server with the same API, through the official client."""

from .storage import UpstreamStorage

__all__ = ["UpstreamStorage"]
