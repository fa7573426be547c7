"""The whole stack through a real LiteLLM proxy: its bridge turns our Responses requests into chat completions.

The tests check the requests of the server behind it, and what clients receive, on both faces.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fake_chat import ANSWER, BriefMessage, FakeChat, brief, broken, call, chunks, refusal, say
from tests.fake_upstream import ANSWER as NATIVE_ANSWER
from tests.fake_upstream import CutOff, FakeUpstream, Gate, Reply
from tests.litellm_proxy import litellm_proxy
from tests.node_clients import NodeDecoder
from tests.server_process import PREFIX, UNHOSTED, ServerProcess, serving
from tests.stack.app import WEATHER
from tests.stack.faces import KINDS, Face, Heard, face_of
from tests.translation.checker import check

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SYSTEM: BriefMessage = ("system", "Be brief.")


@pytest.fixture(scope="session")
def chat() -> Iterator[FakeChat]:
    with FakeChat() as fake:
        yield fake


@pytest.fixture(scope="session")
def native() -> Iterator[FakeUpstream]:
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture(scope="session")
def proxy(chat: FakeChat, native: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    where = tmp_path_factory.mktemp("litellm")
    urls = {"bridged": {"a-model": chat.base_url}, "passed_on": {"a-native-model": native.base_url}}
    with litellm_proxy(where, **urls) as base_url:
        yield base_url


@pytest.fixture(scope="module")
def server(proxy: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    settings = {"ASSISTANT_UPSTREAM_PROFILE": "litellm"}
    with serving(UNHOSTED, tmp_path_factory.mktemp("stack"), upstream=proxy, **settings) as running:
        yield running


@pytest.fixture(params=KINDS)
def face(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[Face]:
    with face_of(request.param, server) as speaking:
        yield speaking


sdk_only = pytest.mark.parametrize("face", ["sdk"], indirect=True)


def status(heard: Heard) -> tuple[str, list[str]]:
    """Return the run's status, and the events that have ended it."""
    return heard.run["status"], heard.ends


def usage(heard: Heard) -> tuple[int, int, int]:
    tokens = heard.run["usage"]
    return tokens["prompt_tokens"], tokens["completion_tokens"], tokens["total_tokens"]


def tool(call_id: str) -> BriefMessage:
    return "tool", "sunny", call_id


COMPLETED = ("completed", ["thread.run.completed"])
FAILED = ("failed", ["thread.run.failed"])
INCOMPLETE = ("incomplete", ["thread.run.incomplete"])


def test_a_text(face: Face, chat: FakeChat) -> None:
    chat.play(chunks(say("Hel"), say("lo "), say("wörld 🌞"), say("!")))
    heard = face.say("hello")
    assert (status(heard), heard.texts, usage(heard)) == (COMPLETED, ["Hello wörld 🌞!"], (21, 8, 29))
    asked = chat.bodies[-1]
    assert (asked["model"], asked["stream"]) == ("a-model", True)
    assert brief(asked["messages"]) == [SYSTEM, ("user", "hello")]
    (tool,) = asked["tools"]
    assert tool["function"]["name"] == WEATHER["function"]["name"]
    assert tool["function"]["parameters"]["required"] == ["location"]


def test_a_text_in_node(node_decode: NodeDecoder, node_version: str, server: ServerProcess, chat: FakeChat) -> None:
    chat.play(chunks(say("Hel"), say("lo "), say("wörld 🌞"), say("!")))
    decoded = node_decode.fetch(node_version, f"{server.origin}{PREFIX}/chat/stream", {"content": "hello"})
    assert (decoded.error, decoded.run_status, decoded.text) == (None, "completed", "Hello wörld 🌞!")


def test_earlier_messages_are_sent_again(face: Face, chat: FakeChat) -> None:
    first = face.say("one")
    thread_id = first.run["thread_id"]
    chat.play(chunks(say("Second "), say("answer.")))
    face.say("two", thread_id)
    third = face.say("three", thread_id)
    assert status(third) == COMPLETED
    sent = [("user", "one"), ("assistant", ANSWER), ("user", "two"), ("assistant", "Second answer."), ("user", "three")]
    assert brief(chat.bodies[-1]["messages"]) == [SYSTEM, *sent]
    assert face.history(thread_id) == [*sent, ("assistant", ANSWER)]


def test_calls_by_turns_and_the_turns_after_them(face: Face, chat: FakeChat) -> None:
    begun = [call(0, "", id="call_A", name="get_weather"), call(1, "", id="call_B", name="get_weather")]
    pieces = [call(0, '{"location":'), call(1, '{"location":'), call(0, '"Paris"}'), call(1, '"Rome"}')]
    chat.play(chunks(*begun, *pieces, finish="tool_calls"), chunks(say("Sunny in both.")))
    heard = face.say("Where is it sunny?")
    calls = [("call_A", "get_weather", {"location": "Paris"}), ("call_B", "get_weather", {"location": "Rome"})]
    assert (status(heard), heard.calls) == (("requires_action", []), calls)
    heard = face.answer(heard, "sunny")
    assert (status(heard), heard.texts, usage(heard)) == (COMPLETED, ["Sunny in both."], (42, 16, 58))
    question: list[BriefMessage] = [SYSTEM, ("user", "Where is it sunny?")]
    answered: list[BriefMessage] = [("assistant", "", *calls), tool("call_A"), tool("call_B")]
    assert brief(chat.bodies[-1]["messages"]) == [*question, *answered]
    then = face.say("Thanks", heard.run["thread_id"])
    assert status(then) == COMPLETED
    assert brief(chat.bodies[-1]["messages"]) == [*question, ("assistant", "Sunny in both."), ("user", "Thanks")]


def test_a_text_before_a_call(face: Face, chat: FakeChat) -> None:
    calling = call(0, '{"location":"Paris"}', id="call_A", name="get_weather")
    chat.play(chunks(say("Let me "), say("check."), calling, finish="tool_calls"), chunks(say("Sunny.")))
    heard = face.say("Paris?")
    asked = [("call_A", "get_weather", {"location": "Paris"})]
    assert (status(heard), heard.texts, heard.calls) == (("requires_action", []), ["Let me check."], asked)
    heard = face.answer(heard, "sunny")
    assert (status(heard), heard.texts) == (COMPLETED, ["Let me check.", "Sunny."])
    question: list[BriefMessage] = [SYSTEM, ("user", "Paris?")]
    assert brief(chat.bodies[-1]["messages"]) == [*question, ("assistant", "Let me check.", *asked), tool("call_A")]


@pytest.mark.parametrize(
    ("pieces", "texts"),
    [([{"reasoning_content": "Hmm, 42?"}, say("It is 42.")], ["It is 42."]), ([say("")], [])],
    ids=["reasoning", "empty"],
)
def test_only_text_is_an_answer(pieces: list[Any], texts: list[str], face: Face, chat: FakeChat) -> None:
    chat.play(chunks(*pieces))
    heard = face.say("What is it?")
    assert (status(heard), heard.texts) == (COMPLETED, texts)


@pytest.mark.parametrize(
    ("finish", "reason", "spent"),
    [("length", "max_tokens", "max_completion_tokens"), ("content_filter", "content_filter", None)],
)
def test_an_answer_that_is_cut(finish: str, reason: str, spent: str | None, face: Face, chat: FakeChat) -> None:
    chat.play(chunks(say("Once upon"), finish=finish))
    heard = face.say("A tale, please")
    assert (status(heard), heard.texts) == (INCOMPLETE, ["Once upon"])
    assert heard.messages[0]["incomplete_details"] == {"reason": reason}
    assert (heard.run["incomplete_details"] or {}).get("reason") == spent


def test_a_failure_in_the_middle(face: Face, chat: FakeChat) -> None:
    error = {"error": {"message": "upstream exploded", "type": "server_error", "code": None}}
    chat.play(broken(say("Hel"), say("lo"), end=[error]))
    heard = face.say("hello")
    assert (status(heard), heard.texts) == (FAILED, ["Hello"])
    assert heard.run["last_error"]["code"] == "server_error"
    assert "upstream exploded" in heard.run["last_error"]["message"]
    assert heard.messages[0]["incomplete_details"] == {"reason": "run_failed"}
    then = face.say("again", heard.run["thread_id"])
    assert (status(then), then.texts) == (COMPLETED, [ANSWER])
    users = [message for message in brief(chat.bodies[-1]["messages"]) if message[0] == "user"]
    assert users == [("user", "hello"), ("user", "again")]


def test_a_connection_that_breaks_behind_the_proxy(server: ServerProcess, chat: FakeChat) -> None:
    heard = threading.Event()  # the proxy drops what it reads together with the break
    chat.play(broken(say("Hello"), end=[Gate(heard), CutOff()]))
    with server.opened("/chat/stream", {"content": "hello"}) as stream:
        stream.read_until("thread.message.delta")
        heard.set()
        fold = check(stream.read_events())
    assert fold.run is not None
    assert (fold.run["status"], fold.texts) == ("failed", ["Hello"])
    assert fold.run["last_error"]["code"] == "server_error"


def test_a_request_is_repeated_after_a_short_rate_limit(face: Face, chat: FakeChat) -> None:
    chat.play(refusal(429, "Slow down.", retry_after="0"), chunks(say("Here I am.")))
    before = len(chat.bodies)
    heard = face.say("hello")
    assert (status(heard), heard.texts) == (COMPLETED, ["Here I am."])
    assert [brief(request["messages"]) for request in chat.bodies[before:]] == [[SYSTEM, ("user", "hello")]] * 2


def test_a_long_rate_limit_is_reported_at_once(face: Face, chat: FakeChat) -> None:
    """The proxy sends the long `Retry-After` under a name of its own."""
    chat.play(refusal(429, "Slow down.", retry_after="3600"))
    before = len(chat.bodies)
    heard = face.say("hello")
    assert (status(heard), heard.run["last_error"]["code"]) == (FAILED, "rate_limit_exceeded")
    assert "Slow down." in heard.run["last_error"]["message"]
    assert len(chat.bodies) == before + 1


def test_a_request_that_is_refused(face: Face, chat: FakeChat) -> None:
    chat.play(refusal(400, "That is too long for me."))
    heard = face.say("hello")
    assert (status(heard), heard.run["last_error"]["code"]) == (FAILED, "invalid_prompt")
    assert "too long for me" in heard.run["last_error"]["message"]
    then = face.say("again", heard.run["thread_id"])
    assert status(then) == COMPLETED
    assert brief(chat.bodies[-1]["messages"]) == [SYSTEM, ("user", "hello"), ("user", "again")]


SCHEMA = {"name": "x", "strict": True, "schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}
OPTIONS: list[tuple[dict[str, Any], Reply, dict[str, Any]]] = [
    # options of the run, the reply, the options that the server behind the proxy receives
    (
        {"temperature": 0.5, "top_p": 0.9, "max_completion_tokens": 300},
        chunks(say("So be it.")),
        {"temperature": 0.5, "top_p": 0.9, "max_tokens": 300},
    ),
    (
        {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        chunks(say('{"a":1}')),
        {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
    ),
    (
        {"tool_choice": "required", "parallel_tool_calls": False},
        chunks(call(0, '{"location":"Rome"}', id="call_A", name="get_weather"), finish="tool_calls"),
        {"tool_choice": "required", "parallel_tool_calls": False},
    ),
    ({"extra_body": {"reasoning_effort": "low"}}, chunks(say("So be it.")), {"reasoning_effort": "low"}),
    ({"tool_choice": "none"}, chunks(say("So be it.")), {"tools": None}),
]


@sdk_only
@pytest.mark.parametrize(("options", "reply", "asked"), OPTIONS, ids=["numbers", "schema", "tools", "effort", "none"])
def test_options_of_a_run_arrive(
    options: dict[str, Any], reply: Reply, asked: dict[str, Any], face: Face, chat: FakeChat
) -> None:
    chat.play(reply)
    assert face.say("hello", **options).run["status"] in ("completed", "requires_action")
    assert {key: chat.bodies[-1].get(key) for key in asked} == asked


def test_incomplete_arguments_are_no_call(face: Face, chat: FakeChat) -> None:
    chat.play(chunks(call(0, '{"location":"Ro', id="call_A", name="get_weather"), finish="tool_calls"))
    heard = face.say("hello")
    assert (status(heard), heard.run["last_error"]["code"]) == (FAILED, "server_error")
    chat.play(chunks(call(0, '{"location":"Ro', id="call_A", name="get_weather"), finish="length"))
    assert status(face.say("again", heard.run["thread_id"])) == INCOMPLETE


Outcome = tuple[str, list[str], str]
SAID = "The sun is"
PASSED_ON: dict[str, Outcome] = {
    # script: the run's status, its texts, words of its error
    "text": ("completed", [NATIVE_ANSWER], ""),
    "refusal": ("completed", ["I cannot help with that."], ""),
    "incomplete": ("incomplete", ["The sun is *shining*"], ""),
    "fail?after=3": ("failed", [SAID], "The model broke."),
    "error_flat?after=3": ("failed", [SAID], "in-stream error"),  # the proxy loses the reason
    "error_nested?after=3": ("failed", [SAID], "Slow down."),
    "failed_then_error?after=3": ("failed", [SAID], "in-stream error"),  # and here
    "clean_eof?after=3": ("failed", [SAID], "before any terminal event"),
    "reset?after=3": ("failed", [SAID], ""),
    "status?code=429&retry_after=3600": ("failed", [], "429"),
    "deviation?name=copilot_ids_change_with_every_event": ("completed", ["Hello there, friend"], ""),
    "deviation?name=vllm_completed_that_is_incomplete": ("incomplete", ["Once upon"], ""),
    "deviation?name=messages_by_turns": ("completed", ["One and more.", "Two and more."], ""),
}


@sdk_only
@pytest.mark.parametrize("script", PASSED_ON)
def test_a_response_is_passed_on(script: str, face: Face, native: FakeUpstream) -> None:
    native.play(script)
    heard = face.say("hello", model="a-native-model")
    expected, texts, words = PASSED_ON[script]
    assert (status(heard), heard.texts) == ((expected, [f"thread.run.{expected}"]), texts)
    assert words in (heard.run["last_error"] or {"message": ""})["message"]
    native.check()


@sdk_only
def test_calls_and_their_outputs_are_passed_on(face: Face, native: FakeUpstream) -> None:
    native.play("two_calls")
    heard = face.say("hello", model="a-native-model")
    assert (status(heard), heard.texts) == (("requires_action", []), ["Let me look."])
    ids, arguments = [call[0] for call in heard.calls], {"location": "San Francisco, CA"}
    assert [call[1:] for call in heard.calls] == [("get_weather", arguments)] * 2
    heard = face.answer(heard, "sunny")
    assert (status(heard), heard.texts[1:]) == (COMPLETED, ["The tools said: sunny | sunny"])
    sent = native.requests[-1].body["input"]
    assert [item["call_id"] for item in sent if item["type"] == "function_call_output"] == ids
    assert [item["content"] for item in sent if item["type"] == "message"] == ["hello", "Let me look."]
    native.check()
