"""File search in front of an upstream that has none: what reaches the upstream, and what its items become."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_assistant_stream.engines.base import Engine, Item, ItemStream, Search
from flask_assistant_stream.engines.offline import OfflineEngine
from flask_assistant_stream.engines.response_items import ResponseItems, by_delta, url_citation, usage
from flask_assistant_stream.engines.search.engine import LocalSearchEngine
from flask_assistant_stream.errors import EngineError, StoreError
from flask_assistant_stream.testing.engine_suite import EngineSuite, collect, text_of
from flask_assistant_stream.testing.scripted import ScriptedEngine
from tests.translation.checker import check
from tests.translation.material import RECORDINGS, play, read_sse, shared_missing

SEARCH = {"type": "file_search", "vector_store_ids": ["vs_1", "vs_2"]}
WEATHER = {"type": "function", "name": "get_weather", "parameters": {}, "strict": False}
QUESTION = "How long is the warranty of the kettle?"
FOUND = [
    {"file_id": "file-a", "filename": "warranty.md", "score": 0.9, "text": "The warranty lasts 37 months."},
    {"file_id": "file-b", "filename": "kettle.md", "score": 0.4, "text": "The kettle is red."},
]
SAID = "It lasts 37 months [doc1], and it is red [doc2]. See [doc9]."
CLEAN = "It lasts 37 months, and it is red. See [doc9]."
MARKED = "It lasts 37 months【1:0†warranty.md】, and it is red【1:1†kettle.md】. See [doc9]."
NOTES = [(18, "file-a", "warranty.md"), (33, "file-b", "kettle.md")]


def user(content: Any) -> Item:
    return {"type": "message", "role": "user", "content": content}


def request(*given: Item, **more: Any) -> dict[str, Any]:
    return {"model": "m", "input": list(given) or [user(QUESTION)], "tools": [SEARCH], "stream": True, **more}


def saying(*pieces: str, notes: Sequence[Item] = ()) -> list[Item]:
    """Make the items of a whole response."""
    items = ResponseItems({"model": "m"}, now=lambda: 1.0)
    return [*items.begin(), *items.text(pieces, notes), items.complete(usage(1, 1))]


class Finds:
    """A search that knows what it was asked."""

    def __init__(self, *found: dict[str, Any]) -> None:
        self.asked: list[tuple[list[str], str, int]] = []
        self._found = list(found)

    def __call__(self, ids: Sequence[str], query: str, limit: int) -> list[dict[str, Any]]:
        self.asked.append((list(ids), query, limit))
        return self._found


def ask(script: Any, *found: dict[str, Any], asked: dict[str, Any] | None = None) -> tuple[list[Item], dict[str, Any]]:
    """Return the items that come out and the request that reached the upstream."""
    inner = ScriptedEngine(script)
    items = collect(LocalSearchEngine(inner).stream(asked or request(), search=Finds(*(found or FOUND))))
    return items, inner.requests[0]


def message_of(items: list[Item]) -> dict[str, Any]:
    """Translate items and return the content of the one message, whose events must be right."""
    (message,) = check(play(items)[1]).messages
    content: dict[str, Any] = message["content"][0]["text"]
    return content


def cited(items: list[Item]) -> list[tuple[int, str, str]]:
    found = [item["annotation"] for item in items if item["type"] == "response.output_text.annotation.added"]
    return [(note["index"], note["file_id"], note["filename"]) for note in found]


class Searching(LocalSearchEngine):
    """Gets a search with every request, as in a run."""

    def stream(self, request: dict[str, Any], *, search: Search | None = None) -> ItemStream:
        return super().stream(request, search=search or Finds(*FOUND))


class TestSuite(EngineSuite):
    """Around the offline engine."""

    @pytest.fixture
    def engine(self, asked: dict[str, Any]) -> Engine:
        return Searching(OfflineEngine(0.0005))

    @pytest.fixture
    def asked(self) -> dict[str, Any]:
        return request()

    @pytest.fixture
    def slow(self) -> dict[str, Any]:
        return request(user("word " * 300))


class TestPlain(TestSuite):
    """Without the tool."""

    @pytest.fixture
    def asked(self) -> dict[str, Any]:
        return {**request(), "tools": []}


def test_the_upstream_has_passages_and_no_tool() -> None:
    items, sent = ask(saying(SAID))
    assert "tools" not in sent
    content = sent["input"][-1]["content"]
    assert FOUND[0]["text"] in content
    assert content.endswith(QUESTION)
    assert items[0]["item"]["type"] == "file_search_call"


def test_without_a_search_the_tool_is_left_out() -> None:
    inner = ScriptedEngine(saying("Hi [doc1]."))
    assert text_of(collect(LocalSearchEngine(inner).stream(request()))) == "Hi [doc1]."
    assert "tools" not in inner.requests[0]


def test_the_search_is_as_the_tool_says() -> None:
    search = Finds(*FOUND)
    tool = {**SEARCH, "max_num_results": 3, "ranking_options": {"ranker": "auto", "score_threshold": 0.5}}
    asked = request(tools=[tool, WEATHER], include=["file_search_call.results"])
    inner = ScriptedEngine(saying("Yes [doc1]. No [doc2]."))
    items = collect(LocalSearchEngine(inner).stream(asked, search=search))
    assert search.asked == [(["vs_1", "vs_2"], QUESTION, 3)]
    (done,) = [i["item"] for i in items if i["type"] == "response.output_item.done" and i["output_index"] == 0]
    assert (done["queries"], done["results"]) == ([QUESTION], [{**FOUND[0], "attributes": {}}])
    assert inner.requests[0]["tools"] == [WEATHER]
    assert "include" not in inner.requests[0]
    assert text_of(items) == "Yes. No [doc2]."


def test_marks_become_citations_where_they_stood() -> None:
    items, _ = ask(saying(*SAID))
    assert (text_of(items), cited(items)) == (CLEAN, NOTES)
    message = message_of(items)
    assert [note["text"] for note in message["annotations"]] == ["【1:0†warranty.md】", "【1:1†kettle.md】"]
    assert message["value"] == MARKED


@given(cuts=st.lists(st.integers(0, len(SAID)), max_size=20))
def test_no_cut_changes_anything(cuts: list[int]) -> None:
    places = sorted({0, *cuts, len(SAID)})
    items, _ = ask(list(by_delta(saying(*(SAID[one:two] for one, two in pairwise(places))))))
    assert (text_of(items), cited(items)) == (CLEAN, NOTES)
    for item in items:
        if item["type"] == "response.output_text.done":
            assert item["text"] == CLEAN
        if item["type"] == "response.content_part.done":
            assert item["part"]["text"] == CLEAN
            assert [note["index"] for note in item["part"]["annotations"]] == [note[0] for note in NOTES]
    ending = items[-1]["response"]["output"]
    assert [item["type"] for item in ending] == ["file_search_call", "message"]
    assert (ending[1]["content"][0]["text"], len(message_of(items)["annotations"])) == (CLEAN, 2)


def without(*keys: str, types: Sequence[str] = ()) -> Callable[[Item], Item | None]:
    """Make a change: keys are left out of items, and so are items of some types."""

    def change(item: Item) -> Item | None:
        left = {key: value for key, value in item.items() if key not in keys}
        return None if item["type"].removeprefix("response.") in types else left

    return change


def without_ids(item: Item) -> Item:
    inner = {key: value for key, value in item.get("item", {}).items() if key != "id"}
    left = {key: value for key, value in item.items() if key != "item_id"}
    return {**left, "item": inner} if inner else left


def new_ids(item: Item) -> Item:
    made = f"id{id(item)}"
    renamed = {**item, "item": {**item["item"], "id": made}} if "item" in item else item
    return {**renamed, "item_id": made} if "item_id" in item else renamed


DONES = ("output_text.done", "content_part.done", "output_item.done")


@pytest.mark.parametrize(
    "change",
    [
        without("output_index", "content_index", "sequence_number"),
        without("sequence_number", types=("created", "in_progress")),
        without_ids,
        new_ids,
        without(types=("output_item.added", "content_part.added")),
        without(types=("output_text.delta",)),
        without(types=("output_text.delta", "output_text.done")),
        without(types=("output_text.delta", "output_text.done", "content_part.done")),
        without(types=("output_text.delta", *DONES)),
        without(types=DONES),
        without(types=("output_text.done", "content_part.done")),
    ],
)
def test_upstreams_that_tell_it_otherwise(change: Callable[[Item], Item | None]) -> None:
    for pieces in ([SAID], list(SAID), [SAID[:25], SAID[25:]]):
        script = [changed for item in saying(*pieces) if (changed := change(item)) is not None]
        items, _ = ask(script)
        message = message_of(items)
        assert message["value"] == MARKED
        assert [note["file_citation"]["file_id"] for note in message["annotations"]] == ["file-a", "file-b"]


def test_a_mark_at_the_very_end_is_told() -> None:
    for end in (None, -1, 8):
        items, _ = ask(saying("Of ", "37", " months", " [doc1]")[:end])
        assert (text_of(items), cited(items)) == ("Of 37 months", [(12, "file-a", "warranty.md")])


def test_what_was_held_back_is_told_before_a_failure() -> None:
    begun = saying("Of 37 months [doc")[:5]
    inner = ScriptedEngine([begun, EngineError("gone")])
    told: list[Item] = []
    stream = LocalSearchEngine(inner).stream(request(), search=Finds(*FOUND))
    with pytest.raises(EngineError, match="gone"):
        told.extend(item for items in stream for item in items)
    assert text_of(told) == "Of 37 months [doc"
    failed = ResponseItems({}, now=lambda: 1.0).fail("server_error", "broken")
    items, _ = ask([*begun, failed])
    assert (text_of(items), items[-1]["type"]) == ("Of 37 months [doc", "response.failed")


def test_a_done_text_that_disagrees_cites_nothing_twice() -> None:
    script = saying("It lasts ", "37 months [doc1].")
    for item in script:
        if item["type"] == "response.output_text.done":
            item["text"] = "Otherwise [doc2]."
        elif item["type"] == "response.content_part.done":
            item["part"] = {**item["part"], "text": "Otherwise [doc2]."}
    message = message_of(ask(script)[0])
    assert message["value"] == "It lasts 37 months【1:0†warranty.md】."
    assert len(message["annotations"]) == 1


def test_a_text_goes_on_under_the_same_id() -> None:
    """transformers: the message is added again, and its done text is old and new (`spec/servers.md#transformers`)."""
    script = saying("Old [doc1]. ")
    added, delta = script[2], script[4]
    ends = [{**item} for item in script[5:-1]]
    ends[0]["text"] = "Old [doc1]. New [doc2]."
    ends[1]["part"] = {**ends[1]["part"], "text": "Old [doc1]. New [doc2]."}
    ends[2]["item"] = {**ends[2]["item"], "content": [ends[1]["part"]]}
    script = [*script[:-1], added, {**delta, "delta": "New [doc2]."}, *ends, script[-1]]
    message = message_of(ask(script)[0])
    assert message["value"] == "Old【1:0†warranty.md】. New【1:1†kettle.md】."


def test_every_message_has_its_own_citations() -> None:
    """And a call in between, which stays open meanwhile (LiteLLM)."""
    items = ResponseItems({"model": "m"}, now=lambda: 1.0)
    script = [*items.begin(), *items.text(["One [doc1]", "."])]
    script += [*items.call("get_weather", "{}"), *items.text(["Two", " [doc2]."]), items.complete()]
    message, call = script[2:9], [item for item in script if item.get("output_index") == 1]
    overlapping = [*message[:4], *call[:2], *message[4:], *call[2:]]
    for told in (script, [*script[:2], *overlapping, *script[9 + len(call) :]]):
        items_, _ = ask(told)
        fold = check(play(items_)[1], ended=False)
        said = [one["content"][0]["text"]["value"] for one in fold.messages]
        assert said == ["One【1:0†warranty.md】.", "Two【3:0†kettle.md】."]


def test_citations_of_the_upstream_move_with_the_text() -> None:
    said = "A [doc1] page (x)."
    page = url_citation("https://example.com/x", "X", said.index("("), len(said) - 1)
    items, _ = ask(saying("A [doc1] page ", "(x).", notes=[page]))
    assert text_of(items) == "A page (x)."
    notes = [item["annotation"] for item in items if item["type"] == "response.output_text.annotation.added"]
    (note,) = [note for note in notes if note["type"] == "url_citation"]
    assert (note["start_index"], note["end_index"]) == (7, 10)
    message = message_of(items)
    assert len(message["annotations"]) == 1
    (link,) = message["x_url_citations"]
    assert message["value"][link["start_index"] : link["end_index"]] == "(x)"


def test_an_answer_in_json_has_the_passages_and_no_marks() -> None:
    shape = {"format": {"type": "json_object"}}
    items, sent = ask(saying('{"months": 37, "x": "[doc1]"}'), asked=request(text=shape))
    assert FOUND[0]["text"] in sent["input"][0]["content"]
    assert "[doc1]" not in sent["input"][0]["content"]
    assert (text_of(items), cited(items)) == ('{"months": 37, "x": "[doc1]"}', [])


def test_nothing_found_is_told_and_the_request_has_no_sources() -> None:
    inner = ScriptedEngine(saying("I do not know [doc1]."))
    items = collect(LocalSearchEngine(inner).stream(request(include=["file_search_call.results"]), search=Finds()))
    assert inner.requests[0]["input"] == [user(QUESTION)]
    (done,) = [i["item"] for i in items if i["type"] == "response.output_item.done" and i["output_index"] == 0]
    assert (done["queries"], done["results"]) == ([QUESTION], [])
    assert text_of(items) == "I do not know [doc1]."


def test_later_responses_have_the_sources_and_no_second_search_step() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "get_weather", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": "sunny"}
    items, sent = ask(saying("Sunny for 37 months [doc1]."), asked=request(user(QUESTION), call, output))
    assert FOUND[0]["text"] in sent["input"][0]["content"]
    assert sent["input"][1:] == [call, output]
    assert not [item for item in items if item.get("item", {}).get("type") == "file_search_call"]
    assert (text_of(items), cited(items)) == ("Sunny for 37 months.", [(19, "file-a", "warranty.md")])
    assert items[2]["output_index"] == 0


@pytest.mark.parametrize("choice", ["none", {"type": "function", "name": "get_weather"}])
def test_a_choice_of_something_else_searches_nothing(choice: Any) -> None:
    search, inner = Finds(*FOUND), ScriptedEngine(saying("Hi [doc1]."))
    items = collect(
        LocalSearchEngine(inner).stream(request(tools=[SEARCH, WEATHER], tool_choice=choice), search=search)
    )
    assert search.asked == []
    assert (inner.requests[0]["tools"], inner.requests[0]["tool_choice"]) == ([WEATHER], choice)
    assert items == saying("Hi [doc1].") or text_of(items) == "Hi [doc1]."


def test_a_search_that_fails_fails_the_response_before_the_upstream_is_asked() -> None:
    def broken(ids: Sequence[str], query: str, limit: int) -> list[dict[str, Any]]:
        raise StoreError("mongodb://user:secret@host is away")

    inner = ScriptedEngine(saying("x"))
    with pytest.raises(EngineError) as raised:
        collect(LocalSearchEngine(inner).stream(request(), search=broken))
    assert raised.value.message == "The files cannot be searched at the moment."
    assert inner.requests == []


def test_closed_while_it_searches_it_asks_nobody() -> None:
    inner, holding, searching = ScriptedEngine(saying("x")), threading.Event(), threading.Event()

    def slow(ids: Sequence[str], query: str, limit: int) -> list[dict[str, Any]]:
        searching.set()
        assert holding.wait(10)
        return FOUND

    stream = LocalSearchEngine(inner).stream(request(), search=slow)
    told: list[list[Item]] = []
    thread = threading.Thread(target=lambda: told.extend(stream))
    thread.start()
    assert searching.wait(10)
    stream.close()
    holding.set()
    thread.join(10)
    assert inner.requests == []
    assert len(told) <= 1


def test_it_is_named_and_pinged_as_the_engine_it_is_around() -> None:
    inner = ScriptedEngine()
    engine = LocalSearchEngine(inner)
    assert (engine.name, engine.writes_titles, engine.ping()) == (inner.name, inner.writes_titles, None)
    assert not engine.takes_files


@pytest.mark.parametrize("path", RECORDINGS or [Path("missing")], ids=lambda path: path.stem)
def test_recorded_servers_say_the_same_through_it(path: Path) -> None:
    if shared_missing():
        pytest.skip("shared material is missing")
    plain = check(play(read_sse(path), citations=False)[1], ended=False)
    fold = check(play(ask(read_sse(path))[0], citations=False)[1], ended=False)
    assert fold.texts == plain.texts
    assert (fold.run["status"], fold.run["usage"]) == (plain.run["status"], plain.run["usage"])
    assert len(fold.steps) == len(plain.steps) + 1


def test_very_many_messages_are_an_error_of_the_upstream() -> None:
    messages = [
        {"type": "response.output_item.added", "item": {"type": "message", "id": f"m{number}"}}
        for number in range(1001)
    ]
    engine = LocalSearchEngine(ScriptedEngine([messages]))
    tools = [{"type": "file_search", "vector_store_ids": ["vs_1"]}]
    stream = engine.stream({"input": "Hi", "tools": tools}, search=lambda *_: [])
    with pytest.raises(EngineError, match="more than 1000 output items"):
        list(stream)
