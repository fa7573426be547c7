"""The former home of `Storage`, which is in `storages.base`; this path keeps working."""

from ..storages.base import Storage, Upload

__all__ = ["Storage", "Upload"]
