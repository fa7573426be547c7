"""PDF: the text of its pages."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import BinaryIO

from .base import invalid

MAX_PAGE_BYTES = 8 * 1024 * 1024
MAX_PDF_SECONDS = 120.0
"""Limits of a PDF: the drawing commands of one page, and the time for all pages."""


def read_pdf(content: BinaryIO) -> Iterator[str]:
    """Yield the text of each page."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError

    _silence_pypdf()
    until = time.monotonic() + MAX_PDF_SECONDS
    try:
        for page in PdfReader(content).pages:
            drawn = page.get_contents()
            if drawn is not None and len(drawn.get_data()) > MAX_PAGE_BYTES:
                raise invalid("The PDF has a page that is too large to read.")
            yield page.extract_text() + "\n\n"
            if time.monotonic() > until:
                raise invalid("The PDF takes too long to read.")
    except (DependencyError, FileNotDecryptedError):
        raise invalid("The PDF is encrypted. Save it without a password and upload it again.") from None


def _silence_pypdf() -> None:
    """Keep pypdf's warnings about uploaded files out of the app's log, unless the app has set its level."""
    log = logging.getLogger("pypdf")
    if log.level == logging.NOTSET:
        log.setLevel(logging.CRITICAL)
