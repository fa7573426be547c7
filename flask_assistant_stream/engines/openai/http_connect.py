"""Connections to one HTTP server: addresses, proxies, TLS, and a pool of idle ones.

The standard library connects, so gevent's patching makes it cooperative.
"""

from __future__ import annotations

import base64
import http.client
import os
import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi

from ...errors import ConfigError, EngineError
from ...per_process import PerProcess

MAX_IDLE = 128
IDLE_SECONDS = 45.0
_LOOPBACK = ("localhost", "::1")


class Broken(OSError):
    """The connection ended, or the response is not HTTP. The message names no address."""


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a base URL and a path."""

    secure: bool
    host: str
    port: int
    path: str
    query: str

    @classmethod
    def parse(cls, base_url: str, path: str) -> Address:
        """Parse a base URL such as `https://api.openai.com/v1` and append `path`.

        Raises:
            ConfigError: not http or https, no host, or a user and password in it.
        """
        try:
            parts = urlsplit(base_url.strip())
            port, host = parts.port, (parts.hostname or "").encode("idna").decode("ascii")
        except ValueError:
            raise ConfigError("The upstream's base URL cannot be read; give one like https://host/v1.") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ConfigError("The upstream's base URL must start with http:// or https:// and name a host.")
        if parts.username is not None or parts.password is not None:
            raise ConfigError("The upstream's base URL must not hold a user or password; use the key or a header.")
        if any(c <= " " or c > "~" for c in host + parts.path + parts.query):
            raise ConfigError("The upstream's base URL must be ASCII without spaces; percent-encode the rest.")
        secure = parts.scheme == "https"
        return cls(secure, host, port or (443 if secure else 80), parts.path.rstrip("/") + path, parts.query)

    @property
    def authority(self) -> str:
        """The `Host` header, with the port unless it is the scheme's default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """Path and query for the request line."""
        return (self.path or "/") + (f"?{self.query}" if self.query else "")

    @property
    def url(self) -> str:
        """The whole URL, query included."""
        return f"{'https' if self.secure else 'http'}://{self.authority}{self.target}"


@dataclass(frozen=True, slots=True)
class HTTPConnection:
    """One open socket and how requests on it start.

    Attributes:
        target: the request target: a path, or the whole URL if a proxy forwards plain HTTP.
        proxy_headers: headers for that proxy.
        reused: it carried a response before, so the server may have closed it meanwhile.
    """

    sock: socket.socket
    target: str
    proxy_headers: dict[str, str]
    reused: bool = False


class ConnectionPool:
    """Opens connections to an address and keeps idle ones per process (sockets do not survive a fork)."""

    def __init__(self, address: Address, connect_timeout: float) -> None:
        self.address = address
        self._timeout = connect_timeout
        # Dropping a socket closes this process's copy, not the parent's connection.
        self._idle: PerProcess[deque[tuple[float, HTTPConnection]]] = PerProcess(deque, drop_inherited=True)
        self._tls = PerProcess(_tls_context, drop_inherited=True)

    def take(self) -> HTTPConnection | None:
        """Return the most recently used idle connection, or None."""
        oldest, idle = time.monotonic() - IDLE_SECONDS, self._idle.get()
        while idle:
            try:
                since, connection = idle.pop()
            except IndexError:  # another thread took it
                break
            if since > oldest:
                return connection
            connection.sock.close()
        return None

    def give(self, connection: HTTPConnection) -> None:
        """Keep a connection whose last response was read to its end."""
        idle = self._idle.get()
        if len(idle) >= MAX_IDLE:
            connection.sock.close()
            return
        used = HTTPConnection(connection.sock, connection.target, connection.proxy_headers, reused=True)
        idle.append((time.monotonic(), used))

    def close(self) -> None:
        """Close the idle connections."""
        idle = self._idle.get()
        while idle:
            idle.pop()[1].sock.close()

    def open(self) -> HTTPConnection:
        """Open a connection, through the proxy that the environment names for this host.

        Raises:
            OSError: refused, timed out, unknown host, TLS failure, proxy failure.
            EngineError: the kind of proxy is not supported.
        """
        proxy = _proxy(self.address)
        first = self.address if proxy is None else proxy.address
        http_connection = self._http_connection(first.host, first.port)
        target, headers = self.address.target, {}
        if proxy is not None and self.address.secure:
            http_connection.set_tunnel(self.address.host, self.address.port, headers=proxy.headers)
        elif proxy is not None:
            target, headers = self.address.url, proxy.headers
        try:
            http_connection.connect()
        except http.client.HTTPException:
            http_connection.close()
            raise ConnectionError("the proxy's response is not HTTP") from None
        except BaseException:
            http_connection.close()
            raise
        http_connection.sock.settimeout(None)
        return HTTPConnection(http_connection.sock, target, headers)

    def _http_connection(self, host: str, port: int) -> http.client.HTTPConnection:
        if not self.address.secure:
            return http.client.HTTPConnection(host, port, timeout=self._timeout)
        return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._tls.get())


def _tls_context() -> ssl.SSLContext:
    """Trust the authorities of SSL_CERT_FILE or SSL_CERT_DIR, else those of certifi."""
    named = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    context = ssl.create_default_context(cafile=None if named else certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(frozen=True, slots=True)
class _Proxy:
    address: Address
    headers: dict[str, str]


def _proxy(address: Address) -> _Proxy | None:
    """Return the proxy for an address; loopback has none."""
    if address.host in _LOOPBACK or address.host.startswith("127.") or proxy_bypass(address.authority):
        return None
    proxies = getproxies()
    url = proxies.get("https" if address.secure else "http") or proxies.get("all")
    if not url:
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise EngineError(
            "The upstream cannot be reached.",
            detail="The proxy that the environment names cannot be used: only http:// proxies can. "
            "Set HTTPS_PROXY or HTTP_PROXY to one, or NO_PROXY for this host.",
        )
    return _Proxy(Address(False, parts.hostname, parts.port or 80, "", ""), _proxy_headers(parts))


def _proxy_headers(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair).decode("ascii")}
