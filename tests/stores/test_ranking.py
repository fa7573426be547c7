"""Which words a text has, and what of a large index a search looks at."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping

import pytest

from flask_assistant_stream.stores import ranking
from flask_assistant_stream.stores.ranking import Candidate, query_words, search, words


@pytest.mark.parametrize(
    ("text", "found"),
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
def test_words(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_plain_text_is_cut_as_any_other() -> None:
    text = "".join(map(chr, range(128))) + " Files_of x86-64, don't! " + "y" * 100
    assert [*words(text), "e"] == words(f"{text} é")


def test_words_of_a_query() -> None:
    assert query_words("a 北京市 A 京") == ["a", "北京", "京市", "京"]
    assert query_words(" ".join(f"w{number}" for number in range(1000))) == [f"w{n}" for n in range(64)]
    assert len(query_words("".join(chr(0x4E00 + number) for number in range(1000)))) == 64


@pytest.mark.parametrize("text", ["files and Größe", "北京市", "हिन्दी कि", "Ａｂｃ", "ＩＩ Ⅷ ﬁne ½"])
def test_words_stay_words_when_they_are_joined(text: str) -> None:
    """A store keeps them as one text, by which an index cuts them again."""
    assert set(query_words(text)) <= set(" ".join(words(text)).split(" "))


class Texts:
    """An index over a list of texts; some may be gone before they are read."""

    def __init__(self, texts: list[str], gone: Collection[int] = ()) -> None:
        self.words = [words(text) for text in texts]
        self.gone = gone
        self.read: list[Hashable] = []

    def total(self) -> int:
        return len(self.words)

    def holding(self, word: str) -> Collection[Hashable]:
        return {number for number, found in enumerate(self.words) if word in found}

    def candidates(self, keys: Collection[Hashable]) -> Iterable[Candidate]:
        self.read += keys
        return [Candidate(n, "f", n, " ".join(found)) for n, found in enumerate(self.words) if n in keys]

    def texts(self, keys: Collection[Hashable]) -> Mapping[Hashable, str]:
        return {key: "" for key in keys if key not in self.gone}


def test_of_many_passages_the_most_promising_are_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "CANDIDATES", 3)
    index = Texts(["common"] * 50 + ["common rare", "plain rare"])
    assert [found.number for found in search(index, "common rare", 2)] == [50, 51]
    assert len(index.read) == 3


def test_what_goes_while_it_is_searched_is_left_out() -> None:
    assert [found.number for found in search(Texts(["one", "one", "one"], gone=[1]), "one", 3)] == [0, 2]


def test_a_word_that_all_have_still_finds() -> None:
    found = search(Texts(["all all all", "all alone", "all"]), "all", 3)
    assert found[0].number == 0
    assert all(0 < one.score <= 1 for one in found)
    assert search(Texts(["only"]), "only", 1)[0].score > 0
