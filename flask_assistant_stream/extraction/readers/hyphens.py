"""Words that were cut at the end of a line. Pure."""

from __future__ import annotations

import re

_CUT = re.compile(r"([^\W_]*[^\W\d_])([-\u2010\u00ad])[ \t]*\n[ \t]*([^\W\d_][^\W_]*)")
_COMPOUND = re.compile(r"[^\W_]+[-\u2010][^\W_]+(?:[-\u2010][^\W_]+)*")
_WORD = re.compile(r"[^\W_]+")
_FIRST_PARTS = {"self", "well"}
"""They begin compounds, and hardly any longer word is cut behind them."""
_CONJUNCTIONS = {"and", "or", "to", "und", "oder", "bis", "et", "ou", "y", "o", "e", "og", "och", "en", "of", "i", "a"}


def joined(text: str) -> str:
    """Return a text with words in one piece: `infor-` and `mation` of the next line become `information`.

    A hyphen stays if the text has the word with it elsewhere (and not without), before a capital (`Baden-Württemberg`),
    behind `well` and `self`, and where a part is left out (`Ein- und Ausgang`).
    """
    if not _CUT.search(text):
        return text
    rest = _CUT.sub(" ", text).lower()
    compounds, words = set(_COMPOUND.findall(rest)), set(_WORD.findall(rest))

    def join(match: re.Match[str]) -> str:
        left, hyphen, right = match.groups()
        whole, compound = (left + right).lower(), f"{left}-{right}".lower()
        if hyphen == "\u00ad" or whole in words:
            return left + right
        if right.lower() in _CONJUNCTIONS:
            return f"{left}- {right}"
        capital = right[0].isupper() and not (left.isupper() and len(left) > 1)
        if compound in compounds or left.lower() in _FIRST_PARTS or capital:
            return f"{left}-{right}"
        return left + right

    return _CUT.sub(join, text)
