"""The offline engine's answer to a file search: a text that quotes passages and cites their files. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

MAX_QUOTES = 3
QUOTE_CHARS = 400
"""Longest quote; a shorter passage is quoted whole."""

_OPENING = "This is the **offline engine**: no model is connected, and nothing leaves this machine. The files say:"
_CLOSING = "That is what fits your words best. A model would read it and answer."

_COMMON_WORDS = """
a about after all also am an and any are as at be because been before but by can could did do does for from give had has
have he her here his how i if in into is it its know like many may me more much must my no not of on one or other our
out please say shall she should so some tell than thank thanks that the their them then there these they this those to
up us was we were what when where which who whom whose why will with would you your
"""
_COMMON = frozenset(_COMMON_WORDS.split())
"""English words without a topic. In a few short files they are as rare as any other word."""

_BREAK = re.compile(r"(?<=[.!?…]) +|(?<=[。！？])|\n+(?![a-zß-öø-ÿ])")
"""Between two sentences; also at a line end, unless the next line starts in lower case (as in PDFs)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A text and its annotations in order; the `index` of each is the character that follows it."""

    text: str
    citations: tuple[dict[str, Any], ...] = ()


def fitting(results: Sequence[dict[str, Any]], query: str) -> list[dict[str, Any]]:
    """Return the results to quote, best first.

    Each scores at least half of the best, differs from those before, and shares more with the query than words like
    "the".
    """
    quoted: dict[str, dict[str, Any]] = {}
    for result in results:
        if not _only_common(_words(result["text"]), _words(query)):
            best = next(iter(quoted.values()), result)
            if result["score"] * 2 >= best["score"]:
                quoted.setdefault(result["text"], result)
    return list(quoted.values())[:MAX_QUOTES]


def quoting(results: Sequence[dict[str, Any]], query: str) -> Answer:
    """Return an answer that quotes results, `file_id`, `filename`, `text` each; long ones around the query's words."""
    text, citations = _OPENING, list[dict[str, Any]]()
    for result in results:
        lines = excerpt(result["text"], query).splitlines()
        text += "\n\n" + "\n".join(f"> {line}".rstrip() for line in lines)
        cited = {"file_id": result["file_id"], "filename": result["filename"]}
        citations.append({"type": "file_citation", **cited, "index": len(text)})
    return Answer(f"{text}\n\n{_CLOSING}", tuple(citations))


def excerpt(text: str, query: str) -> str:
    """Return a passage; of a long one the sentences around the words of a query, with `…` at the cuts."""
    text = text.strip()
    if len(text) <= QUOTE_CHARS:
        return text
    bounds = sorted({0, *(match.end() for match in _BREAK.finditer(text)), len(text)})
    begin = end = _sentence([text[one:two] for one, two in pairwise(bounds)], query)
    while True:
        if end + 2 < len(bounds) and bounds[end + 2] - bounds[begin] <= QUOTE_CHARS:
            end += 1
        elif begin and bounds[end + 1] - bounds[begin - 1] <= QUOTE_CHARS:
            begin -= 1
        else:
            break
    shown = text[bounds[begin] : bounds[end + 1]].strip()
    return ("… " if begin else "") + shown + (" …" if end + 2 < len(bounds) else "")


def _sentence(sentences: Sequence[str], query: str) -> int:
    """Return the index of the sentence with most of the query's words; rare words count more."""
    query_words = _words(query)
    text_words = [_words(sentence) for sentence in sentences]
    matches = [{word for word in query_words if _among(word, words)} for words in text_words]
    frequency = Counter(word for words in matches for word in words)
    scores = [sum(1 / frequency[word] for word in words) for words in matches]
    return scores.index(max(scores))


def _words(text: str) -> set[str]:
    """Return the words of a text without case and accents."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return set(re.findall(r"\w+", plain.casefold()))


def _among(word: str, words: Iterable[str]) -> bool:
    """Return whether a word or another form of it is among `words`."""
    return word in words or any(_alike(word, other) for other in words)


def _alike(one: str, two: str) -> bool:
    """Return whether two words begin alike, so that they may be forms of one (`warranty`, `warranties`)."""
    short = min(len(one), len(two))
    same = max(3, short - 2)
    return short >= 3 and one[:same] == two[:same]


def _only_common(text_words: set[str], query_words: set[str]) -> bool:
    """Return whether a text matches only common words although the query has others."""
    matters = query_words - _COMMON
    if not matters or not text_words & query_words or not text_words & query_words <= _COMMON:
        return False
    return not any(_among(word, text_words - _COMMON) for word in matters)
