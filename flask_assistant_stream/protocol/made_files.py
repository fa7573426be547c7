"""A file that a tool of the upstream has made, and where its bytes are. Fetching them is others' affair."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MadeFile:
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
