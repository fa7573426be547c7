"""Translate token counts from a response's `usage` to a run's. Parts may be missing (spec/servers.md#partial-usage)."""

from __future__ import annotations

from typing import Any

from ..protocol.objects import Object


def usage_of(usage: Any) -> Object | None:
    """Translate a response's usage, or None if it has none."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("input_tokens"), usage.get("output_tokens")
    if not (_is_count(prompt) or _is_count(completion)):
        return None
    total = usage.get("total_tokens")
    return {
        "prompt_tokens": _count(prompt),
        "completion_tokens": _count(completion),
        "total_tokens": total if _is_count(total) else _count(prompt) + _count(completion),
        "prompt_token_details": {"cached_tokens": _detail(usage, "input_tokens_details", "cached_tokens")},
        "completion_tokens_details": {"reasoning_tokens": _detail(usage, "output_tokens_details", "reasoning_tokens")},
    }


def add_usage(left: Object | None, right: Object | None) -> Object | None:
    """Return the sum of two usages; None counts as zero."""
    if left is None or right is None:
        return left or right
    return {
        key: add_usage(value, right[key]) if isinstance(value, dict) else value + right[key]
        for key, value in left.items()
    }


def spent_budget(run: Object, usage: Object | None) -> str | None:
    """Return the name of the run's budget that is used up, or None."""
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
