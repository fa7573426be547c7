"""The contract of `Passages`, search included, as a test class."""

# ruff: noqa: D102 (the name of a test is its description)

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import pytest

from ..protocol.ids import new_id
from ..stores.base import PER_OWNER, Kind, Record, Store
from ..stores.capabilities import FoundPassage, Passages
from .store_blobs import ODD_NAMES
from .store_material import ANN, ASSISTANT, BOB, at_once

TEXTS = {
    "garden": ["Tomatoes want water and sun.", "Roses are pruned in March.", "Compost feeds every garden bed."],
    "kitchen": ["A soup of tomatoes, with tomatoes from the garden.", "Bread rises for an hour.", ""],
    "world": [
        "Die Größe der Straße: café, naïve, ÉCOLE.",
        "北京是中国的首都。東京は日本の首都です。",
        "Привет, Мир! Καλημέρα",
    ],
    "signs": ['He said "AND" NEAR the (column): $where {x} * ^ -minus; 100% a.b', "C'est l'été; don't."],
}
EVERYWHERE = (*TEXTS, "odd")


class PassageSuite:
    """Subclass as `Test…` with a fixture `open_store`, as for `StoreSuite`."""

    @pytest.fixture
    def passages(self, open_store: Callable[[], Store]) -> Passages:
        """Return the store under test, with some texts of Ann's."""
        passages = cast(Passages, open_store())
        for file_id, texts in TEXTS.items():
            passages.write_passages(ANN, file_id, texts)
        return passages

    @pytest.fixture
    def others_passages(self, open_store: Callable[[], Store]) -> Passages:
        """Return another process's view of the same data."""
        return cast(Passages, open_store())

    def test_passages_come_back_in_order(self, passages: Passages, others_passages: Passages) -> None:
        many = [f"Passage {number} of many" for number in range(257)]
        passages.write_passages(ANN, "many", many)
        for view in (passages, others_passages):
            assert view.read_passages(ANN, "many") == many
            assert {file_id: view.read_passages(ANN, file_id) for file_id in TEXTS} == TEXTS
            assert view.read_passages(ANN, "unknown") == []

    def test_lone_surrogates_are_replaced(self, passages: Passages) -> None:
        passages.write_passages(ANN, "odd", ["cut \ud83d short\x00 with NUL"])
        assert passages.read_passages(ANN, "odd") == ["cut \ufffd short\x00 with NUL"]
        assert places(passages, "short \ud83d nul") == [("odd", 0)]

    def test_more_and_rarer_words_score_higher(self, passages: Passages) -> None:
        hits = passages.search_passages(ANN, EVERYWHERE, "Which tomatoes want water?", 10)
        assert [(hit.file_id, hit.number) for hit in hits] == [("garden", 0), ("kitchen", 0)]
        assert 1 >= hits[0].score > hits[1].score > 0
        assert hits[0].text == TEXTS["garden"][0]
        assert places(passages, "tomatoes")[0] == ("kitchen", 0), "it has the word twice"
        assert places(passages, "garden roses")[0] == ("garden", 1), "roses are rarer"

    def test_a_long_query_finds_what_its_end_asks_for(self, passages: Passages) -> None:
        quoted = " ".join(f"quoted{number}" for number in range(25_000))
        assert places(passages, f"{quoted} Which tomatoes want water?")[0] == ("garden", 0)
        assert places(passages, f"Which tomatoes want water? {quoted}")[0] == ("garden", 0)

    def test_equal_scores_keep_the_order_of_passages(self, passages: Passages) -> None:
        passages.write_passages(ANN, "same", ["All the same"] * 12)
        hits = passages.search_passages(ANN, ["same"], "same", 20)
        assert [hit.number for hit in hits] == [*range(12)]
        assert len({hit.score for hit in hits}) == 1
        assert 0 < hits[0].score <= 1

    @pytest.mark.parametrize(
        ("query", "place"),
        [
            ("TOMATO soups", ("kitchen", 0)),
            ("pruning", ("garden", 1)),
            ("grosse", ("world", 0)),
            ("GRÖSSE", ("world", 0)),
            ("strasse", ("world", 0)),
            ("cafe\u0301", ("world", 0)),
            ("CAFE", ("world", 0)),
            ("Ｃａｆｅ", ("world", 0)),
            ("ecole", ("world", 0)),
            ("首都", ("world", 1)),
            ("日", ("world", 1)),
            ("中国", ("world", 1)),
            ("東京タワー", ("world", 1)),
            ("МИР", ("world", 2)),
            ("καλημερα", ("world", 2)),
            ("été", ("signs", 1)),
            ("don't", ("signs", 1)),
        ],
    )
    def test_case_accents_and_endings_are_ignored(self, passages: Passages, query: str, place: tuple[str, int]) -> None:
        assert places(passages, query)[0] == place

    @pytest.mark.parametrize(
        "query",
        [
            "garden AND nothing",
            "garden NOT tomatoes",
            "-garden",
            '"garden',
            'garden"',
            "garden*",
            "NEAR(garden, 5)",
            "words : garden",
            "owner:garden",
            "{garden}",
            "$garden",
            '{"$where": "garden"}',
            "^garden + (bed",
            "' OR 1=1; -- garden",
            "garden\x00",
            "garden\n\n\ttomatoes",
            "garden " + "word " * 5000,
            "garden " + "x" * 100_000,
            "garden" + "".join(f" word{number}" for number in range(5000)),
        ],
    )
    def test_a_query_has_no_syntax(self, passages: Passages, query: str) -> None:
        hits = places(passages, query)
        assert ("garden", 2) in hits
        assert ("kitchen", 0) in hits

    @pytest.mark.parametrize("query", ["AND", "NEAR", "where", "column", "minus", "100"])
    def test_operator_names_are_words(self, passages: Passages, query: str) -> None:
        assert ("signs", 0) in places(passages, query)

    @pytest.mark.parametrize("query", ["", " ", "\n", '"', "$", "{}", "*", "?!", "\x00", "'", "👋", "unheard"])
    def test_a_query_without_known_words_finds_nothing(self, passages: Passages, query: str) -> None:
        assert places(passages, query) == []

    def test_a_part_of_a_word_does_not_match(self, passages: Passages) -> None:
        assert places(passages, "tom") == places(passages, "京中") == []

    def test_a_limit(self, passages: Passages) -> None:
        query = "tomatoes garden bread roses"
        assert places(passages, query, limit=2) == places(passages, query)[:2]
        assert places(passages, "tomatoes", limit=0) == []

    def test_only_the_named_files_are_searched(self, passages: Passages) -> None:
        assert passages.search_passages(ANN, [], "tomatoes", 10) == []
        assert places(passages, "tomatoes", ["kitchen", "kitchen", "unknown"]) == [("kitchen", 0)]
        assert places(passages, "tomatoes", [f"file_{number}" for number in range(5000)]) == []
        many = [f"file_{number}" for number in range(5000)] + ["garden"]
        assert places(passages, "tomatoes", many) == [("garden", 0)]

    def test_other_files_do_not_change_a_score(self, passages: Passages) -> None:
        before = passages.search_passages(ANN, ["garden", "kitchen"], "tomatoes water", 10)
        passages.write_passages(BOB, "garden", ["tomatoes"] * 30)
        passages.write_passages(ANN, "elsewhere", ["water"] * 30)
        assert passages.search_passages(ANN, ["garden", "kitchen"], "tomatoes water", 10) == before

    @pytest.mark.parametrize("stranger", [BOB, *ODD_NAMES])
    def test_owners_are_isolated_for_passages(self, passages: Passages, stranger: str) -> None:
        assert passages.read_passages(stranger, "garden") == []
        assert passages.search_passages(stranger, EVERYWHERE, "tomatoes", 10) == []
        passages.delete_passages(stranger, "garden")
        passages.write_passages(stranger, "garden", ["My own tomatoes"])
        assert passages.read_passages(ANN, "garden") == TEXTS["garden"]
        hits = passages.search_passages(stranger, EVERYWHERE, "tomatoes", 10)
        assert [hit.text for hit in hits] == ["My own tomatoes"]
        passages.delete_passages(stranger, "garden")
        assert passages.read_passages(ANN, "garden") == TEXTS["garden"]

    def test_passages_are_replaced(self, passages: Passages, others_passages: Passages) -> None:
        for texts in (["Only figs"], ["Figs", "and dates"], [f"Passage {number}" for number in range(250)], []):
            passages.write_passages(ANN, "garden", texts)
            assert others_passages.read_passages(ANN, "garden") == texts
            assert places(others_passages, "roses") == []
        assert places(passages, "figs dates passage") == []

    def test_deleted_passages_are_gone(self, passages: Passages, others_passages: Passages) -> None:
        for _ in range(2):
            passages.delete_passages(ANN, "garden")
        assert others_passages.read_passages(ANN, "garden") == []
        assert places(others_passages, "tomatoes garden") == [("kitchen", 0)]
        assert others_passages.read_passages(ANN, "kitchen") == TEXTS["kitchen"]

    def test_the_owner_of_a_record(self, passages: Passages) -> None:
        store = cast(Store, passages)
        for owner in (ANN, BOB):
            record = store.insert(Record(Kind.VECTOR_STORE, owner, {"id": new_id("vs")}))
            assert passages.owner_of(Kind.VECTOR_STORE, record.id) == owner
            assert passages.owner_of(Kind.FILE, record.id) is None
            store.insert(Record(Kind.ASSISTANT, owner, ASSISTANT))
            store.insert(Record(Kind.OWNER, owner, {"id": "owner"}))
        assert passages.owner_of(Kind.VECTOR_STORE, "unknown") is None
        assert [passages.owner_of(kind, id) for kind in PER_OWNER for id in ("owner", "asst_1")] == [None] * 4

    def test_many_files_at_once(self, passages: Passages, others_passages: Passages) -> None:
        views = (passages, others_passages)
        at_once(*[partial(views[n % 2].write_passages, ANN, f"file_{n}", [f"apple {n}"] * 3) for n in range(8)])
        hits = places(passages, "apple", [f"file_{n}" for n in range(8)], limit=50)
        assert sorted(hits) == [(f"file_{n}", number) for n in range(8) for number in range(3)]


def places(
    passages: Passages, query: str, file_ids: Sequence[str] = EVERYWHERE, *, limit: int = 10
) -> list[tuple[str, int]]:
    """Return the places of Ann's passages that match, the best first."""
    hits: list[FoundPassage] = passages.search_passages(ANN, file_ids, query, limit)
    return [(hit.file_id, hit.number) for hit in hits]
