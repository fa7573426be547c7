"""What the offline engine makes of a file search: an answer that quotes passages and cites their files.

Pure: results of a search in, text and annotations out. It knows no item and no store.
"""

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
"""How long a quote becomes; a shorter passage is quoted whole."""

_OPENING = "This is the **offline engine**: no model is connected, and nothing leaves this machine. The files say:"
_CLOSING = "That is what fits your words best. A model would read it and answer."

_BREAK = re.compile(r"(?<=[.!?…]) +|(?<=[。！？])|\n+(?![a-zß-öø-ÿ])")
"""Between two sentences: also at a line's end, unless the next line goes on in lower case, as lines of a PDF do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A text and its annotations; each has the `index` of the character that it stands before, in order."""

    text: str
    citations: tuple[dict[str, Any], ...] = ()


def quoting(results: Sequence[dict[str, Any]], query: str) -> Answer:
    """Answer with the best results.

    Args:
        results: the best first; `file_id`, `filename`, `score`, `text` each.
        query: the words that were searched; a long passage is quoted around them.
    """
    text, citations = _OPENING, list[dict[str, Any]]()
    for result in _best(results):
        lines = excerpt(result["text"], query).splitlines()
        text += "\n\n" + "\n".join(f"> {line}".rstrip() for line in lines)
        cited = {"file_id": result["file_id"], "filename": result["filename"]}
        citations.append({"type": "file_citation", **cited, "index": len(text)})
    return Answer(f"{text}\n\n{_CLOSING}", tuple(citations))


def _best(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first of the results, and those after it that fit at least half as well and say something else."""
    found: dict[str, dict[str, Any]] = {}
    for result in results:
        if result["score"] * 2 >= results[0]["score"]:
            found.setdefault(result["text"], result)
    return list(found.values())[:MAX_QUOTES]


def excerpt(text: str, query: str) -> str:
    """Return a passage, or of a long one the sentences around the words of a query, `…` where it goes on."""
    text = text.strip()
    if len(text) <= QUOTE_CHARS:
        return text
    bounds = sorted({0, *(found.end() for found in _BREAK.finditer(text)), len(text)})
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
    """Return the number of the sentence that has most of the query's words, rare ones counting more."""
    asked = _words(query)
    said = [_words(sentence) for sentence in sentences]
    held = [{word for word in asked if _among(word, words)} for words in said]
    often = Counter(word for words in held for word in words)
    scores = [sum(1 / often[word] for word in words) for words in held]
    return scores.index(max(scores))


def _words(text: str) -> set[str]:
    """Return the words of a text without case and accents."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return set(re.findall(r"\w+", plain.casefold()))


def _among(word: str, words: Iterable[str]) -> bool:
    """Say whether a word or another form of it is among `words`: a longer one that begins like it."""
    return word in words or (len(word) > 3 and any(other.startswith(word) for other in words))
