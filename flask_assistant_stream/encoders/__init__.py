"""Stream formats: an encoder turns numbered events into bytes. Hosts add their own with `register_encoder`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..errors import ConfigError
from .base import Encoder, Position, StatefulEncoder, StreamStart
from .ndjson import NDJSONEncoder
from .sse import SSEEncoder

__all__ = ["Encoder", "Position", "StatefulEncoder", "StreamStart", "formats", "media_types", "register_encoder"]

_formats: dict[str, type[Encoder]] = {}


def register_encoder(encoder: type[Encoder]) -> type[Encoder]:
    """A decorator: offer a format by its name and unclaimed media type; ConfigError if the name is taken."""
    if _formats.setdefault(encoder.name, encoder) is not encoder:
        raise ConfigError(f"A stream format {encoder.name!r} is registered already. Give yours another `name`.")
    return encoder


def formats() -> Mapping[str, type[Encoder]]:
    """Return the formats by name, in order of their registration; the first is the default."""
    return MappingProxyType(_formats)


def media_types() -> Mapping[str, type[Encoder]]:
    """Return the format that `Accept` selects for each media type: the first that claims it."""
    claimed: dict[str, type[Encoder]] = {}
    for encoder in _formats.values():
        if encoder.media_type:
            claimed.setdefault(encoder.media_type, encoder)
    return claimed


register_encoder(NDJSONEncoder)
register_encoder(SSEEncoder)
