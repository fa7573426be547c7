"""XML as a stream of events, without a tree: memory does not depend on the document, nor does depth matter.

Entities are neither expanded nor loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol
from xml.parsers import expat


class XmlWalker(Protocol):
    """Receives elements by local name. Attributes have local names too, except `r:id` and others of relationships."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Receive the start of an element."""

    def end(self, name: str) -> None:
        """Receive the end of an element."""

    def data(self, text: str) -> None:
        """Receive text."""

    def taken(self) -> str:
        """Return the text since the last call."""


class SilentWalker:
    """A walker that yields no text: the base of those that collect something else."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Ignore the start of an element."""

    def end(self, name: str) -> None:
        """Ignore the end of an element."""

    def data(self, text: str) -> None:
        """Ignore text."""

    def taken(self) -> str:
        """Return no text."""
        return ""


def walked(pieces: Iterable[bytes], walker: XmlWalker) -> Iterator[str]:
    """Feed XML to a walker and yield what it takes.

    Raises:
        ValueError: the XML is not well-formed.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    receivers = {
        "StartElement": lambda name, attributes: walker.start(_local(name), _named(attributes)),
        "EndElement": lambda name: walker.end(_local(name)),
        "CharacterData": walker.data,
        "Default": lambda _: None,  # its presence keeps entities as they are
    }
    for event, receive in receivers.items():
        setattr(parser, f"{event}Handler", receive)
    try:
        for piece in pieces:
            parser.Parse(piece, False)
            yield walker.taken()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        yield walker.taken()
        raise ValueError(f"not well-formed: {error}") from error
    yield walker.taken()


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _named(attributes: dict[str, str]) -> dict[str, str]:
    """Return attributes by local name; `r:id` stays apart from `id`."""
    named = {}
    for name, value in attributes.items():
        namespace, _, local = name.rpartition(" ")
        named[f"r:{local}" if namespace.endswith("/relationships") else local] = value
    return named
