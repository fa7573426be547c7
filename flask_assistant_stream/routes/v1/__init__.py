"""The SDK face: the Assistants API v2 under `/v1`, for the official OpenAI clients.

One file per resource, over the same stores, runner and run log as the app face.
"""

from __future__ import annotations

from ..base import Resource
from . import assistants, files, messages, runs, steps, threads, vector_store_files, vector_stores

RESOURCES: tuple[Resource, ...] = tuple(
    module.resource for module in (assistants, threads, messages, runs, steps, files, vector_stores, vector_store_files)
)
