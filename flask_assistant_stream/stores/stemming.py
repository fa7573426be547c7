"""The stem of an English word, so that `files` finds `file`: Porter's algorithm, from the Snowball project.

It rarely changes words of other languages, and then the same way in queries and texts.
"""

from __future__ import annotations

from functools import lru_cache

from snowballstemmer.porter_stemmer import PorterStemmer


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """Return the stem of a word; a word that is not three or more letters a to z is returned unchanged."""
    if len(word) < 3 or not (word.isascii() and word.isalpha()):
        return word
    stemmed: str = PorterStemmer().stemWord(word)  # a stemmer has state, so each call needs its own
    return stemmed
