"""The encoding of bytes that are neither UTF-8 nor declared, or none: `chardet`'s candidates that make sense as text.

chardet always guesses. For short texts its guess may be of another script; such a guess mixes scripts within words,
is Japanese without kana, or is hardly better than the next one.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from operator import ne

SAMPLE_BYTES = 100_000
"""What is looked at, from the first byte on that is not ASCII."""
READ_CHARACTERS = 5000

MIN_CONFIDENCE, MIN_LEAD = 0.04, 1.2
SHORT, MIN_SHORT_CONFIDENCE, MIN_SHORT_LEAD = 12, 0.08, 1.6
"""chardet's confidence in a guess, and how many times that in the next one; higher for samples with fewer bytes
beyond ASCII than `SHORT`. Measured with names of places, languages and currencies of ten other scripts: of twelve names
in a row 1 % are rejected and none is read wrongly; of single names 30 % are rejected and 1 % read wrongly."""
PARTS, LONG = 3, 40
"""Parts of a text that are looked at, and the bytes beyond ASCII that each has."""
MIN_WESTERN_LEAD = 1.2
"""The lead over Windows-1252 in Latin text; of twelve names in ten languages 2 % are read wrongly."""
MAX_ODDNESS, MAX_WESTERN_ODDNESS = 0.15, 0.4

_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_ASCII = re.compile(rb"[\x00-\x7f]{24,}")
_RUN = re.compile(rb"[\x80-\xff]+")
_OUT_OF_USE = re.compile(r"utf|iso-?8859-(?!2$)")
"""Of these encodings only ISO-8859-2 is still met, beside those of Windows; UTF is tried before."""
_WITHIN_WORDS = "’·‐‑–'”“"
_CASED = "LATIN", "GREEK", "CYRILLIC"


@dataclass(frozen=True, slots=True)
class _Guess:
    """A codec that makes sense of the sample, and how sure chardet is of it."""

    confidence: float
    name: str
    text: str


def detected(data: bytes) -> list[str]:
    """Return the names of codecs, the most likely one first; none if it is uncertain.

    chardet excludes an encoding at its first wrong byte, so the parts of a long text have the word before the whole.
    """
    parts = Counter(names[0] for part in _parts(data) if (names := _detected(part)))
    agreed = [name for name, votes in parts.items() if votes >= PARTS - 1]
    return [*agreed, *(name for name in _detected(data) if name not in agreed)]


def _parts(data: bytes) -> list[bytes]:
    """Return parts of the sample, cut between lines; none if they would be short."""
    first = _BEYOND_ASCII.search(data)
    start = max(first.start() - 40, 0) if first else 0
    lines = [line for line in data[start : start + SAMPLE_BYTES].splitlines(keepends=True) if not line.isascii()]
    size = -(-len(lines) // PARTS)
    parts = [b"".join(lines[place : place + size]) for place in range(0, len(lines), max(size, 1))]
    return parts if len(parts) == PARTS and all(len(_BEYOND_ASCII.findall(part)) >= LONG for part in parts) else []


def _detected(data: bytes) -> list[str]:
    from chardet import EncodingEra, detect_all

    sample, western = _sample(data)
    guesses: list[_Guess] = []
    eras = EncodingEra.MODERN_WEB | EncodingEra.LEGACY_ISO
    for guess in detect_all(sample, ignore_threshold=True, encoding_era=eras):
        name = (guess["encoding"] or "utf-8").lower()
        text = "" if _OUT_OF_USE.match(name) else _text(sample, name)
        if text and _makes_sense(text, guess["language"] or "", name):
            guesses.append(_Guess(guess["confidence"], name, text))
    return _western(guesses, sample) if western else _certain(guesses, sample)


def _sample(data: bytes) -> tuple[bytes, bool]:
    """Return the bytes around those beyond ASCII, and whether they are Western.

    In Latin text the ASCII letters of a line tell the language; in other scripts ASCII is markup that hides them.
    """
    first = _BEYOND_ASCII.search(data)
    start = max(first.start() - 40, 0) if first else 0
    sample = data[start : start + SAMPLE_BYTES]
    dense = _ASCII.sub(lambda run: run[0][:8] + b" " + run[0][-8:], sample)
    if not _is_western(dense):
        return dense, False
    return b"\n".join(line for line in sample.split(b"\n") if not line.isascii()), True


def _text(sample: bytes, name: str) -> str:
    """Return the decoded sample, or "" if it is not of this encoding; its end may be within a character."""
    decoder = codecs.getincrementaldecoder(name)("replace")
    text = decoder.decode(sample)
    return text if text.count("\ufffd") * 50 <= len(text) else ""


def _is_western(sample: bytes) -> bool:
    """Return whether the sample is Latin text with single accents, so that a wrong guess changes few letters."""
    runs = _RUN.findall(sample)
    long = sum(len(run) > 2 for run in runs)
    few = sum(map(len, runs)) * 3 <= len(sample) and long * 5 <= len(runs)
    return few or len({*b"".join(runs)}) == 1


def _western(guesses: list[_Guess], sample: bytes) -> list[str]:
    """Return Windows-1252 unless another guess leads clearly: it is the encoding of nearly all such files."""
    usual = next((guess.confidence for guess in guesses if guess.name == "windows-1252"), MIN_CONFIDENCE)
    leading = [guess.name for guess in guesses[:1] if guess.confidence >= MIN_WESTERN_LEAD * usual]
    text = sample[:READ_CHARACTERS].decode("windows-1252", "replace")
    undefined = text.count("\ufffd")
    of_dos = undefined > 1 and undefined * 20 > len(_BEYOND_ASCII.findall(sample[:READ_CHARACTERS]))
    return leading if of_dos or _oddness(text) > MAX_WESTERN_ODDNESS else [*leading, "windows-1252"]


def _certain(guesses: list[_Guess], sample: bytes) -> list[str]:
    short = len(_BEYOND_ASCII.findall(sample)) < SHORT
    enough, lead = (MIN_SHORT_CONFIDENCE, MIN_SHORT_LEAD) if short else (MIN_CONFIDENCE, MIN_LEAD)
    if not guesses or guesses[0].confidence < enough:
        return []
    rivals = [guess.confidence for guess in guesses[1:] if not _alike(guess.text, guesses[0].text)]
    return [guesses[0].name] if guesses[0].confidence >= lead * max(rivals, default=0) else []


def _alike(one: str, other: str) -> bool:
    """Return whether two texts are the same but for a few letters, as those of KOI8-R and KOI8-U."""
    different = sum(map(ne, one, other))
    return len(one) == len(other) and different * 5 <= sum(not character.isascii() for character in one)


def _makes_sense(text: str, language: str, name: str) -> bool:
    scripts = Counter(map(_script, text[:READ_CHARACTERS]))
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    if scripts["NONE"]:
        return False
    if language == "ko":
        return scripts["CJK"] * 4 <= scripts["HANGUL"]
    if language == "ja":
        return kana > 0 or scripts["CJK"] < 4
    if name.startswith(("gb", "big5")):
        return kana + scripts["HANGUL"] + scripts["SYMBOL"] <= scripts["CJK"]
    return _oddness(text[:READ_CHARACTERS]) <= MAX_ODDNESS


@lru_cache(maxsize=1 << 14)
def _script(character: str) -> str:
    """Return the first word of a letter's name, such as CYRILLIC; "" for ASCII."""
    if character.isascii():
        return "LATIN" if character.isalpha() else ""
    category = unicodedata.category(character)
    if category in ("Cc", "Cn", "Co"):
        return "NONE"
    return re.split("[ -]", unicodedata.name(character, "NONE"))[0] if category[0] in "LM" else "SYMBOL"


def _oddness(text: str) -> float:
    """Return the share of characters beyond ASCII that no word has in their place."""
    scripts = ["", *map(_script, text), ""]
    odd = beyond = 0
    for place, character in enumerate(text):
        if character.isascii():
            continue
        beyond += 1
        before, own, after = scripts[place : place + 3]
        if own == "SYMBOL":
            odd += before not in ("", own) and after not in ("", own) and character not in _WITHIN_WORDS
        else:
            mixed = {before, after} - {"", "SYMBOL", own}
            odd += bool(mixed) or (character.isupper() and own in _CASED and text[place - 1 : place].islower())
    return odd / max(beyond, 1)
