"""The engine for OpenAI and every other server with `POST /v1/responses`, over an HTTP client of its own."""

from .engine import OpenAIEngine

__all__ = ["OpenAIEngine"]
