"""The engine for OpenAI and every other server with `POST /v1/responses`: any URL, over our own HTTP client."""

from .engine import BASE_URL, OpenAIEngine

__all__ = ["BASE_URL", "OpenAIEngine"]
