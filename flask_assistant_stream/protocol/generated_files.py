"""A file that a tool of the upstream has generated, and the place of its bytes. This module fetches nothing."""

from __future__ import annotations

from dataclasses import dataclass

IMAGE_ENDINGS = frozenset({"png", "jpg", "jpeg", "gif", "webp"})
"""File types of an `image_file`: those that vision accepts (OpenAPI `MessageContentImageFileObject`)."""


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """A file in an event. Its bytes are in a container, in `data` or at `url`.

    Attributes:
        file_id: the id that clients see.
        filename: the upstream's name or a generated one. The code that stores the file makes it safe.
        container_id: its container of the code interpreter, or None.
        upstream_id: its id there.
        data: a `data:` URL or plain base64, or None.
    """

    file_id: str
    filename: str
    container_id: str | None = None
    upstream_id: str | None = None
    data: str | None = None
    url: str | None = None


def is_image(filename: str) -> bool:
    """Return whether browsers show the file as an image, by the ending of its name."""
    return ending(filename) in IMAGE_ENDINGS


def ending(filename: str) -> str:
    """Return the text after the last dot of a name, in lower case."""
    return filename.rpartition(".")[2].lower() if "." in filename else ""


def image_ending(url: str) -> str:
    """Return the ending for the name of an image, by its URL: `data:image/…` or the last part of the path."""
    if url.startswith("data:"):
        suffix = url[5:].partition(";")[0].partition(",")[0].partition("/")[2].lower()
    else:
        suffix = ending(url.partition("?")[0].rpartition("/")[2])
    return suffix if suffix in IMAGE_ENDINGS else "png"
