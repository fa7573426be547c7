"""Items are written in the shapes of recorded streams: same types, same order, same fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_assistant_stream.engines.response_items import ResponseItems, container_file_citation, url_citation, words
from flask_assistant_stream.testing.scripted import read_sse
from tests.fake_upstream import RECORDINGS, described

Item = dict[str, Any]


def recorded(name: str) -> list[Item]:
    if not RECORDINGS.exists():
        pytest.skip("shared material is missing")
    return read_sse(RECORDINGS / f"{name}.sse")


def writer(**request: Any) -> ResponseItems:
    return ResponseItems({"model": "gpt-4o-mini", **request}, now=lambda: 1_700_000_000.9)


def again(items: list[Item]) -> Iterator[Item]:
    """Write a recorded response once more with our own means."""
    mine = writer()
    yield from mine.begin()
    done = [item["item"] for item in items if item["type"] == "response.output_item.done"]
    for item in done:
        deltas = [i["delta"] for i in items if i["type"].endswith(".delta") and i["item_id"] == item["id"]]
        if item["type"] == "message":
            yield from mine.text(deltas, item["content"][0]["annotations"])
        elif item["type"] == "function_call":
            yield from mine.call(item["name"], item["arguments"], deltas)
        else:
            yield from mine.file_search(item["queries"], item["results"])
    yield mine.complete(items[-1]["response"]["usage"])


@pytest.mark.parametrize("name", ["text", "function_call", "file_search"])
def test_types_order_and_fields_are_those_of_the_recording(name: str) -> None:
    theirs = recorded(name)
    mine = list(again(theirs))
    assert [item["type"] for item in mine] == [item["type"] for item in theirs]
    for own, their in zip(mine, theirs, strict=True):
        assert own.keys() == their.keys() - {"obfuscation"}
        assert own["sequence_number"] == their["sequence_number"]
        for name in ("delta", "text", "arguments", "annotation", "output_index", "content_index"):
            assert own.get(name) == their.get(name)
        if "item" in own:
            assert own["item"].keys() == their["item"].keys()
            assert own["item"]["status"] == their["item"]["status"]
        if "response" in own:
            assert their["response"].keys() - own["response"].keys() <= VARYING
            assert own["response"]["status"] == their["response"]["status"]


VARYING = {"billing", "frequency_penalty", "presence_penalty", "prompt_cache_retention", "background_options"}
"""Fields that came and went between recordings."""


def test_every_item_is_what_the_description_says() -> None:
    validator = described("ResponseStreamEvent")
    mine = writer()
    citation = {"type": "file_citation", "file_id": "file-1", "filename": "a.txt", "index": 2}
    items = [*mine.begin(), *mine.file_search(["q"]), *mine.text(["ab", "."], [citation])]
    items += [*mine.refusal(["no"]), *mine.call("f", "{}"), mine.complete(), mine.incomplete("content_filter")]
    items += [mine.fail("server_error", "no"), mine.error("server_error", "no")]
    outputs = [{"type": "logs", "logs": "2\n"}, {"type": "image", "url": "data:image/png;base64,AA=="}]
    items += [*mine.code_interpreter("print(1 + 1)", outputs), *mine.web_search("rain"), *mine.image_generation("AA==")]
    items += [*mine.mcp_call("crm", "find", "{}", "found"), *mine.mcp_call("crm", "find", "{}", error="no")]
    items += [*mine.mcp_approval_request("crm", "delete", "{}"), *mine.reasoning([["first ", "part"], ["second"]])]
    cited = [container_file_citation("cntr_1", "cfile_1", "a.csv", 0, 2), url_citation("https://a.test", "A", 2, 3)]
    items += [*mine.text(["ab", "c"], cited), mine.complete()]
    for item in items:
        assert not [error.message for error in validator.iter_errors(as_described(item))], item["type"]


def as_described(item: Item) -> Item:
    """Leave out where the recordings and the description differ: two nulls, and the name of a call."""
    if "response" in item:
        unset = {"user": None, "usage": None}.items()
        return {**item, "response": {k: v for k, v in item["response"].items() if (k, v) not in unset}}
    return {**item, "name": "f"} if item["type"] == "response.function_call_arguments.done" else item


def test_a_citation_comes_at_its_place() -> None:
    citations = [{"type": "file_citation", "index": index} for index in (2, 4)]
    kinds = [item["type"].rpartition(".")[2] for item in writer().text(["ab", "cd", "e"], citations)]
    assert kinds == ["added", "added", "delta", "added", "delta", "added", "delta", "done", "done", "done"]


def test_the_nested_error_holds_the_reason() -> None:
    item = writer().error("rate_limit_exceeded", "Slow down.", nested=True)
    assert item["error"]["code"] == "rate_limit_exceeded"
    assert "code" not in item


def test_a_response_echoes_no_instructions_and_does_not_grow_later() -> None:
    mine = writer(instructions="secret")
    begin = mine.begin()
    assert "secret" not in str(begin)
    list(mine.text(["a"]))
    assert begin[0]["response"]["output"] == []


@pytest.mark.parametrize("text", ["", "a", " a  b\n\n- c ", "\n", "é 🌞"])
def test_words_joined_are_the_text(text: str) -> None:
    assert "".join(words(text)) == text
