"""Refuse OpenAI clients outside of the SDK face: they read a response of the app face as a thread without an id."""

from __future__ import annotations

from flask import request

from ..errors import NotFound

MARKS = ("X-Stainless-Lang", "OpenAI-Beta")
"""Headers that the official clients send with every request, or with those for assistants and threads."""
FACE = "/v1"


def refuse_sdk(rule: str) -> None:
    """Raise NotFound with the right base URL if an official client sends the current request.

    Args:
        rule: of the matched route, below the prefix.
    """
    if not any(mark in request.headers for mark in MARKS):
        return
    matched = request.url_rule.rule if request.url_rule is not None else ""
    prefix = matched.removesuffix(rule).strip("/")
    below = f"/{request.path.strip('/')}/".removeprefix(f"/{prefix}" if prefix else "")
    if below.startswith(f"{FACE}/"):
        return
    base_url = request.url_root + (f"{prefix}/" if prefix else "") + FACE.strip("/")
    raise NotFound(
        f"Unknown request URL: {request.method} {request.path}. The base URL of an OpenAI client ends in {FACE}. "
        f"Set it to {base_url}"
    )
