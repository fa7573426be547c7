"""The stem of an English word, so that `files` finds `file`: Porter's algorithm, from the Snowball project.

Words of other languages mostly stay as they are; what is cut off them is cut off in queries and texts alike.
"""

from __future__ import annotations

from functools import lru_cache

from snowballstemmer.porter_stemmer import PorterStemmer


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """Return a word's stem; one that is not of at least three letters a to z stays as it is."""
    if len(word) < 3 or not (word.isascii() and word.isalpha()):
        return word
    stemmed: str = PorterStemmer().stemWord(word)  # its own: one holds the word that it is at
    return stemmed
