"""Bytes to text: by a byte order mark, by a declared label, as UTF-8, else by detection.

Labels mean what they mean in browsers (WHATWG's Encoding Standard): `iso-8859-1` is Windows-1252, `gb2312` is GB 18030.
A text whose encoding remains uncertain is rejected, because wrong characters would be stored and found by no word.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from .base import Notes, invalid

PIECE = 1 << 20
"""Bytes that are decoded at once."""
MIN_WIDE_BYTES = 16
SURE_CHARACTERS = 4
"""Valid UTF-8 with so many characters beyond ASCII is UTF-8, whatever it declares."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16's, hence before it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_OF_BROWSERS = {"hz-gb-2312": "hz", "iso-2022-kr": "iso2022_kr", "csiso2022kr": "iso2022_kr"}
_NOT_OF_BROWSERS |= {"utf-7": "utf-7", "unicode-1-1-utf-7": "utf-7", "gbk": "gb18030"}
"""Labels that browsers refuse for security, which a text that is only read does not need; and a decoder by its name."""
_OTHER_CODECS = re.compile(r"(cp|ibm)-?\d{3,4}|mac[-_]?[a-z]+|utf[-_]?32([-_]?[bl]e)?|iso[-_]8859[-_]\d+")
_ESCAPES = (
    ("iso2022_kr", re.compile(rb"\x1b\$\)C")),
    ("iso2022_jp_2", re.compile(rb"\x1b\$[@B(]")),
    ("hz", re.compile(rb"~\{(?:[!-w][!-~])+~\}")),
)
"""Encodings of seven bits and their escape sequences; they are also valid UTF-8."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_CUT = re.compile(rb"(?:[\xe0-\xef][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{1,2})\Z")
"""The end of a UTF-8 text that was cut within a character. A single byte may be a letter of another encoding."""


def _as_browsers(error: UnicodeError) -> tuple[str, int]:
    """Decode a byte that Windows leaves undefined as browsers do: below 0xA0 to a control character."""
    assert isinstance(error, UnicodeDecodeError)
    wrong = error.object[error.start : error.end]
    return "".join(chr(byte) if byte < 0xA0 else "\ufffd" for byte in wrong), error.end


codecs.register_error("flask_assistant_stream.as_browsers", _as_browsers)


def decoded(data: bytes, notes: Notes, *, label: str = "", whole: bool = True) -> Iterator[str]:
    """Yield the text of bytes; what cannot be decoded becomes U+FFFD and is counted in a note.

    Args:
        data: the bytes.
        notes: receives what is uncertain.
        label: the encoding that the file declares; ignored if it cannot be right.
        whole: whether the data is complete; if not, it may end within a character.

    Raises:
        RequestError: the bytes are not text, or their encoding is not recognised.
    """
    codec = _codec_of(data, notes, label, whole)
    for text in _pieces(data, codec, whole):
        _refuse_controls(text)
        yield text
    if bad := _quality(data, codec, whole)[0]:
        notes.add(f"The file has {bad} invalid {'byte' if bad == 1 else 'places'}, shown as \ufffd.")


def _refuse_controls(text: str) -> None:
    if len(_CONTROL.findall(text)) > len(text) // 200:
        raise invalid("The file is not text: it contains control characters.")


def marked(data: bytes) -> str:
    """Return the encoding of the byte order mark that data begins with, or ""."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), "")


def _wide(data: bytes) -> str:
    """Return UTF-16 if mostly every second byte is zero and no other one, as in Western text without a mark."""
    sample = data[: PIECE & ~1]
    for name, high, low in (("utf-16le", sample[1::2], sample[::2]), ("utf-16be", sample[::2], sample[1::2])):
        if len(sample) >= MIN_WIDE_BYTES and high.count(0) * 2 > len(high) and 0 not in low:
            return name
    return ""


def _codec_of(data: bytes, notes: Notes, label: str, whole: bool) -> codecs.CodecInfo:
    if name := marked(data) or _wide(data):
        bad, good = _quality(data, codecs.lookup(name), whole)
        if bad * 4 > good:
            raise invalid(f"The file begins as {name.removesuffix('-sig').upper()} but is not valid.")
        return codecs.lookup(name)
    utf_8 = codecs.lookup("utf-8")
    bad, good = _quality(data, utf_8, whole)
    declared = codec_by_label(label)
    if declared and declared.name != "utf-8":
        wrong, right = _quality(data, declared, whole)
        mislabelled = good and not bad and (wrong or good >= SURE_CHARACTERS or _is_single_byte(declared))
        if not mislabelled and (wrong <= 1 or wrong * 20 <= right):
            return declared
    escaped = next((name for name, pattern in _ESCAPES if pattern.search(data)), "")
    if escaped and not good and bad <= data.count(b"\n") // 10 + 1:
        return codecs.lookup(escaped)
    if bad * 4 <= good or (bad == 1 and _CUT.search(data)):
        return utf_8
    return _detected(data, notes, whole)


def codec_by_label(label: str) -> codecs.CodecInfo | None:
    """Return the codec that a browser uses for a label, or else Python's of that name; None if there is none."""
    from webencodings import lookup

    label = label.strip().lower()
    known = lookup(label)
    name = _NOT_OF_BROWSERS.get(label) or _NOT_OF_BROWSERS.get(known.name if known else "", "")
    try:
        if name:
            return codecs.lookup(name)
        if known and known.name != "replacement":
            codec: codecs.CodecInfo = known.codec_info
            return codec
        return codecs.lookup(label) if _OTHER_CODECS.fullmatch(label) else None
    except LookupError:
        return None


def _is_single_byte(codec: codecs.CodecInfo) -> bool:
    return not re.match(r"utf|gb|big5|cp9(32|49)|shift|euc|iso2022|hz|johab", codec.name.lower())


def _pieces(data: bytes, codec: codecs.CodecInfo, whole: bool) -> Iterator[str]:
    new_decoder = codec.incrementaldecoder
    assert new_decoder is not None  # all text codecs of Python have one
    decoder = new_decoder("flask_assistant_stream.as_browsers" if _is_single_byte(codec) else "replace")
    for start in range(0, max(len(data), 1), PIECE):
        yield decoder.decode(data[start : start + PIECE], whole and start + PIECE >= len(data))


def _quality(data: bytes, codec: codecs.CodecInfo, whole: bool) -> tuple[int, int]:
    """Return how many characters are wrong, and how many are right beyond ASCII, or of UTF-16 and UTF-32 at all."""
    if codec.name == "utf-8" and data.isascii():
        return 0, 0
    bad = good = 0
    for text in _pieces(data, codec, whole):
        wrong = text.count("\ufffd")
        bad += wrong
        good += len(text) - wrong
        if not codec.name.startswith(("utf-16", "utf-32")):
            good -= len(text.encode("ascii", "ignore"))
    meant = data.count(b"\xef\xbf\xbd") if codec.name == "utf-8" else 0
    return bad - meant, good + meant


def _detected(data: bytes, notes: Notes, whole: bool) -> codecs.CodecInfo:
    from .detection import detected

    _refuse_controls(data[:PIECE].decode("latin-1"))
    for name in detected(data):
        codec = codecs.lookup(name)
        bad, good = _quality(data, codec, whole)
        if bad * 50 <= good:
            notes.add(f"The file does not say its encoding; it was read as {name}.")
            return codec
    raise invalid("The encoding of the text is not recognised. Save the file as UTF-8 and upload it again.")
