"""A streaming AI assistant for an existing Flask app: one blueprint, the Assistants protocol, your own database.

The names below are imported at their first use: `python -m flask_assistant_stream` imports this package before gevent
has patched anything, so it must import nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .auth import Authenticator, Principal, session_owner, shared_owner
    from .config import DEFAULT_MODEL, KEYS, Key, Settings
    from .errors import (
        AssistantStreamError,
        ConfigError,
        ContextOverflow,
        EngineError,
        Forbidden,
        Gone,
        NotFound,
        RequestError,
        StoreError,
        TooLarge,
        ToolError,
        Unauthorized,
        Unavailable,
        UnusableInput,
        UpstreamError,
    )
    from .extension import AssistantBlueprint, AssistantStream, create_assistant_blueprint
    from .shutdown import drain
    from .tools.registry import Tool, ToolContext, tool_of

_HOMES = {
    "auth": ("Authenticator", "Principal", "session_owner", "shared_owner"),
    "config": ("DEFAULT_MODEL", "KEYS", "Key", "Settings"),
    "extension": ("AssistantBlueprint", "AssistantStream", "create_assistant_blueprint"),
    "shutdown": ("drain",),
    "tools.registry": ("Tool", "ToolContext", "tool_of"),
}
"""Modules by name, and their public names. All other public names are in `errors`."""

__all__ = [
    "DEFAULT_MODEL",
    "KEYS",
    "AssistantBlueprint",
    "AssistantStream",
    "AssistantStreamError",
    "Authenticator",
    "ConfigError",
    "ContextOverflow",
    "EngineError",
    "Forbidden",
    "Gone",
    "Key",
    "NotFound",
    "Principal",
    "RequestError",
    "Settings",
    "StoreError",
    "TooLarge",
    "Tool",
    "ToolContext",
    "ToolError",
    "Unauthorized",
    "Unavailable",
    "UnusableInput",
    "UpstreamError",
    "create_assistant_blueprint",
    "drain",
    "session_owner",
    "shared_owner",
    "tool_of",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((home for home, names in _HOMES.items() if name in names), "errors")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
