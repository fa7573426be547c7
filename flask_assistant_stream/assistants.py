"""Find assistants: declared in code, stored, or built from the configuration. Knows no Flask."""

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
from .stores.base import Kind, Order, Page, Record, Store
from .stores.listing import page_of

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
"""Keys of an assistant declared in code (`spec/assistants.md#endpoints`), and their types."""

BUILT_FROM = "made_from"
"""The `extra` key of the configuration, as JSON, that an assistant was built from."""


def declare(assistants: Iterable[Mapping[str, Any]], model: str) -> dict[str, Object]:
    """Check the assistants declared in code and return them by id.

    Args:
        assistants: Assistants API bodies with an `id`.
        model: of assistants that name none.

    Raises:
        ConfigError: a key or a value is invalid, or an id is used twice.
    """
    declared: dict[str, Object] = {}
    for assistant in assistants:
        _check(assistant)
        id, fields = assistant["id"], {key: value for key, value in assistant.items() if key != "id"}
        if id in declared:
            raise ConfigError(f"assistants: the id {id!r} is declared twice.")
        declared[id] = objects.assistant(id, int(time.time()), **{"model": model, **fields})
    return declared


def _check(assistant: Mapping[str, Any]) -> None:
    if not isinstance(assistant, Mapping) or not isinstance(assistant.get("id"), str) or not assistant["id"]:
        raise ConfigError('assistants: each is a dict with at least an "id", such as {"id": "asst_support"}.')
    for key, value in assistant.items():
        if key not in FIELDS:
            raise ConfigError(f"assistants: {assistant['id']!r} has no field {key!r}; use {', '.join(FIELDS)}.")
        if not isinstance(value, FIELDS[key]) or isinstance(value, bool):
            expected = " or ".join(kind.__name__ for kind in FIELDS[key])
            raise ConfigError(f"assistants: {key!r} of {assistant['id']!r} must be {expected}, not {value!r}.")


@dataclass(frozen=True, slots=True)
class FoundAssistant:
    """An assistant, and its pending write if it was built or changed from the configuration."""

    body: Object
    write: Callable[[], object] | None = None

    def keep(self) -> None:
        """Do the pending write, unless a parallel request did."""
        if self.write is not None:
            with suppress(Duplicate):
                self.write()


class Assistants:
    """Finds assistants for one registration.

    Args:
        default: the assistant to build if none has its id; `id` and `model` at least.
        declared: from `declare`.
        functions: returns further function tools of the default assistant; called each time, as functions may be
            registered late.
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
        self._configured_default = default
        self._declared_alone = dict(declared or {})
        self._functions = functions
        self._now = now

    @property
    def _default(self) -> Object:
        return self._with_functions(self._configured_default)

    @property
    def _declared(self) -> dict[str, Object]:
        declared = self._declared_alone
        if self._default_id not in declared:
            return declared
        return {**declared, self._default_id: self._with_functions(declared[self._default_id])}

    def _with_functions(self, assistant: Object) -> Object:
        """Add the app's functions to the default assistant."""
        functions = self._functions()
        return {**assistant, "tools": [*assistant.get("tools", ()), *functions]} if functions else assistant

    def find(self, owner: str, assistant_id: str | None = None) -> FoundAssistant:
        """Return an assistant, the default one without an id; writes nothing.

        The default assistant is built from the configuration when an owner first uses it. The fields that its owner has
        not changed follow the configuration from then on, so that no stored copy keeps a model that is switched off.

        Raises:
            NotFound: no such assistant for this owner.
        """
        assistant_id = self._default_id if assistant_id is None else assistant_id
        if assistant_id in self._declared_alone:
            return FoundAssistant(self._declared[assistant_id])
        record = self._store.find(Kind.ASSISTANT, owner, assistant_id)
        if record is None:
            if assistant_id != self._default_id:
                raise NotFound(f"No assistant found with id '{assistant_id}'.")
            return self._built(owner)
        built_from = json.loads(record.extra.get(BUILT_FROM, "null"))
        return FoundAssistant(record.body) if built_from in (None, self._default) else self._changed(record, built_from)

    def create(self, owner: str, fields: Mapping[str, Any]) -> Object:
        """Create an assistant of an owner and return it; `fields` are `FIELDS` without the id, null is the default."""
        body = objects.assistant(ids.new_id(ids.ASSISTANT), int(self._now()), **_filled(fields))
        return self._store.insert(Record(Kind.ASSISTANT, owner, body)).body

    def update(self, owner: str, assistant_id: str, fields: Mapping[str, Any]) -> Object:
        """Change fields of an assistant and return it; null restores a default.

        Raises:
            NotFound: no such assistant for this owner.
            RequestError: it is declared in code.
        """
        self._check_stored(assistant_id)
        self.find(owner, assistant_id).keep()
        return self._store.update(Kind.ASSISTANT, owner, assistant_id, body=_filled(fields)).body

    def delete(self, owner: str, assistant_id: str) -> None:
        """Delete an assistant; the default one is built from the configuration again at its next use.

        Raises:
            NotFound: no such assistant for this owner.
            RequestError: it is declared in code.
        """
        self._check_stored(assistant_id)
        self.find(owner, assistant_id).keep()
        self._store.delete(Kind.ASSISTANT, owner, assistant_id)

    def page(
        self, owner: str, *, limit: int = 20, order: Order = "desc", after: str | None = None, before: str | None = None
    ) -> tuple[list[Object], bool]:
        """Return a page of an owner's assistants and whether more follow; those declared in code are the oldest.

        Stores the default one, so that it has its place in the list.

        Raises:
            NotFound: `after` or `before`, named by `param`, is not in the list.
        """
        if self._default_id not in self._declared_alone:
            self.find(owner).keep()
        backwards = before is not None and after is None  # the page ends next to the cursor
        try:
            if not backwards:
                return self._page(owner, limit, order, after, before)
            bodies, has_more = self._page(owner, limit, "asc" if order == "desc" else "desc", before, None)
        except NotFound:
            name, cursor = ("before", before) if backwards else ("after", after)
            raise NotFound(f"No assistant found with id '{cursor}'.", param=name) from None
        return bodies[::-1], has_more

    def _page(
        self, owner: str, limit: int, order: Order, after: str | None, before: str | None
    ) -> tuple[list[Object], bool]:
        """Return a page that begins after a cursor: of the declared assistants and the stored ones in a row."""
        declared = [*self._declared.values()]
        if order == "desc":
            declared.reverse()
        places = {body["id"]: place for place, body in enumerate(declared)}
        first, last = (None if id is None else places.get(id) for id in (after, before))
        after_stored, before_stored = (id if place is None else None for id, place in ((after, first), (before, last)))
        page = self._stored(owner, limit, order, after_stored, before_stored)
        stored, more = [record.body for record in page.records], page.has_more
        if (last if order == "asc" else first) is not None:  # a declared one ends or begins the page
            stored, more = [], False
        if (after_stored if order == "asc" else before_stored) is not None:  # a stored one does
            declared = []
        else:
            declared = declared[0 if first is None else first + 1 : last]
        bodies = [*declared, *stored] if order == "asc" else stored if more else [*stored, *declared]
        return bodies[:limit], more or len(bodies) > limit

    def _stored(self, owner: str, limit: int, order: Order, after: str | None, before: str | None) -> Page:
        """Return a page of an owner's stored assistants, without those that are declared now."""
        listed: dict[str, Any] = {"limit": limit, "order": order, "after": after, "before": before}
        if self._declared_alone:
            listed["keep"] = lambda record: record.id not in self._declared_alone
        return page_of(self._store, Kind.ASSISTANT, owner, **listed)

    def _check_stored(self, assistant_id: str) -> None:
        if assistant_id in self._declared_alone:
            raise RequestError(f"Assistant {assistant_id} is declared in the app's code: change it there.")

    def _built(self, owner: str) -> FoundAssistant:
        default = self._default
        body = objects.assistant(created_at=int(self._now()), **default)
        record = Record(Kind.ASSISTANT, owner, body, extra={BUILT_FROM: json.dumps(default)})
        return FoundAssistant(body, lambda: self._store.insert(record))

    def _changed(self, record: Record, built_from: Object) -> FoundAssistant:
        default = self._default
        changes = {key: value for key, value in default.items() if record.body[key] == built_from.get(key)}
        extra = {BUILT_FROM: json.dumps(default)}
        return FoundAssistant(
            {**record.body, **changes},
            lambda: self._store.update(Kind.ASSISTANT, record.owner, record.id, body=changes, extra=extra),
        )


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Replace null by the default."""
    defaults = objects.assistant("", 0, "")
    return {key: defaults[key] if value is None else value for key, value in fields.items()}
