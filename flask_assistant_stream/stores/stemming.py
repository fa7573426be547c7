"""The stem of an English word after M. F. Porter (1980), so that `files` finds `file`. Pure.

Words of other languages mostly stay as they are; what is cut off them is cut off in queries and texts alike.
"""

from __future__ import annotations

import re
from functools import lru_cache

Endings = tuple[tuple[str, str], ...]

_PLURALS: Endings = (("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", ""))
_DERIVED: Endings = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("logi", "log"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
)
_QUALITIES: Endings = (
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
)
# An ending that is the end of another stands behind it.
_REST = [
    "al",
    "ance",
    "ence",
    "er",
    "ic",
    "able",
    "ible",
    "ant",
    "ement",
    "ment",
    "ent",
    "sion",
    "tion",
    "ou",
    "ism",
    "ate",
    "iti",
    "ous",
    "ive",
    "ize",
]
_CONSONANT_Y = re.compile(r"(?:^|(?<=[aeiou]))y")
_SYLLABLE = re.compile(r"[aeiouy]+[^aeiouy]+")


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """Return a word's stem; one that is not of at least three letters a to z stays as it is."""
    if len(word) < 3 or not (word.isascii() and word.isalpha()):
        return word
    word = _replaced(word, _PLURALS, -1)
    word = _without_tense(word)
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = f"{word[:-1]}i"
    word = _replaced(word, _DERIVED, 0)
    word = _replaced(word, _QUALITIES, 0)
    return _without_final_e(_without_rest(word))


def _replaced(word: str, endings: Endings, above: int) -> str:
    """Replace the first ending that the word has, if more than so many syllables stand before it."""
    for ending, by in endings:
        if word.endswith(ending):
            before = word[: -len(ending)]
            return before + by if above < 0 or _syllables(before) > above else word
    return word


def _without_tense(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _syllables(word[:-3]) else word
    for ending in ("ed", "ing"):
        before = word.removesuffix(ending)
        if before != word and _has_vowel(before):
            return _mended(before)
    return word


def _mended(word: str) -> str:
    """Give back what a tense has taken from a word's end."""
    if word.endswith(("at", "bl", "iz")):
        return f"{word}e"
    if _doubled(word) and word[-1] not in "lsz":
        return word[:-1]
    return f"{word}e" if _syllables(word) == 1 and _short(word) else word


def _without_rest(word: str) -> str:
    for ending in _REST:
        if word.endswith(ending):
            before = word[: -len("ion")] if ending in ("sion", "tion") else word[: -len(ending)]
            return before if _syllables(before) > 1 else word
    return word


def _without_final_e(word: str) -> str:
    if word.endswith("e"):
        before = word[:-1]
        if _syllables(before) > 1 or (_syllables(before) == 1 and not _short(before)):
            word = before
    return word[:-1] if word.endswith("ll") and _syllables(word) > 1 else word


def _letters(word: str) -> str:
    """Return the word with each `y` that is a consonant as `j`."""
    return _CONSONANT_Y.sub("j", word) if "y" in word else word


def _syllables(word: str) -> int:
    """Count how often consonants follow vowels."""
    return len(_SYLLABLE.findall(_letters(word)))


def _has_vowel(word: str) -> bool:
    return re.search("[aeiouy]", _letters(word)) is not None


def _doubled(word: str) -> bool:
    return len(word) > 1 and word[-1] == word[-2] and word[-1] not in "aeiou"


def _short(word: str) -> bool:
    """Say whether it ends like `hop`: consonant, vowel, consonant other than w, x, y."""
    return re.search("[^aeiouy][aeiouy][^aeiouywx]$", _letters(word)) is not None and not word.endswith("y")
