"""PDF: the text of its pages, of their annotations, and the values of its form."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from .base import Clock, Notes, invalid, seekable
from .hyphens import joined

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

MAX_PAGE_BYTES = 8 * 1024 * 1024
MAX_PDF_SECONDS = 60.0
"""Limits of a PDF: the drawing commands of one page, and the time for all pages."""
MAX_ANNOTATIONS = 1000
"""Maximum that is read of a page."""
LOOK_EVERY = 256
"""Drawing commands between two looks at the clock."""

_NUMBERS = {"/Identity-H", "/Identity-V"}
_NOT_SHOWN = {"/Link", "/Popup", "/Widget"}


class _TakesTooLong(Exception):
    """A page is not finished in time."""


def read_pdf(content: BinaryIO, notes: Notes) -> Iterator[str]:
    """Yield the text of a PDF, page by page.

    A page that cannot be read is left out, with a note.
    """
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError

    _silence_pypdf()
    clock = Clock(MAX_PDF_SECONDS)
    try:
        reader = PdfReader(seekable(content))
        number_of_pages = len(reader.pages)
    except (DependencyError, FileNotDecryptedError, NotImplementedError):  # the last one: other kinds of encryption
        raise invalid("The PDF is encrypted. Save it without a password and upload it again.") from None
    tree: Any = reader.root_object["/Pages"]
    count: Any = tree.get("/Count")
    count = count and count.get_object()
    if isinstance(count, int) and count > number_of_pages:
        notes.add("Some pages of the PDF are damaged and missing.")
    yield from _text_of_pages(reader, number_of_pages, clock, notes)
    yield from _form(reader, notes)


def _text_of_pages(reader: PdfReader, number_of_pages: int, clock: Clock, notes: Notes) -> Iterator[str]:
    damaged, large, images, unknown = list[int](), list[int](), list[int](), list[int]()
    for number in range(1, number_of_pages + 1):
        try:
            page = reader.pages[number - 1]
            if _drawn_bytes(page) > MAX_PAGE_BYTES:
                large.append(number)
                continue
            text = "".join([_page_text(page, clock, number, notes), *_annotations(page)])
            if _has_unknown_font(page):
                unknown.append(number)
            if not text.strip() and _has_picture(page):
                images.append(number)
        except _TakesTooLong:
            missing = f"page {number} is" if number == number_of_pages else f"pages {number} to {number_of_pages} are"
            notes.add(f"The PDF takes too long to read: {missing} missing.")
            break
        except MemoryError:
            raise
        except Exception:  # pypdf documents no classes, least of all for damaged files
            damaged.append(number)
            continue
        yield joined(text) + "\n\n"
    problems = ((damaged, "damaged and missing"), (large, "too large to read"), (images, "without text"))
    for numbers, problem in (*problems, (unknown, "uncertain: a font does not say its characters")):
        if numbers and (numbers is not images or len(images) < number_of_pages):
            pages = f"Page {numbers[0]} is" if len(numbers) == 1 else f"Pages {_listed(numbers)} are"
            notes.add(f"{pages} {problem}." + (" They may be scanned." if numbers is images else ""))


def _drawn_bytes(page: PageObject) -> int:
    """Return the size of a page's commands.

    Raises:
        ValueError: the page names commands that are none.
    """
    drawn = page.get_contents()
    if drawn is None and page.get("/Contents") is not None:
        raise ValueError("no commands")
    return 0 if drawn is None else len(drawn.get_data())


def _page_text(page: PageObject, clock: Clock, number: int, notes: Notes) -> str:
    """Return the text of a page and of the forms that it draws.

    Raises:
        _TakesTooLong: the time is over, also within a page.
    """
    commands, late = 0, False
    begun: list[int] = []  # the commands before each open form

    def before(operator: bytes, *_: Any) -> None:
        nonlocal commands, late
        commands += 1
        if operator == b"Do":
            begun.append(commands)
        late = late or (commands % LOOK_EVERY == 1 and clock.is_over())
        if late:  # pypdf hides an error within a form, so each later command raises it again
            raise _TakesTooLong

    def after(operator: bytes, operands: Sequence[Any], *_: Any) -> None:
        # pypdf leaves out a form that it cannot read, without an error.
        if operator == b"Do" and begun.pop() == commands and operands and _draws_text(page, operands[0]):
            notes.add(f"A part of page {number} is damaged and missing.")

    text = page.extract_text(visitor_operand_before=before, visitor_operand_after=after)
    if late:
        raise _TakesTooLong
    return text


def _draws_text(page: PageObject, name: object) -> bool:
    """Return whether a page has a form of this name that has commands."""
    form = _pictures(page).get(name)
    form = form.get_object() if form is not None else {}
    return form.get("/Subtype") == "/Form" and form.get("/Length", 0) > 0


def _pictures(page: PageObject) -> dict[Any, Any]:
    resources = page.get("/Resources")
    pictures = resources.get_object().get("/XObject") if resources is not None else None
    return pictures.get_object() if pictures is not None else {}


def _has_picture(page: PageObject) -> bool:
    return any(picture.get_object().get("/Subtype") == "/Image" for picture in islice(_pictures(page).values(), 100))


def _has_unknown_font(page: PageObject) -> bool:
    resources: Any = page.get("/Resources")
    try:
        fonts = resources.get_object()["/Font"].values()
        return any(_has_no_characters(font.get_object()) for font in fonts)
    except (AttributeError, LookupError, TypeError):  # no fonts, or one that pypdf has understood anyway
        return False


def _has_no_characters(font: Any) -> bool:
    """Return whether the text of a font has only the numbers of its pictures; they are read as other characters."""
    if font.get("/Encoding") not in _NUMBERS or "/ToUnicode" in font:
        return False
    described = font["/DescendantFonts"][0].get_object()
    return bool(described["/CIDSystemInfo"]["/Ordering"] == "Identity")  # the numbers of other orderings are known


def _annotations(page: PageObject) -> Iterator[str]:
    """Yield the texts that readers or writers have put onto a page."""
    for each in islice(page.annotations or (), MAX_ANNOTATIONS):
        annotation = each.get_object()
        if hasattr(annotation, "get") and annotation.get("/Subtype") not in _NOT_SHOWN and annotation.get("/Contents"):
            yield f"\n{annotation['/Contents']}"


def _form(reader: PdfReader, notes: Notes) -> Iterator[str]:
    """Yield a line for each field that has a value: its label and its value."""
    root = reader.root_object
    if "/EmbeddedFiles" in (root.get("/Names") or {}):
        notes.add("Attached files are not read.")
    if "/AcroForm" not in root:
        return
    try:
        fields = reader.get_fields() or {}
    except MemoryError:
        raise
    except Exception:
        notes.add("The form of the PDF is damaged; its values are missing.")
        return
    filled = [(field.get("/TU") or name, _value(field.get("/V"))) for name, field in fields.items()]
    lines = [f"{label}: {value}\n" for label, value in filled if value]
    yield from lines
    if not lines and "/XFA" in root["/AcroForm"]:  # type: ignore[operator]
        notes.add("The PDF is an XFA form; what has been filled in is missing.")


def _value(value: Any) -> str:
    """Return what a field of a form shows; "" if it is empty or not chosen."""
    if value is None:
        return ""
    value = value.get_object() if hasattr(value, "get_object") else value
    if isinstance(value, list):
        return ", ".join(filter(None, map(_value, value)))
    text = value.get_data().decode("utf-8", "replace") if hasattr(value, "get_data") else str(value)
    return "" if text == "/Off" else text.removeprefix("/")


def _listed(numbers: list[int]) -> str:
    """Return numbers as words, at most twenty of them."""
    shown = [str(number) for number in numbers[:20]]
    if len(numbers) > len(shown):
        return ", ".join(shown) + f" and {len(numbers) - len(shown)} more"
    return ", ".join(shown[:-1]) + f" and {shown[-1]}"


def _silence_pypdf() -> None:
    """Keep pypdf's warnings about uploaded files out of the app's log, unless the app has set its level."""
    log = logging.getLogger("pypdf")
    if log.level == logging.NOTSET:
        log.setLevel(logging.CRITICAL)
