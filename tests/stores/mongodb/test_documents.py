"""JSON as BSON and back."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_assistant_stream.stores.mongodb.documents import assignments, decode, encode, field_name

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | TEXT
    | st.sampled_from(["$ref", "a.b", "%24", "\0"]),
    lambda inner: (
        st.lists(inner) | st.dictionaries(TEXT | st.sampled_from(["$ref", "$id", "$db", "a.b", "%2E"]), inner)
    ),
    max_leaves=20,
)


@pytest.mark.slow
@given(st.dictionaries(TEXT, JSON))
def test_every_json_value_comes_back(value: dict[str, Any]) -> None:
    stored = bson.decode(bson.encode({"value": encode(value)}))["value"]
    assert decode(stored) == value


@pytest.mark.slow
@given(st.dictionaries(TEXT, JSON))
def test_no_field_name_has_a_meaning_for_the_server(value: dict[str, Any]) -> None:
    def names(stored: Any) -> list[str]:
        if isinstance(stored, dict):
            return [*stored, *(name for inner in stored.values() for name in names(inner))]
        return [name for inner in stored for name in names(inner)] if isinstance(stored, list) else []

    assert not [name for name in names(encode(value)) if set(name) & set("$.\0")]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("cut \ud83d", "cut \ufffd"),
        ("\ud83d\ude00 joined", "😀 joined"),
        ({"\ud83d": "\ude00"}, {"\ufffd": "\ufffd"}),
        ((1, "ä"), [1, "ä"]),
        (1 << 63, {"%int": "9223372036854775808"}),
        ({"%int": "1"}, {"%25int": "1"}),
        (-(1 << 63), -(1 << 63)),
        ({"a.b": {"$gt": 1}}, {"a%2Eb": {"%24gt": 1}}),
    ],
)
def test_stored_values(value: Any, stored: Any) -> None:
    assert encode(value) == stored
    bson.encode({"value": encode(value)})


def test_ordinary_names_stay_queryable() -> None:
    assert [field_name(name) for name in ("tool_resources", "größe", "a-b c")] == ["tool_resources", "größe", "a-b c"]
    assert assignments("body", {"metadata": {"a.b": "c"}, "$x": 1}) == {"body.metadata": {"a%2Eb": "c"}, "body.%24x": 1}
