"""Who owns a request, and whether its Origin may change anything. Knows neither stores nor runs."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from flask import Flask, Request, Response, session

from .errors import ConfigError, Forbidden, Unauthorized

MAX_OWNER_CHARS = 256
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SESSION_KEY = "flask_assistant_stream.owner"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request acts for.

    Attributes:
        owner: everything the request stores or sees is this owner's.
    """

    owner: str


class Authenticator(Protocol):
    """What a host's `authenticate` is: it returns the id of the logged-in user, or raises `Unauthorized`.

    None counts as `Unauthorized` too. It sees bearer tokens that `ASSISTANT_API_KEYS` does not hold.
    """

    def __call__(self, request: Request, /) -> str | None:
        """Return the owner of the request."""


class Shipped(ABC):
    """The authenticators of this package: they check the app at start-up and know no bearer token."""

    @abstractmethod
    def check(self, app: Flask) -> None:
        """Raise `ConfigError` if the app lacks what this authenticator needs."""

    @abstractmethod
    def owner(self) -> str:
        """Return the owner of the current request."""

    def __call__(self, request: Request, /) -> str:
        """Return the owner of a request that carries no bearer token."""
        if bearer(request) is not None:
            raise Unauthorized("Incorrect API key provided: it is not in ASSISTANT_API_KEYS.")
        return self.owner()


@dataclass(frozen=True, slots=True)
class SessionOwner(Shipped):
    """Each browser is its own owner, in Flask's signed session."""

    def check(self, app: Flask) -> None:
        """Refuse an app that cannot sign sessions."""
        if not app.secret_key:
            raise ConfigError(
                "session_owner keeps the owner in Flask's signed session, and the app has no secret key. Set "
                "app.secret_key (or FLASK_SECRET_KEY with app.config.from_prefixed_env()) to a long random value "
                "that every worker shares, before the blueprint is registered."
            )

    def owner(self) -> str:
        """Return the browser's owner; the first request makes it."""
        owner = session.get(SESSION_KEY)
        if not isinstance(owner, str):
            owner = session[SESSION_KEY] = f"session_{secrets.token_urlsafe(24)}"
        return owner


@dataclass(frozen=True, slots=True)
class SharedOwner(Shipped):
    """Everybody is one owner."""

    name: str

    def check(self, app: Flask) -> None:
        """Need nothing of the app."""

    def owner(self) -> str:
        """Return the name."""
        return self.name


session_owner = SessionOwner()
"""Each browser its own owner, in Flask's signed session; the app needs a secret key."""


def shared_owner(name: str) -> SharedOwner:
    """Make everybody the owner `name`: demos, internal tools, front-ends that send no cookies."""
    if flaw := _flaw(name):
        raise ConfigError(f"shared_owner(name): the name must be {flaw}.")
    return SharedOwner(name)


def bearer(request: Request) -> str | None:
    """Return the bearer token of a request, or None where it carries none."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class Gate:
    """Decides who owns a request and refuses the others.

    Attributes:
        keys: SHA-256 of each bearer key, and its owner; digests so that comparing takes the same time for all.
        authenticate: asked when no key fits, or None where keys are the only way in.
        origins: other origins that may change something, as browsers send them.
    """

    keys: tuple[tuple[bytes, str], ...] = ()
    authenticate: Authenticator | None = None
    origins: tuple[str, ...] = ()

    def admit(self, request: Request) -> Principal:
        """Return the principal of a request.

        Raises:
            Unauthorized: no owner.
            Forbidden: a foreign Origin wants to change something.
            ConfigError: the host's `authenticate` returned what cannot be an owner.
        """
        owner = self._owner_by_key(request)
        if owner is not None:
            return Principal(owner)
        self._check_origin(request)
        if self.authenticate is None:
            said = "Incorrect API key provided." if bearer(request) else "You didn't provide an API key."
            raise Unauthorized(f"{said} Send the header Authorization: Bearer KEY.")
        return Principal(_sound(self.authenticate(request)))

    def _owner_by_key(self, request: Request) -> str | None:
        token = bearer(request)
        if token is None:
            return None
        given, found = _digest(token), None
        for digest, owner in self.keys:  # all of them: how long it takes says nothing of which one fits
            if hmac.compare_digest(digest, given):
                found = owner
        return found

    def _check_origin(self, request: Request) -> None:
        origin = request.headers.get("Origin")
        if origin is None or request.method in SAFE_METHODS:
            return
        place = _place(origin)
        if origin.lower() in self.origins or (place is not None and place == _place(f"//{request.host}")):
            return
        raise Forbidden(
            f"The Origin {origin[:200]!r} may not change anything here: it is neither this host ({request.host}) nor "
            "in ASSISTANT_CORS_ORIGINS. Behind a proxy, apply werkzeug's ProxyFix so that the app knows its public "
            "host; for a front-end on another origin, add that origin to ASSISTANT_CORS_ORIGINS."
        )


def build_gate(
    app: Flask,
    *,
    authenticate: Callable[[Request], str | None] | None,
    owner: str | None,
    api_keys: Mapping[str, str],
    origins: Sequence[str],
) -> Gate:
    """Make the gate of one registration.

    Args:
        authenticate: the host's function, or None.
        owner: `ASSISTANT_OWNER`, used where no function is given.

    Raises:
        ConfigError: nobody was chosen, or the app lacks what the choice needs.
    """
    for name in api_keys.values():
        if flaw := _flaw(name):
            raise ConfigError(f"ASSISTANT_API_KEYS: an owner must be {flaw}.")
    chosen = authenticate if authenticate is not None else _by_name(owner)
    if chosen is None and not api_keys:
        chosen = _default(app)
    if chosen is not None and not callable(chosen):
        raise ConfigError(
            f"authenticate must be a function that takes the request and returns the user's id, not {chosen!r}."
        )
    if isinstance(chosen, Shipped):
        chosen.check(app)
    keys = tuple((_digest(key), name) for key, name in api_keys.items())
    return Gate(keys, chosen, tuple(origin.lower() for origin in origins))


def _by_name(owner: str | None) -> Shipped | None:
    if owner is None:
        return None
    return session_owner if owner == "session" else shared_owner(owner.partition(":")[2].strip())


def _default(app: Flask) -> Shipped:
    """Return who everybody is while the host has not chosen: nobody but in debug and testing."""
    if app.debug or app.testing:
        return shared_owner("local")
    raise ConfigError(
        "Who owns a request? Choose one: authenticate=a function from the request to the logged-in user's id; "
        "authenticate=session_owner (each browser its own; ASSISTANT_OWNER=session); "
        "authenticate=shared_owner('name') (everybody shares everything; ASSISTANT_OWNER=shared:NAME); or "
        "ASSISTANT_API_KEYS=key=owner. In debug and testing mode alone everybody is the owner 'local'."
    )


def _sound(owner: object) -> str:
    """Check what a host's `authenticate` returned; the text is for the host's log, not for the client."""
    if owner is None:
        raise Unauthorized("You are not logged in.")
    if isinstance(owner, Response):
        raise ConfigError("authenticate returned a response; raise Unauthorized to refuse, return the user's id else.")
    if not isinstance(owner, str):
        raise ConfigError(f"authenticate returned {type(owner).__name__}; return the user's id as a str, or None.")
    if flaw := _flaw(owner):
        raise ConfigError(f"authenticate returned an owner that cannot be kept: it must be {flaw}.")
    return owner


def _flaw(owner: str) -> str | None:
    """Return what an owner must be and this one is not."""
    if not owner or len(owner) > MAX_OWNER_CHARS:
        return f"1 to {MAX_OWNER_CHARS} characters long"
    if "\0" in owner or any("\ud800" <= char <= "\udfff" for char in owner):
        return "free of NUL and of lone surrogates"
    return None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _place(address: str) -> tuple[str, int | None] | None:
    """Return host and port, None for a default port; schemes are not compared, so 80 and 443 are the same."""
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        return None
    return (url.hostname, None if port in (80, 443) else port) if url.hostname else None
