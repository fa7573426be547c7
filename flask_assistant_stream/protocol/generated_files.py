"""A file that a tool of the upstream has made, and where its bytes are. Fetching them is others' affair."""

from __future__ import annotations

from dataclasses import dataclass

IMAGE_ENDINGS = frozenset({"png", "jpg", "jpeg", "gif", "webp"})
"""What an `image_file` may be (OpenAPI `MessageContentImageFileObject`: the types that vision takes)."""


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """A file that an event mentions; its bytes are in a container, in `data` or at `url`.

    Attributes:
        file_id: the id that clients were told.
        filename: as the upstream says it, or a name made for it: to be made safe by whoever stores it.
        container_id: the container of the code interpreter that has it, or None.
        upstream_id: its id there.
        data: a `data:` URL or plain base64, or None.
        url: where it can be fetched, or None.
    """

    file_id: str
    filename: str
    container_id: str | None = None
    upstream_id: str | None = None
    data: str | None = None
    url: str | None = None


def is_image(filename: str) -> bool:
    """Say whether a browser shows the file as an image, by the ending of its name."""
    return ending(filename) in IMAGE_ENDINGS


def ending(filename: str) -> str:
    """Return what follows the last dot of a name, in lower case."""
    return filename.rpartition(".")[2].lower() if "." in filename else ""


def image_ending(url: str) -> str:
    """Return the ending that the name of an image gets, by its URL: `data:image/…` or the name at its end."""
    if url.startswith("data:"):
        found = url[5:].partition(";")[0].partition(",")[0].partition("/")[2].lower()
    else:
        found = ending(url.partition("?")[0].rpartition("/")[2])
    return found if found in IMAGE_ENDINGS else "png"
