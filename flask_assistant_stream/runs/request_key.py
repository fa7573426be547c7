"""The idempotency key of a request: checked, digested, and the ids that follow from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import RequestError
from ..protocol import ids
from ..protocol.objects import Object

HEADER = "Idempotency-Key"
MAX_CHARS = 255
REUSED = "idempotency_key_reused"
START_DIGEST = "request_digest"
"""The key of a run's `extra` with the digest of the request that started it."""
ANSWER_PREFIX = "answer"
"""Starts the keys of a run's `extra` that name the requests with its tool outputs."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """An idempotency key of an owner, with the digest of the whole request: a client may send the request again."""

    owner: str
    value: str
    digest: str

    @classmethod
    def read(cls, owner: str, value: str, request: Mapping[str, Any]) -> RequestKey:
        """Check a key and digest the request: route and body as JSON values.

        Raises:
            RequestError: the key is invalid, or the body is nested too deep.
        """
        if not (value.isascii() and value.isprintable() and 0 < len(value) <= MAX_CHARS):
            message = f"Invalid '{HEADER}': it must be 1 to {MAX_CHARS} printable ASCII characters."
            raise RequestError(message, param=HEADER)
        try:
            canonical = json.dumps(request, sort_keys=True, separators=(",", ":"), default=str)
        except RecursionError:
            raise RequestError("The body is not valid JSON: it is nested too deep.") from None
        return cls(owner, value, hashlib.sha256(canonical.encode("ascii")).hexdigest()[:32])

    def new_id(self, prefix: str) -> str:
        """Return the id for a new object; no other key of any owner gives the same."""
        return ids.derived_id(prefix, self.owner, self.value)

    @property
    def run_id(self) -> str:
        """The id of the run that this request starts."""
        return self.new_id(ids.RUN)

    @property
    def start_extra(self) -> Object:
        """The `extra` of the run that this request starts."""
        return {START_DIGEST: self.digest}

    @property
    def answer(self) -> str:
        """The key in a run's `extra` of this request's tool outputs."""
        return ids.derived_id(ANSWER_PREFIX, self.owner, self.value)

    def answer_extra(self, after: int) -> Object:
        """Return the addition to a run's `extra` when this request answers it; `after` is where its stream begins."""
        return {self.answer: f"{after}/{self.digest}"}

    def check(self, digest: object) -> None:
        """Refuse a key that another request used before."""
        if digest != self.digest:
            message = f"This {HEADER} was used before, for another request: send a new key with each new request."
            raise RequestError(message, param=HEADER, code=REUSED)
