"""Limits of values in bodies and queries, with OpenAI's words and codes (`spec/assistants.md#errors`)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from marshmallow import ValidationError, validate

MISSING = "Missing data for required field."
"""marshmallow's words."""
MISSING_CODE = "missing_required_parameter"
CODES: Mapping[str, str] = MappingProxyType(
    {
        "integer below minimum value": "integer_below_min_value",
        "integer above maximum value": "integer_above_max_value",
        "decimal below minimum value": "decimal_below_min_value",
        "decimal above maximum value": "decimal_above_max_value",
        "string too long": "string_above_max_length",
        "empty string": "empty_string",
        "array too long": "array_above_max_length",
        "empty array": "empty_array",
    }
)
"""The code of a message by its first words."""


class Range(validate.Range):
    """A whole number within limits; `kind` is `decimal` for any other number."""

    def __init__(self, min: float | None = None, max: float | None = None, *, kind: str = "integer") -> None:
        super().__init__(min, max)
        self.kind = kind

    def __call__(self, value: Any) -> Any:
        """Return the number; ValidationError beyond a limit."""
        if self.min is not None and value < self.min:
            raise self._beyond("below minimum", f">= {self.min}", value)
        if self.max is not None and value > self.max:
            raise self._beyond("above maximum", f"<= {self.max}", value)
        return value

    def _beyond(self, words: str, expected: str, value: Any) -> ValidationError:
        return ValidationError(f"{self.kind} {words} value. Expected a value {expected}, but got {value} instead.")


class Length(validate.Length):
    """The length of a string or an array; the lower limit is 1 or none."""

    def __call__(self, value: Any) -> Any:
        """Return the value; ValidationError if it is empty or too long."""
        kind, a_kind = ("string", "a string") if isinstance(value, str) else ("array", "an array")
        if self.min is not None and len(value) < self.min:
            raise ValidationError(
                f"empty {kind}. Expected {a_kind} with minimum length {self.min}, but got an empty {kind} instead."
            )
        if self.max is not None and len(value) > self.max:
            raise ValidationError(too_long(kind, self.max, len(value)))
        return value


def too_long(kind: str, limit: int, length: int) -> str:
    """Return the message for a string or an array of more than `limit` characters or elements."""
    article = "an" if kind == "array" else "a"
    return (
        f"{kind} too long. Expected {article} {kind} with maximum length {limit}, but got {article} {kind} with length "
        f"{length} instead."
    )
