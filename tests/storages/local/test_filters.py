"""Filters by attributes: comparisons and compounds."""

from __future__ import annotations

from typing import Any

import pytest

from flask_assistant_stream.errors import RequestError
from flask_assistant_stream.storages.local.filters import MAX_DEPTH, matches

ATTRIBUTES = {"year": 2026, "lang": "de", "public": True, "ratio": 0.5}


def compare(kind: str, key: str, value: Any) -> dict[str, Any]:
    return {"type": kind, "key": key, "value": value}


def deep(depth: int) -> Any:
    filters: Any = compare("eq", "lang", "de")
    for _ in range(depth):
        filters = {"type": "and", "filters": [filters]}
    return filters


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        (None, True),
        (compare("eq", "lang", "de"), True),
        (compare("eq", "lang", "DE"), False),
        (compare("eq", "year", 2026.0), True),
        (compare("eq", "year", "2026"), False),
        (compare("eq", "public", True), True),
        (compare("eq", "public", 1), False),
        (compare("eq", "missing", "x"), False),
        (compare("ne", "lang", "en"), True),
        (compare("ne", "missing", "x"), True),
        (compare("gt", "year", 2025), True),
        (compare("gt", "year", 2026), False),
        (compare("gte", "year", 2026), True),
        (compare("lt", "ratio", 1), True),
        (compare("lte", "ratio", 0.5), True),
        (compare("lt", "lang", "en"), True),
        (compare("lt", "lang", 5), False),
        (compare("gt", "public", 0), False),
        (compare("gt", "missing", 0), False),
        (compare("in", "lang", ["de", "fr"]), True),
        (compare("in", "missing", ["de"]), False),
        (compare("nin", "lang", ["de", "fr"]), False),
        (compare("nin", "missing", ["de"]), True),
        ({"key": "lang", "value": "de"}, True),
        ({"type": "and", "filters": [compare("eq", "lang", "de"), compare("gt", "year", 2030)]}, False),
        ({"type": "or", "filters": [compare("eq", "lang", "de"), compare("gt", "year", 2030)]}, True),
        ({"type": "and", "filters": []}, True),
        ({"type": "or", "filters": []}, False),
        ({"type": "or", "filters": [{"type": "and", "filters": [compare("eq", "lang", "de")]}]}, True),
    ],
)
def test_a_filter_passes_or_not(filters: Any, passes: bool) -> None:
    assert matches(filters, ATTRIBUTES) is passes


@pytest.mark.parametrize(
    "invalid",
    [
        "lang = de",
        [],
        {},
        {"type": "like", "key": "lang", "value": "d%"},
        {"type": "eq", "key": "lang"},
        {"type": "eq", "key": 5, "value": 5},
        {"type": "in", "key": "lang", "value": "de"},
        {"type": "and"},
        {"type": "or", "filters": [compare("eq", "lang", "de"), {}]},
        {"type": ["eq"], "key": "lang", "value": "de"},
        deep(MAX_DEPTH + 1),
    ],
)
def test_an_invalid_filter_is_rejected(invalid: Any) -> None:
    with pytest.raises(RequestError, match="Invalid 'filters'") as caught:
        matches(invalid, ATTRIBUTES)
    assert caught.value.param == "filters"


def test_the_deepest_filter() -> None:
    assert matches(deep(MAX_DEPTH), ATTRIBUTES)
