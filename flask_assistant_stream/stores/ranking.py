"""The words of a text and the score of a passage: the search that all stores share, so that they find the same. Pure.

A store keeps the words of each passage and finds the passages with one word. Only the searched files count: the
content of other files in the database does not change a score.
"""

from __future__ import annotations

import heapq
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Protocol, TypeVar

from .capabilities import FoundPassage
from .stemming import stem

T = TypeVar("T")
Compute = Callable[..., Any]

QUERY_CHARACTERS = 16_384
"""What is read of a query, half at its beginning and half at its end: a question is before or behind a quotation."""
QUERY_WORDS = 256
"""The most different words of a query that are looked up, half of them the last ones."""
SCORED_WORDS = 64
"""The most words that passages are scored by: the rarest ones that any passage has."""
CANDIDATES = 500
"""The most passages that are scored; of more matches those with the most and rarest words."""
WORD_CHARACTERS = 64
SATURATION, LENGTH_SHARE = 1.2, 0.75
"""BM25's k1 and b."""

# Scripts without spaces (Thai, Lao, Burmese, Khmer, kana, Han), and Hangul, whose words have endings.
_UNSPACED = (
    "\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u1049\u1050-\u109f\u1780-\u17d3\u3005\u3041-\u3096\u309d-\u309f\u30a1-\u30fa"
    "\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003fffd"
)
_INDIC = "\u0900-\u0963\u0966-\u0dff"  # vowel signs are marks, which `\w` excludes
_WORD = re.compile(f"[{_UNSPACED}]+|[^\\W_{_UNSPACED}](?:[^\\W_{_UNSPACED}]|[{_INDIC}])*")
_ASCII_WORD = re.compile("[a-z0-9]+")
_FIRST_UNSPACED = re.compile(f"[{_UNSPACED}]")
_ACCENTS = re.compile(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670]"
)


def words(text: str) -> list[str]:
    """Return the words of a text in order, without case, accents and endings.

    In scripts without spaces each character and each pair of neighbours is a word.
    """
    plain = _plain(text)
    if plain.isascii():  # the same result, much faster
        return [stem(run[:WORD_CHARACTERS]) for run in _ASCII_WORD.findall(plain)]
    return [word for run in _WORD.findall(plain) for word in _as_words(run)]


def query_words(query: str) -> list[str]:
    """Return the different words to look up; in scripts without spaces only the pairs, if there are any."""
    half = QUERY_CHARACTERS // 2
    ends = query if len(query) <= QUERY_CHARACTERS else f"{query[:half]} {query[-half:]}"
    wanted: dict[str, None] = {}
    for run in _WORD.findall(_plain(ends)):
        only_pairs = len(run) > 1 and _FIRST_UNSPACED.match(run)
        wanted |= dict.fromkeys(_pairs(run) if only_pairs else _as_words(run))
    listed = [*wanted]
    if len(listed) > QUERY_WORDS:
        listed[QUERY_WORDS // 2 : -QUERY_WORDS // 2] = []
    return listed


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFC", _ACCENTS.sub("", apart))


def _as_words(run: str) -> Iterable[str]:
    if _FIRST_UNSPACED.match(run):
        return [*run, *_pairs(run)]
    return (stem(run[:WORD_CHARACTERS]),)


def _pairs(run: str) -> list[str]:
    return [run[start : start + 2] for start in range(len(run) - 1)]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage with a word of the query; `key` identifies it in the store, `words` are its own, joined by spaces."""

    key: Hashable
    file_id: str
    number: int
    words: str


class PassageIndex(Protocol):
    """A store's passages of the searched files, all of one owner."""

    def total(self) -> int:
        """Return the number of passages."""

    def holding(self, word: str) -> Collection[Hashable]:
        """Return the keys of the passages with a word."""

    def candidates(self, keys: Collection[Hashable]) -> Iterable[Candidate]:
        """Return passages by key, without those deleted meanwhile."""

    def texts(self, keys: Collection[Hashable]) -> Mapping[Hashable, str]:
        """Return texts by key, without those deleted meanwhile."""


def _here(call: Callable[..., T], *args: object) -> T:
    return call(*args)


def search(index: PassageIndex, query: str, limit: int, compute: Compute = _here) -> list[FoundPassage]:
    """Return the best matches, the best first; equal ones in the order of the files.

    Args:
        compute: calls a function that computes for long, perhaps in another thread.
    """
    wanted = query_words(query)
    if not wanted or limit < 1:
        return []
    holding = _rarest({word: index.holding(word) for word in wanted})
    weights = _weights(holding, index.total())
    keys: list[Hashable] = compute(_most_promising, holding, weights, max(limit, CANDIDATES))
    if not keys:
        return []
    best: list[tuple[Candidate, float]] = compute(_best, [*index.candidates(keys)], weights, limit)
    texts = index.texts([candidate.key for candidate, _ in best])
    return [
        FoundPassage(candidate.file_id, candidate.number, texts[candidate.key], score)
        for candidate, score in best
        if candidate.key in texts
    ]


def _rarest(holding: dict[str, Collection[Hashable]]) -> dict[str, Collection[Hashable]]:
    """Return the words of a long query that tell most: the rarest ones that are in any passage."""
    if len(holding) <= SCORED_WORDS:
        return holding
    held = [word for word, keys in holding.items() if keys]
    return {word: holding[word] for word in sorted(held, key=lambda word: len(holding[word]))[:SCORED_WORDS]}


def _weights(holding: Mapping[str, Collection[Hashable]], total: int) -> dict[str, float]:
    """Return the weight of each word: higher for rarer ones, above 0 even if all passages have it."""
    rest = {word: max(total - len(keys), 0) for word, keys in holding.items()}
    return {word: math.log1p((rest[word] + 0.5) / (len(keys) + 0.5)) for word, keys in holding.items()}


def _most_promising(
    holding: Mapping[str, Collection[Hashable]], weights: Mapping[str, float], limit: int
) -> list[Hashable]:
    promise: dict[Hashable, float] = {}
    for word, keys in holding.items():  # no loop in Python: a common word is in a hundred thousand passages
        promise.update(zip(keys, map(weights[word].__add__, map(promise.get, keys, repeat(0.0))), strict=True))
    return heapq.nlargest(limit, promise, key=promise.__getitem__)


def _best(candidates: list[Candidate], weights: Mapping[str, float], limit: int) -> list[tuple[Candidate, float]]:
    """Score by BM25, as a share of the score of a passage with only the query's words."""
    counted = [(candidate, Counter(candidate.words.split(" "))) for candidate in candidates]
    mean = sum(counts.total() for _, counts in counted) / max(len(counted), 1)
    scored = [(candidate, _score(counts, weights, mean)) for candidate, counts in counted]
    fitting = [(candidate, score) for candidate, score in scored if score > 0]
    return sorted(fitting, key=lambda hit: (-hit[1], hit[0].file_id, hit[0].number))[:limit]


def _score(counts: Counter[str], weights: Mapping[str, float], mean: float) -> float:
    length = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * counts.total() / mean)
    reached = sum(weight * counts[word] / (counts[word] + length) for word, weight in weights.items())
    return reached / sum(weights.values())
