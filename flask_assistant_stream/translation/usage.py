"""Token counts: from a response's `usage` to a run's, tolerant of what is missing (`spec/servers.md#partial-usage`)."""

from __future__ import annotations

from typing import Any

from ..protocol.objects import Object


def usage_of(found: Any) -> Object | None:
    """Translate a response's usage, or None if it has none."""
    if not isinstance(found, dict):
        return None
    given, made = found.get("input_tokens"), found.get("output_tokens")
    if not (_is_count(given) or _is_count(made)):
        return None
    total = found.get("total_tokens")
    return {
        "prompt_tokens": _count(given),
        "completion_tokens": _count(made),
        "total_tokens": total if _is_count(total) else _count(given) + _count(made),
        "prompt_token_details": {"cached_tokens": _detail(found, "input_tokens_details", "cached_tokens")},
        "completion_tokens_details": {"reasoning_tokens": _detail(found, "output_tokens_details", "reasoning_tokens")},
    }


def add_usage(left: Object | None, right: Object | None) -> Object | None:
    """Add two usages; None counts for nothing."""
    if left is None or right is None:
        return left or right
    return {
        key: add_usage(value, right[key]) if isinstance(value, dict) else value + right[key]
        for key, value in left.items()
    }


def spent_budget(run: Object, usage: Object | None) -> str | None:
    """Return the name of a budget of a run that its responses have used up, if there is one."""
    budgets = {"max_completion_tokens": "completion_tokens", "max_prompt_tokens": "prompt_tokens"}
    spent = [name for name, key in budgets.items() if run.get(name) and (usage or {}).get(key, 0) >= run[name]]
    return spent[0] if spent else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _count(value: Any) -> int:
    return value if _is_count(value) else 0


def _detail(usage: Object, group: str, name: str) -> int:
    details = usage.get(group)
    return _count(details.get(name)) if isinstance(details, dict) else 0
