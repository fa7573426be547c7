"""The words of a text, and how much of a large index a search reads."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping

import pytest

from flask_assistant_stream.stores import ranking
from flask_assistant_stream.stores.ranking import QUERY_WORDS, Candidate, query_words, search, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("The Files, of a_b!", ["the", "file", "of", "a", "b"]),
        ("Größe CAFÉ cafe\u0301", ["gross", "cafe", "cafe"]),
        ("北京市", ["北", "京", "市", "北京", "京市"]),
        ("한국어", ["한", "국", "어", "한국", "국어"]),
        ("iPhone用", ["iphon", "用"]),
        ("हिन्दी", ["हिन्दी"]),
        ("مُحَمَّد", ["محمد"]),
        ("\ud800 \x00 👋", []),
        ("x" * 1000, ["x" * 64]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_the_shortcut_for_ascii_gives_the_same_words() -> None:
    text = "".join(map(chr, range(128))) + " Files_of x86-64, don't! " + "y" * 100
    assert [*words(text), "e"] == words(f"{text} é")


def test_words_of_a_query() -> None:
    assert query_words("a 北京市 A 京") == ["a", "北京", "京市", "京"]
    assert len(query_words("".join(chr(0x4E00 + number) for number in range(1000)))) == QUERY_WORDS


def test_a_long_query_has_words_of_both_ends() -> None:
    ends = [f"w{n}" for n in [*range(128), *range(872, 1000)]]
    assert query_words(" ".join(f"w{number}" for number in range(1000))) == ends
    assert {"first", "last"} <= {*query_words("first " + "middle " * 100_000 + "last")}


def test_a_long_query_is_scored_by_its_rarest_words() -> None:
    """A question behind a quotation finds its passage, whatever the quotation shares with others."""
    quoted = [f"common{number}" for number in range(100)]
    index = Texts([*[" ".join(quoted)] * 20, "The warranty lasts 37 months."])
    assert search(index, " ".join([*quoted, "how long is the warranty"]), 1)[0].number == 20


def test_words_without_a_passage_are_not_scored() -> None:
    unknown = " ".join(f"unknown{number}" for number in range(200))
    assert [hit.number for hit in search(Texts(["tea", "a warranty"]), f"{unknown} warranty", 5)] == [1]


@pytest.mark.parametrize("text", ["files and Größe", "北京市", "हिन्दी कि", "Ａｂｃ", "ＩＩ Ⅷ ﬁne ½"])
def test_joined_words_stay_words(text: str) -> None:
    """A store keeps them as one text, which its index splits again."""
    assert set(query_words(text)) <= set(" ".join(words(text)).split(" "))


class Texts:
    """An index of a list of texts; some may be deleted before they are read."""

    def __init__(self, texts: list[str], gone: Collection[int] = ()) -> None:
        self.words = [words(text) for text in texts]
        self.gone = gone
        self.read: list[Hashable] = []

    def total(self) -> int:
        return len(self.words)

    def holding(self, word: str) -> Collection[Hashable]:
        return {number for number, words in enumerate(self.words) if word in words}

    def candidates(self, keys: Collection[Hashable]) -> Iterable[Candidate]:
        self.read += keys
        return [Candidate(n, "f", n, " ".join(words)) for n, words in enumerate(self.words) if n in keys]

    def texts(self, keys: Collection[Hashable]) -> Mapping[Hashable, str]:
        return {key: "" for key in keys if key not in self.gone}


def test_only_the_most_promising_passages_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "CANDIDATES", 3)
    index = Texts(["common"] * 50 + ["common rare", "plain rare"])
    assert [hit.number for hit in search(index, "common rare", 2)] == [50, 51]
    assert len(index.read) == 3


def test_passages_deleted_meanwhile_are_skipped() -> None:
    assert [hit.number for hit in search(Texts(["one", "one", "one"], gone=[1]), "one", 3)] == [0, 2]


def test_a_word_in_all_passages_still_matches() -> None:
    hits = search(Texts(["all all all", "all alone", "all"]), "all", 3)
    assert hits[0].number == 0
    assert all(0 < hit.score <= 1 for hit in hits)
    assert search(Texts(["only"]), "only", 1)[0].score > 0
