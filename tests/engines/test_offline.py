"""The offline engine: what it says, how it calls tools, what it counts, and that it keeps the instructions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_assistant_stream.engines.base import Engine, Item
from flask_assistant_stream.engines.offline import OfflineEngine
from flask_assistant_stream.engines.quotes import MAX_QUOTES, QUOTE_CHARS, excerpt, fitting, quoting
from flask_assistant_stream.errors import EngineError, StoreError
from flask_assistant_stream.testing.engine_suite import EngineSuite, collect, text_of
from tests.translation.checker import Fold, check
from tests.translation.material import ids, play

WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": False}


def user(text: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


def ask(*given: dict[str, Any], **more: Any) -> list[Item]:
    return collect(OfflineEngine(0).stream({"model": "m", "input": list(given), **more}))


def calls_of(items: list[Item]) -> list[tuple[str, str]]:
    done = (item["item"] for item in items if item["type"] == "response.output_item.done")
    return [(item["name"], item["arguments"]) for item in done if item["type"] == "function_call"]


class TestSuite(EngineSuite):
    @pytest.fixture
    def engine(self, asked: dict[str, Any]) -> Engine:
        return OfflineEngine(0.0005)

    @pytest.fixture
    def asked(self) -> dict[str, Any]:
        return {"model": "m", "input": "hello", "stream": True}

    @pytest.fixture
    def slow(self) -> dict[str, Any]:
        return {"model": "m", "input": "word " * 100, "stream": True}


class TestSlowly(TestSuite):
    """Once more with pauses of minutes: they are what `close` interrupts."""

    @pytest.fixture
    def engine(self, request: pytest.FixtureRequest) -> Engine:
        return OfflineEngine(60 if "slow" in request.fixturenames else 0)


def test_it_says_that_it_is_offline_and_echoes_in_markdown() -> None:
    answer = text_of(ask(user("hello *you*\nover there")))
    assert "offline" in answer
    assert "> hello *you*\n> over there" in answer
    assert "\n- " in answer
    assert "set `OPENAI_API_KEY`" in answer
    assert len(text_of(ask(user("x" * 100_000)))) < 5000, "a long question is not echoed for ever"


def test_parts_and_strings_are_read_alike() -> None:
    parts = [{"type": "input_text", "text": "hello"}, {"type": "input_image", "file_id": "f", "detail": "auto"}]
    assert text_of(ask(user(parts))) == text_of(ask(user("hello")))
    assert "(no text)" in text_of(ask(user(parts[1:])))


def test_the_history_is_counted() -> None:
    answer = {"type": "message", "role": "assistant", "content": "hi"}
    assert "3 messages" in text_of(ask(user("hello"), answer, user("again")))
    assert "1 message in" in text_of(ask(user("hello")))


def test_instructions_are_mentioned_and_never_leaked() -> None:
    items = ask(user("hello"), instructions="Say XYZZY to nobody.")
    assert "Instructions" in text_of(items)
    assert "XYZZY" not in str(items)


def test_the_same_question_has_the_same_answer() -> None:
    engines = [OfflineEngine(0, new_id=ids(), now=lambda: 5.0) for _ in range(2)]
    one, two = [collect(engine.stream({"model": "m", "input": "hello"})) for engine in engines]
    assert one == two


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ('/get_weather {"city": "Oslo"}', '{"city": "Oslo"}'),
        ('  /get_weather\n{"city":\n"Oslo"}  ', '{"city": "Oslo"}'),
        ("/get_weather", "{}"),
    ],
)
def test_a_declared_tool_is_called(message: str, arguments: str) -> None:
    items = ask(user(message), tools=[WEATHER])
    assert (calls_of(items), text_of(items)) == ([("get_weather", arguments)], "")
    deltas = [item["delta"] for item in items if item["type"] == "response.function_call_arguments.delta"]
    assert "".join(deltas) == arguments
    assert items[-1]["response"]["output"][0]["call_id"].startswith("call_")


@pytest.mark.parametrize("message", ['/get_time {"a": 1}', "/", "tell /get_weather {}", "/file_search {}"])
def test_any_other_command_is_just_text(message: str) -> None:
    items = ask(user(message), tools=[WEATHER, {"type": "file_search", "vector_store_ids": ["vs"]}])
    assert calls_of(items) == []
    assert f"> {message}" in text_of(items)
    assert calls_of(ask(user("/get_weather {}"), tools=[WEATHER], tool_choice="none")) == []


@pytest.mark.parametrize("rest", ["{", "[1]", "7", "Oslo"])
def test_arguments_that_are_no_object_are_said_so(rest: str) -> None:
    items = ask(user(f"/get_weather {rest}"), tools=[WEATHER])
    assert calls_of(items) == []
    assert "JSON" in text_of(items)
    assert "/get_weather" in text_of(items)


COUNT = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}
CODE = {"type": "object", "properties": {"code": {"type": "string", "pattern": "^[A-Z]{3}$"}}, "required": ["code"]}


@pytest.mark.parametrize(
    ("parameters", "hint", "arguments"),
    [
        (WEATHER["parameters"], "`/get_weather` and I call it.", "{}"),
        (COUNT, '`/get_weather {"n": 3}` and I call it with that JSON.', '{"n": 3}'),
        (CODE, "`/get_weather`, followed by its arguments as a JSON object,", None),
    ],
)
def test_the_hint_of_a_tool_works_as_it_is_written(parameters: Any, hint: str, arguments: str | None) -> None:
    tool = {**WEATHER, "parameters": parameters}
    answer = text_of(ask(user("hello"), tools=[tool]))
    assert hint in answer
    if arguments is not None:
        assert calls_of(ask(user(hint.split("`")[1]), tools=[tool])) == [("get_weather", arguments)]
    assert hint.split(" and")[0] in text_of(ask(user("/get_weather {"), tools=[tool])), "a broken call has the hint too"


def test_tool_outputs_are_quoted() -> None:
    call = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"}
    outputs = [
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
        {"type": "function_call_output", "call_id": "call_2", "output": '{"t": 7}'},
    ]
    items = ask(user("/get_weather {}"), call, *outputs, tools=[WEATHER])
    assert calls_of(items) == []
    answer = text_of(items)
    assert answer.index("`get_weather`") < answer.index("sunny") < answer.index('{"t": 7}')


def test_usage_counts_words() -> None:
    items = ask(user("one two three"), instructions="four five")
    counted = items[-1]["response"]["usage"]
    assert (counted["input_tokens"], counted["output_tokens"]) == (5, len(text_of(items).split()))
    assert counted["total_tokens"] == counted["input_tokens"] + counted["output_tokens"]


def test_a_limit_ends_the_answer_early() -> None:
    items = ask(user("hello"), max_output_tokens=3)
    assert (text_of(items), items[-1]["type"]) == ("This is the", "response.incomplete")
    assert items[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_one_word_comes_at_a_time_and_at_the_pace() -> None:
    begun = time.monotonic()
    reads = list(OfflineEngine(0.002).stream({"model": "m", "input": "hello"}))
    deltas = [sum(item["type"].endswith(".delta") for item in read) for read in reads]
    assert max(deltas) == 1
    assert time.monotonic() - begun >= 0.002 * (len(reads) - 1)


def test_it_is_always_ready_and_asked_for_no_titles() -> None:
    assert "offline" in text_of(collect(OfflineEngine(0).stream({})))
    assert OfflineEngine().ping() is None
    assert (OfflineEngine.writes_titles, Engine.writes_titles) == (False, True)


# -- files ------------------------------------------------------------------------------------------------------
SEARCH = {"type": "file_search", "vector_store_ids": ["vs_1", "vs_2"]}
MANUAL = "manual.pdf"
INCLUDED = ["file_search_call.results"]


class Searched:
    """A search that finds what it is given, and remembers what it was asked."""

    def __init__(self, *found: dict[str, Any]) -> None:
        self.found = found
        self.asked: list[tuple[list[str], str, int]] = []

    def __call__(self, vector_store_ids: Sequence[str], query: str, limit: int) -> list[dict[str, Any]]:
        self.asked.append((list(vector_store_ids), query, limit))
        return list(self.found)


def passage(text: str, score: float = 0.9, file_id: str = "file-1", filename: str = MANUAL) -> dict[str, Any]:
    return {"file_id": file_id, "filename": filename, "score": score, "text": text}


def look(search: Any, *given: dict[str, Any], **more: Any) -> list[Item]:
    """Ask with file search on."""
    request = {"model": "m", "input": list(given) or [user("How long is the warranty?")], "tools": [SEARCH], **more}
    return collect(OfflineEngine(0).stream(request, search=search))


def searches(items: list[Item]) -> list[dict[str, Any]]:
    done = (item["item"] for item in items if item["type"] == "response.output_item.done")
    return [item for item in done if item["type"] == "file_search_call"]


def told(items: list[Item]) -> Fold:
    """Return what a client of the Assistants stream knows in the end."""
    return check(play(items)[1])


def cited(fold: Fold) -> list[tuple[str, str, str]]:
    """Return the text before each citation's marker, the marker and the file id; offsets are code points."""
    (message,) = fold.messages
    text = message["content"][0]["text"]
    found = []
    for note in text["annotations"]:
        begin, end = note["start_index"], note["end_index"]
        assert text["value"][begin:end] == note["text"]
        found.append((text["value"][:begin], note["text"], note["file_citation"]["file_id"]))
    return found


def test_an_answer_quotes_and_cites() -> None:
    search = Searched(passage("The warranty lasts 37 months."))
    items = look(search)
    assert search.asked == [(["vs_1", "vs_2"], "How long is the warranty?", 20)]
    assert [item["queries"] for item in searches(items)] == [["How long is the warranty?"]]
    kinds = [item["type"] for item in items[-1]["response"]["output"]]
    assert kinds == ["file_search_call", "message"]
    assert "offline engine" in text_of(items)
    ((before, marker, file_id),) = cited(told(items))
    assert before.endswith("\n\n> The warranty lasts 37 months.")
    assert (marker, file_id) == ("【1:0†manual.pdf】", "file-1")


NAME = "Gebrauchs\u0308anweisung 🎈 é.md"
PIECES = ["🎈 Die Gara\u0301ntie 👩\u200d🚀", "𝔊𝔞𝔯 dauert\n\n37 Monate e\u0301", "# Titel\n\n你好。"]


def test_offsets_are_code_points_whatever_the_characters() -> None:
    found = [passage(text, 0.9 - n / 10, f"file-{n}", f"{n} {NAME}") for n, text in enumerate(PIECES)]
    citations = cited(told(look(Searched(*found), user("🎈 e\u0301 Garantie"))))
    assert [file_id for _, _, file_id in citations] == ["file-0", "file-1", "file-2"]
    for number, (before, marker, _) in enumerate(citations):
        assert before.endswith("> " + PIECES[number].splitlines()[-1])
        assert marker == f"【1:{number}†{number} {NAME}】"


@given(st.lists(st.text(min_size=1, max_size=900).filter(str.strip), min_size=1, max_size=5), st.text(max_size=30))
def test_every_citation_is_behind_its_quote(texts: list[str], query: str) -> None:
    found = [passage(text, file_id=f"file-{n}") for n, text in enumerate(texts)]
    answer = quoting(found, query)
    assert len(answer.citations) == len(found)
    assert len(fitting(found, query)) <= MAX_QUOTES
    for note in answer.citations:
        before, after = answer.text[: note["index"]], answer.text[note["index"] :]
        assert not before[-1].isspace()
        assert after.startswith("\n\n")
        last = excerpt(texts[int(note["file_id"].removeprefix("file-"))], query).splitlines()[-1]
        assert before.splitlines()[-1].endswith(last.rstrip())


def test_annotations_of_the_response_are_in_the_shape_of_the_api() -> None:
    items = look(Searched(passage("Yes.")))
    (note,) = items[-1]["response"]["output"][-1]["content"][0]["annotations"]
    assert note == {"type": "file_citation", "file_id": "file-1", "filename": "manual.pdf", "index": note["index"]}
    assert items[-1]["response"]["output"][-1]["content"][0]["text"][: note["index"]].endswith("> Yes.")


def test_results_are_told_where_they_are_asked_for() -> None:
    search = Searched({**passage("Yes."), "attributes": {"year": 2026}}, passage("No.", 0.2))
    assert searches(look(search))[0]["results"] is None
    asked = searches(look(search, include=INCLUDED))[0]["results"]
    assert asked == [{**passage("Yes."), "attributes": {"year": 2026}}, {**passage("No.", 0.2), "attributes": {}}]
    (step, _) = told(look(search, include=INCLUDED)).steps
    found = step["step_details"]["tool_calls"][0]["file_search"]["results"]
    assert [(one["file_name"], one["content"][0]["text"]) for one in found] == [(MANUAL, "Yes."), (MANUAL, "No.")]


def test_only_what_fits_well_is_quoted() -> None:
    found = [passage("Best.", 0.8), passage("Good.", 0.5), passage("Best.", 0.5), passage("Poor.", 0.3)]
    answer = text_of(look(Searched(*found)))
    assert [line for line in answer.splitlines() if line.startswith(">")] == ["> Best.", "> Good."]
    many = [passage(f"Number {number}.") for number in range(9)]
    assert len(cited(told(look(Searched(*many))))) == 3


def test_the_tools_limits_are_kept() -> None:
    found = [passage(f"Number {number}.", 0.9 - number / 10) for number in range(9)]
    search = Searched(*found)
    limited = look(search, tools=[{**SEARCH, "max_num_results": 2}], include=INCLUDED)
    assert (search.asked[0][2], len(searches(limited)[0]["results"])) == (2, 2)
    ranked = {**SEARCH, "ranking_options": {"ranker": "auto", "score_threshold": 0.75}}
    results = searches(look(search, tools=[ranked], include=INCLUDED))[0]["results"]
    assert [one["score"] for one in results] == [0.9, 0.8]
    ranked["ranking_options"] = {"score_threshold": 1}
    assert "nothing in the files fits" in text_of(look(search, tools=[ranked]))


def test_where_nothing_is_found_it_says_so_and_answers() -> None:
    items = look(Searched())
    assert [item["queries"] for item in searches(items)] == [["How long is the warranty?"]]
    assert "- *Files:* nothing in the files fits" in text_of(items)
    assert "> How long is the warranty?" in text_of(items)
    assert cited(told(items)) == []
    assert "Files" not in text_of(ask(user("How long?"), tools=[SEARCH]))


@pytest.mark.parametrize(
    ("given", "more"),
    [
        ([user("/get_weather {}")], {"tools": [SEARCH, WEATHER]}),
        ([user("/get_weather {")], {"tools": [SEARCH, WEATHER]}),
        ([user("hello")], {"tool_choice": "none"}),
        ([user("hello")], {"tool_choice": {"type": "function", "name": "get_weather"}}),
        ([user("hello")], {"tools": [WEATHER]}),
        ([user([{"type": "input_image", "file_id": "f"}])], {}),
        ([user("hello"), {"type": "function_call_output", "call_id": "call_1", "output": "7"}], {}),
        ([user("hello"), {"type": "message", "role": "assistant", "content": "hi"}], {}),
    ],
    ids=["call", "wrong call", "none", "function", "no tool", "image", "outputs", "answered"],
)
def test_nothing_is_searched(given: list[dict[str, Any]], more: dict[str, Any]) -> None:
    search = Searched(passage("Yes."))
    items = look(search, *given, **more)
    assert not search.asked
    assert not searches(items)


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "file_search"}])
def test_it_searches_where_it_may(choice: Any) -> None:
    search = Searched()
    assert searches(look(search, user("word " * 10_000), tool_choice=choice))
    assert len(search.asked[0][1]) == 2000, "a long question is searched by its begin"
    assert not searches(ask(user("hello"), tools=[SEARCH])), "no search, no step"


def test_a_search_that_fails_fails_the_run() -> None:
    def search(*asked: Any) -> list[dict[str, Any]]:
        raise StoreError("mongodb://user:secret@host does not answer")

    with pytest.raises(EngineError) as raised:
        look(search)
    assert "secret" not in raised.value.message


def test_a_limit_within_a_quote_leaves_its_citation_out() -> None:
    answer = look(Searched(passage("one two three")), user("a b"))
    assert answer[-1]["response"]["usage"]["input_tokens"] == 5, "what was found counts"
    items = look(Searched(passage("one two three four")), max_output_tokens=20)
    assert text_of(items).endswith("> one two")
    assert items[-1]["response"]["output"][-1]["content"][0]["annotations"] == []


@pytest.mark.parametrize(
    ("query", "text", "quoted"),
    [
        ("How long is the warranty?", "The toaster is loud.", False),
        ("How long is the warranty?", "The toaster has warranties.", True),
        ("How many studies did you run?", "They have one study; it runs.", True),
        ("What is this?", "This is what it is.", True),
        ("the GPU", "The GPU.", True),
        ("GPU", "A gpü in the box.", True),
        ("保証期間は？", "保証は37か月。", True),
    ],
)
def test_what_has_only_common_words_in_it_is_not_quoted(query: str, text: str, quoted: bool) -> None:
    items = look(Searched(passage(text)), user(query), include=INCLUDED)
    assert (len(cited(told(items))), len(searches(items)[0]["results"])) == (quoted, 1)
    assert ("nothing in the files fits" in text_of(items)) != quoted


FILLER = "Nothing of interest stands in this sentence about other things. "


def test_of_a_long_passage_the_sentences_around_the_words_are_quoted() -> None:
    text = FILLER * 6 + "The wárranties last 37 months. " + FILLER * 6
    quote = excerpt(text, "How long is the WARRANT?")
    assert "The wárranties last 37 months." in quote
    assert quote.startswith("… ")
    assert quote.endswith(" …")
    assert len(quote) <= QUOTE_CHARS + 4


def test_rare_words_decide() -> None:
    text = "The thing of the day is the best thing. " * 12 + "Warranty: 37 months. " + "The day is the thing. " * 12
    assert "37 months" in excerpt(text, "the thing of the day: warranty")


def test_a_short_passage_is_quoted_whole_and_a_sentence_is_never_cut() -> None:
    assert excerpt(" One.\nTwo. ", "x") == "One.\nTwo."
    long = "word " * 150
    assert excerpt(long, "word") == long.strip()
    assert excerpt(f"{long}\ngoes on in lower case. {FILLER * 3}", "word").startswith(f"{long.strip()}")


def test_lines_are_quoted_line_by_line() -> None:
    answer = text_of(look(Searched(passage("# Title\n\nname | age\nAnna | 7"))))
    assert "\n\n> # Title\n>\n> name | age\n> Anna | 7\n\n" in answer
