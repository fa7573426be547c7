"""Which assistant a request means: declared in code, stored, or made from the configuration. Knows no Flask."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .errors import ConfigError, Duplicate, NotFound, RequestError
from .protocol import ids, objects
from .protocol.objects import Object
from .stores.base import Kind, Order, Record, Store

FIELDS: Mapping[str, tuple[type, ...]] = {
    "id": (str,),
    "model": (str,),
    "name": (str, type(None)),
    "description": (str, type(None)),
    "instructions": (str, type(None)),
    "tools": (list,),
    "tool_resources": (dict, type(None)),
    "metadata": (dict,),
    "temperature": (int, float, type(None)),
    "top_p": (int, float, type(None)),
    "response_format": (str, dict, type(None)),
    "reasoning_effort": (str, type(None)),
}
"""Keys of an assistant that is declared in code (`spec/assistants.md#endpoints`), and their types."""

MADE_FROM = "made_from"
"""The `extra` key that holds, as JSON, the configuration an assistant was made from."""


def declare(assistants: Iterable[Mapping[str, Any]], model: str) -> dict[str, Object]:
    """Check the assistants declared in code and return them by id.

    Args:
        assistants: Assistants API bodies with an `id`.
        model: of those that name none.

    Raises:
        ConfigError: a key or a value that does not fit, or an id used twice.
    """
    declared: dict[str, Object] = {}
    for given in assistants:
        _check(given)
        if given["id"] in declared:
            raise ConfigError(f"assistants: the id {given['id']!r} is declared twice.")
        declared[given["id"]] = objects.assistant(given["id"], int(time.time()), **{"model": model, **_fields(given)})
    return declared


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key != "id"}


def _check(given: Mapping[str, Any]) -> None:
    if not isinstance(given, Mapping) or not isinstance(given.get("id"), str) or not given["id"]:
        raise ConfigError('assistants: each is a dict with at least an "id", such as {"id": "asst_support"}.')
    for key, value in given.items():
        if key not in FIELDS:
            raise ConfigError(f"assistants: {given['id']!r} has no field {key!r}; it may have {', '.join(FIELDS)}.")
        if not isinstance(value, FIELDS[key]) or isinstance(value, bool):
            expected = " or ".join(kind.__name__ for kind in FIELDS[key])
            raise ConfigError(f"assistants: {key!r} of {given['id']!r} must be {expected}, not {value!r}.")


@dataclass(frozen=True, slots=True)
class Found:
    """An assistant, and the write that is still to come where it was made or changed from the configuration."""

    body: Object
    write: Callable[[], object] | None = None

    def keep(self) -> None:
        """Store it if that is still to come; a request beside this one may have done so."""
        if self.write is not None:
            with suppress(Duplicate):
                self.write()


class Assistants:
    """Finds assistants for one registration.

    Args:
        store: where those made over the API or from the configuration are.
        default: the assistant to make where nothing stands under its id; `id` and `model` at least.
        declared: from `declare`.
        functions: returns the function tools that the default assistant has besides, made or declared; asked each
            time, so that functions may be registered late.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        default: Object,
        declared: Mapping[str, Object] | None = None,
        *,
        functions: Callable[[], list[Object]] = list,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._default_id = default["id"]
        self._given_default = default
        self._given_declared = dict(declared or {})
        self._functions = functions
        self._now = now

    @property
    def _default(self) -> Object:
        return self._with_functions(self._given_default)

    @property
    def _declared(self) -> dict[str, Object]:
        declared = self._given_declared
        if self._default_id not in declared:
            return declared
        return {**declared, self._default_id: self._with_functions(declared[self._default_id])}

    def _with_functions(self, assistant: Object) -> Object:
        """Return the default assistant with the functions that it has besides."""
        functions = self._functions()
        return {**assistant, "tools": [*assistant.get("tools", ()), *functions]} if functions else assistant

    def find(self, owner: str, assistant_id: str | None = None) -> Found:
        """Return an assistant, the default one where no id is given; writes nothing.

        The default assistant is made from the configuration when an owner first uses it. What the owner has not
        changed of it follows the configuration from then on: a model that its maker switches off is replaced
        there, and stored copies must not keep it.

        Raises:
            NotFound: no such assistant for this owner.
        """
        assistant_id = self._default_id if assistant_id is None else assistant_id
        if assistant_id in self._given_declared:
            return Found(self._declared[assistant_id])
        try:
            record = self._store.get(Kind.ASSISTANT, owner, assistant_id)
        except NotFound:
            if assistant_id != self._default_id:
                raise NotFound(f"No assistant found with id '{assistant_id}'.") from None
            return self._made(owner)
        made_from = json.loads(record.extra.get(MADE_FROM, "null"))
        return Found(record.body) if made_from in (None, self._default) else self._changed(record, made_from)

    def create(self, owner: str, given: Mapping[str, Any]) -> Object:
        """Make an assistant of an owner and return it.

        Args:
            given: `FIELDS` but for the id; null means the default.
        """
        body = objects.assistant(ids.new_id(ids.ASSISTANT), int(self._now()), **_filled(given))
        return self._store.insert(Record(Kind.ASSISTANT, owner, body)).body

    def update(self, owner: str, assistant_id: str, given: Mapping[str, Any]) -> Object:
        """Change fields of an assistant and return it; null puts one back to its default.

        Raises:
            NotFound: no such assistant for this owner.
            RequestError: it is declared in code.
        """
        self._check_stored(assistant_id)
        self.find(owner, assistant_id).keep()
        return self._store.update(Kind.ASSISTANT, owner, assistant_id, body=_filled(given)).body

    def delete(self, owner: str, assistant_id: str) -> None:
        """Delete an assistant; the default one is made anew from the configuration when it is next used.

        Raises:
            NotFound: no such assistant for this owner.
            RequestError: it is declared in code.
        """
        self._check_stored(assistant_id)
        self.find(owner, assistant_id).keep()
        self._store.delete(Kind.ASSISTANT, owner, assistant_id)

    def page(
        self,
        owner: str,
        *,
        limit: int = 20,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
    ) -> tuple[list[Object], bool]:
        """Return some of an owner's assistants and whether there are more; those declared in code are the oldest.

        The default one is stored by this, so that it has its place among the others.

        Raises:
            NotFound: `after` or `before` is none of them; `param` says which.
        """
        if self._default_id not in self._given_declared:
            self.find(owner).keep()
        found = [*self._declared.values(), *self._stored(owner)]
        if order == "desc":
            found.reverse()
        places = {body["id"]: place for place, body in enumerate(found)}
        for name, cursor in (("after", after), ("before", before)):
            if cursor is not None and cursor not in places:
                raise NotFound(f"No assistant found with id '{cursor}'.", param=name)
        first = 0 if after is None else places[after] + 1
        last = len(found) if before is None else places[before]
        if after is None and before is not None:  # what stands next to it
            first = max(last - limit, 0)
            return found[first:last], first > 0
        return found[first : min(first + limit, last)], first + limit < last

    def _stored(self, owner: str) -> list[Object]:
        """Return all that the owner has, oldest first: they are few."""
        bodies: list[Object] = []
        after = None
        while True:
            page = self._store.list(Kind.ASSISTANT, owner, limit=100, order="asc", after=after)
            bodies += [record.body for record in page.records if record.id not in self._given_declared]
            if not page.has_more:
                return bodies
            after = page.records[-1].id

    def _check_stored(self, assistant_id: str) -> None:
        if assistant_id in self._given_declared:
            raise RequestError(f"Assistant {assistant_id} is declared in the app's code and cannot be changed here.")

    def _made(self, owner: str) -> Found:
        default = self._default
        body = objects.assistant(created_at=int(self._now()), **default)
        record = Record(Kind.ASSISTANT, owner, body, extra={MADE_FROM: json.dumps(default)})
        return Found(body, lambda: self._store.insert(record))

    def _changed(self, record: Record, made_from: Object) -> Found:
        default = self._default
        untouched = [key for key in default if record.body[key] == made_from.get(key)]
        changes = {key: default[key] for key in untouched}
        extra = {MADE_FROM: json.dumps(default)}
        return Found(
            {**record.body, **changes},
            lambda: self._store.update(Kind.ASSISTANT, record.owner, record.id, body=changes, extra=extra),
        )


def _filled(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return given fields with the default in place of null."""
    defaults = objects.assistant("", 0, "")
    return {key: defaults[key] if value is None else value for key, value in given.items()}
