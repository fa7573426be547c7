"""Find the owner of a request and check its Origin. Knows neither stores nor runs."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from flask import Flask, Request, Response, session

from .errors import ConfigError, Forbidden, Unauthorized
from .namespaces import FIRST, SEPARATOR, stored_owner

MAX_OWNER_CHARS = 256
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FOREIGN_SITES = frozenset({"cross-site", "same-site"})
"""Values of `Sec-Fetch-Site` for pages of other origins; browsers send an Origin with their changes, too."""
DEFAULT_PORTS = {"http": 80, "https": 443}
LOCAL_ENDINGS = (".localhost", ".local", ".internal", ".lan", ".test")
SESSION_KEY = "flask_assistant_stream.owner"


@dataclass(frozen=True, slots=True)
class Principal:
    """The identity behind a request: the owner of everything that it stores or reads, with its namespace."""

    owner: str


class Authenticator(Protocol):
    """The type of a host's `authenticate`: returns the id of the logged-in user, or raises `Unauthorized`.

    A number or a UUID counts as its text, None as `Unauthorized`. The function also receives bearer tokens that are not
    in `ASSISTANT_API_KEYS`.
    """

    def __call__(self, request: Request, /) -> str | int | UUID | None:
        """Return the owner of the request."""


class BuiltInAuthenticator(ABC):
    """Base of this package's authenticators: they check the app at start-up and accept no bearer token."""

    @abstractmethod
    def check(self, app: Flask) -> None:
        """Raise `ConfigError` if the app lacks a requirement of this authenticator."""

    @abstractmethod
    def owner(self) -> str:
        """Return the owner of the current request."""

    def __call__(self, request: Request, /) -> str:
        """Return the owner of a request without a bearer token."""
        if bearer(request) is not None:
            raise Unauthorized("Incorrect API key provided: it is not in ASSISTANT_API_KEYS.")
        return self.owner()


@dataclass(frozen=True, slots=True)
class SessionOwner(BuiltInAuthenticator):
    """Each browser is its own owner, in Flask's signed session."""

    def check(self, app: Flask) -> None:
        """Require a secret key, which signs sessions."""
        if not app.secret_key:
            raise ConfigError(
                "session_owner keeps the owner in Flask's signed session, and the app has no secret key. Set "
                "app.secret_key (or FLASK_SECRET_KEY with app.config.from_prefixed_env()) to a long random value "
                "that every worker shares, before the blueprint is registered."
            )

    def owner(self) -> str:
        """Return the browser's owner; the first request creates it."""
        owner = session.get(SESSION_KEY)
        if not isinstance(owner, str):
            owner = session[SESSION_KEY] = f"session_{secrets.token_urlsafe(24)}"
        return owner


@dataclass(frozen=True, slots=True)
class SharedOwner(BuiltInAuthenticator):
    """All clients are one owner."""

    name: str

    def check(self, app: Flask) -> None:
        """Require nothing."""

    def owner(self) -> str:
        """Return the name."""
        return self.name


session_owner = SessionOwner()
"""Each browser is its own owner, in Flask's signed session; the app needs a secret key."""


def shared_owner(name: str) -> SharedOwner:
    """Make all clients the owner `name`: for demos, internal tools, front-ends that send no cookies."""
    if problem := _problem(name):
        raise ConfigError(f"shared_owner(name): the name must be {problem}.")
    return SharedOwner(name)


def bearer(request: Request) -> str | None:
    """Return the bearer token of a request, or None."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class Gate:
    """Finds the owners of requests and refuses requests without one.

    Attributes:
        keys: SHA-256 of each bearer key, and its owner; comparing digests takes the same time for all keys.
        authenticate: called if no key matches, or None if keys are the only way in.
        origins: other origins that may send changes, as browsers send them.
        namespace: of the owners, see `namespaces`.
        app: its debug mode refuses foreign hosts where all clients are one owner.
    """

    keys: tuple[tuple[bytes, str], ...] = ()
    authenticate: Authenticator | None = None
    origins: tuple[str, ...] = ()
    namespace: str = FIRST
    app: Flask | None = None

    def admit(self, request: Request) -> Principal:
        """Return the principal of a request.

        Raises:
            Unauthorized: it has no owner.
            Forbidden: another site sends a change, or the request has a foreign host in debug mode.
            ConfigError: the host's `authenticate` returned an invalid owner.
        """
        owner = self._owner_by_key(request)
        if owner is not None:
            return self._principal(owner)
        self._check_origin(request)
        if self.authenticate is None:
            problem = "Incorrect API key provided." if bearer(request) else "You didn't provide an API key."
            raise Unauthorized(f"{problem} Send the header Authorization: Bearer KEY.")
        if isinstance(self.authenticate, SharedOwner):
            _check_host(request, self.app)
        return self._principal(_checked_owner(self.authenticate(request)))

    def _principal(self, owner: str) -> Principal:
        return Principal(stored_owner(self.namespace, owner))

    def _owner_by_key(self, request: Request) -> str | None:
        token = bearer(request)
        if token is None:
            return None
        token_digest, match = _digest(token), None
        for digest, owner in self.keys:  # always all of them, so that the time reveals nothing
            if hmac.compare_digest(digest, token_digest):
                match = owner
        return match

    def _check_origin(self, request: Request) -> None:
        origin = request.headers.get("Origin")
        if request.method in SAFE_METHODS:
            return
        if origin is None:
            if request.headers.get("Sec-Fetch-Site", "").strip().lower() in FOREIGN_SITES:
                raise Forbidden("Another site may not send changes; this request comes from one, and has no Origin.")
            return
        if origin.lower() in self.origins or _is_own_origin(origin, request):
            return
        raise Forbidden(
            f"The Origin {origin[:200]!r} may not send changes: it is neither this host ({request.host}) nor "
            "in ASSISTANT_CORS_ORIGINS. Behind a proxy, apply werkzeug's ProxyFix so that the app knows its public "
            "host; for a front-end on another origin, add that origin to ASSISTANT_CORS_ORIGINS."
        )


def build_gate(
    app: Flask,
    *,
    authenticate: Authenticator | None,
    owner: str | None,
    api_keys: Mapping[str, str],
    origins: Sequence[str],
    namespace: str = FIRST,
) -> Gate:
    """Create the gate of one registration.

    Args:
        authenticate: the host's function, or None.
        owner: `ASSISTANT_OWNER`, used without a function.

    Raises:
        ConfigError: the owners are not configured, or the app lacks a requirement.
    """
    for name in api_keys.values():
        if problem := _problem(name):
            raise ConfigError(f"ASSISTANT_API_KEYS: an owner must be {problem}.")
    chosen = authenticate if authenticate is not None else _by_name(owner)
    if chosen is None and not api_keys:
        chosen = _default(app)
    if chosen is not None and not callable(chosen):
        raise ConfigError(
            f"authenticate must be a function that takes the request and returns the user's id, not {chosen!r}."
        )
    if isinstance(chosen, BuiltInAuthenticator):
        chosen.check(app)
    keys = tuple((_digest(key), name) for key, name in api_keys.items())
    return Gate(keys, chosen, tuple(origin.lower() for origin in origins), namespace, app)


def _by_name(owner: str | None) -> BuiltInAuthenticator | None:
    if owner is None:
        return None
    return session_owner if owner == "session" else shared_owner(owner.partition(":")[2].strip())


def _default(app: Flask) -> BuiltInAuthenticator:
    """Return the authenticator of an app that has configured none: one owner in debug and testing, else an error."""
    if app.debug or app.testing:
        return shared_owner("local")
    raise ConfigError(
        "The owner of a request is not configured. Choose one: authenticate=a function from the request to the "
        "logged-in user's id; authenticate=session_owner (each browser its own; ASSISTANT_OWNER=session); "
        "authenticate=shared_owner('name') (all clients share everything; ASSISTANT_OWNER=shared:NAME); or "
        "ASSISTANT_API_KEYS=key=owner. In debug and testing mode all clients are the owner 'local'."
    )


def _checked_owner(owner: object) -> str:
    """Check the result of a host's `authenticate`; the errors are for the host's log, not for the client."""
    if owner is None:
        raise Unauthorized("You are not logged in.")
    if isinstance(owner, Response):
        raise ConfigError("authenticate returned a response; return the user's id, or raise Unauthorized.")
    if isinstance(owner, (int, UUID)) and not isinstance(owner, bool):
        owner = str(owner)
    if not isinstance(owner, str):
        raise ConfigError(
            f"authenticate returned {type(owner).__name__}; return the user's id as text, a number or a UUID."
        )
    if problem := _problem(owner):
        raise ConfigError(f"authenticate returned an invalid owner: it must be {problem}.")
    return owner


def _problem(owner: str) -> str | None:
    """Return the requirement that an owner violates, or None."""
    if not owner or len(owner) > MAX_OWNER_CHARS:
        return f"1 to {MAX_OWNER_CHARS} characters long"
    if "\0" in owner or SEPARATOR in owner or any("\ud800" <= char <= "\udfff" for char in owner):
        return "free of NUL, U+001F and lone surrogates"
    return None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _is_own_origin(origin: str, request: Request) -> bool:
    """Return whether an Origin is this host's: its host, its port, and not http where the request came by https.

    Behind a proxy that ends TLS the app may see http, so https is accepted; ports are compared as the Origin's scheme
    has them.
    """
    origin = origin.lower()
    try:
        url, own = urlsplit(origin), urlsplit(f"//{request.host}")
        port, own_port = url.port, own.port
    except ValueError:
        return False
    default = DEFAULT_PORTS.get(url.scheme)
    if default is None or f"{url.scheme}://{url.netloc}" != origin or "@" in url.netloc or not url.hostname:
        return False
    if url.scheme == "http" and request.scheme == "https":
        return False
    return url.hostname == own.hostname and (port or default) == (own_port or default)


def _check_host(request: Request, app: Flask | None) -> None:
    """Reject a foreign host in debug mode, where all clients of this machine are one owner.

    A page elsewhere can let a name of its own lead to this machine; then the browser takes the app for its origin.
    """
    if app is None or not app.debug or app.config.get("TRUSTED_HOSTS") or is_local_name(request.host):
        return
    if request.host == app.config.get("SERVER_NAME"):
        return
    raise Forbidden(
        f"The host {request.host[:200]!r} is refused in debug mode, where all clients are one owner. Only addresses "
        "and local names are accepted: add it to app.config['TRUSTED_HOSTS'], or set authenticate."
    )


def is_local_name(host: str) -> bool:
    """Return whether no public name server can have a `Host` header's name: it is an address or a local name."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    return bool(name) and ("." not in name or name.endswith(LOCAL_ENDINGS) or _is_address(name))


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
