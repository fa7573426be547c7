"""How other servers' Responses streams differ from OpenAI's: one reply each, and the result a client must see.

    @deviation(Expected(texts=("Hello there",)))
    def server_and_its_deviation() -> Reply: ...

Written from descriptions of those servers; recorded streams have their own tests. The fake upstream plays a reply by
name (`deviation?name=…`). The file is long because it is one table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, NamedTuple

from tests.fake_upstream import CutOff, Gate, Pause, Reply, Reset, Stall, Step, json_reply
from tests.translation.material import (
    Item,
    added,
    answer,
    arguments,
    arguments_done,
    asked,
    call,
    created,
    done,
    message,
    terminal,
    text,
    text_done,
)

Call = tuple[str | None, str, dict[str, Any]]
"""Call id (None for one that the library generates), name, arguments."""

ROME: Call = ("call_u", "weather", {"city": "Rome"})
OSLO: Call = ("call_o", "weather", {"city": "Oslo"})


class Expected(NamedTuple):
    """The result that a client must see.

    Attributes:
        run: the run's final status; with `calls` it is `requires_action` first.
        texts: the messages' texts, in order.
        calls: the calls the client must answer.
        error: code of `last_error` and a part of its message.
        cut: the last message's `incomplete_details.reason`, or None if the message is complete.
        usage: input, output and total tokens of the response.
        spent: the run's `incomplete_details.reason`.
    """

    run: str = "completed"
    texts: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    error: tuple[str, str] | None = None
    cut: str | None = None
    usage: tuple[int, int, int] | None = (10, 5, 15)
    spent: str | None = None


def failed(code: str, words: str, *texts: str) -> Expected:
    """Expect a run that failed after `texts`."""
    return Expected("failed", texts, error=(code, words), cut="run_failed" if texts else None, usage=None)


def bad_call(*texts: str) -> Expected:
    """Expect a run that failed because of invalid arguments in a complete response."""
    return Expected("failed", texts, error=("server_error", "arguments that are not a JSON object"))


DEVIATIONS: dict[str, tuple[Callable[[], Reply], Expected]] = {}
BARE_ENDS: dict[str, tuple[Callable[[], Reply], Expected]] = {}
"""Streams without a terminal event, from a server whose profile allows that."""
SILENCES: dict[str, tuple[Callable[[], Reply], Expected]] = {}
"""Streams that stop without ending, for a server with a short time limit."""


def deviation(
    expected: Expected, *, bare: Expected | None = None
) -> Callable[[Callable[[], Reply]], Callable[[], Reply]]:
    """Add a reply to the table; `bare` is the result for a server whose streams may end without a terminal event."""

    def enter(make: Callable[[], Reply]) -> Callable[[], Reply]:
        DEVIATIONS[make.__name__] = (make, expected)
        if bare is not None:
            BARE_ENDS[make.__name__] = (make, bare)
        return make

    return enter


def silence(expected: Expected) -> Callable[[Callable[[], Reply]], Callable[[], Reply]]:
    """Add a reply that does not end to its table."""

    def enter(make: Callable[[], Reply]) -> Callable[[], Reply]:
        SILENCES[make.__name__] = (make, expected)
        return make

    return enter


# ---- framing -------------------------------------------------------------------------------------------------------


def lines(*steps: Step | Iterable[Step], numbered: bool = True, **framing: Any) -> Reply:
    """Return a stream with `event:` lines and sequence numbers, like OpenAI's."""
    flat: list[Step] = []
    for step in steps:
        flat += [step] if isinstance(step, (dict, bytes, Pause, Gate, Stall, Reset, CutOff)) else step
    numbers = count()
    counted = [{**step, "sequence_number": next(numbers)} if isinstance(step, dict) else step for step in flat]
    return Reply(counted if numbered else flat, **framing)


def data(*steps: Step | Iterable[Step], **framing: Any) -> Reply:
    """Return a stream of `data:` lines only, without sequence numbers, like LiteLLM's."""
    return lines(*steps, numbered=False, events=False, done=True, **framing)


def part(kind: str, type: str, value: str = "", id: str = "msg_u", index: int = 0) -> Item:
    """Return `content_part.added` or `content_part.done`."""
    where = {"item_id": id, "output_index": index, "content_index": 0}
    return {"type": f"response.content_part.{kind}", **where, "part": {"type": type, "text": value}}


def thought(stage: str, index: int = 0, **fields: Any) -> Item:
    """Return an event of a reasoning item."""
    return {"type": f"response.{stage}", "item_id": "rs_u", "output_index": index, "content_index": 0, **fields}


def reasoning(**fields: Any) -> Item:
    return {"type": "reasoning", "id": "rs_u", "summary": [], **fields}


def nested(code: str, message: str, **fields: Any) -> Item:
    """Return an `error` event with the nesting of OpenAI's production servers."""
    return {"type": "error", "error": {"type": code, "code": code, "message": message, "param": None, **fields}}


def response_failed(error: Item | None) -> Item:
    return {"type": "response.failed", "response": {"id": "resp_1", "status": "failed", "error": error, "output": []}}


def bare_error(status: int, body: bytes, content_type: str = "application/json") -> Reply:
    """Return an error reply with any body."""
    return Reply([body], status=status, content_type=content_type)


IN_PROGRESS: Item = {"type": "response.in_progress", "response": {"id": "resp_1", "status": "in_progress"}}


# ---- OpenAI and Azure ----------------------------------------------------------------------------------------------


@deviation(failed("rate_limit_exceeded", "You exceeded your current quota."))
def openai_quota_under_http_200() -> Reply:
    code, reason = "insufficient_quota", "You exceeded your current quota."
    return lines(created(), IN_PROGRESS, nested(code, reason), response_failed({"code": code, "message": reason}))


@deviation(failed("rate_limit_exceeded", "Rate limit reached.", "Once"))
def openai_nested_error_alone() -> Reply:
    headers = {"x-ratelimit-remaining-requests": "0", "retry-after": "7"}
    return lines(
        created(), added(message()), text("Once"), nested("rate_limit_exceeded", "Rate limit reached.", headers=headers)
    )


@deviation(Expected(texts=("Short.",)))
def openai_done_text_without_a_delta() -> Reply:
    return lines(created(), added(message()), text_done("Short."), done(message("Short.")), terminal())


@deviation(Expected(texts=("Once upon a time",)))
def openai_keepalives() -> Reply:
    alive: Item = {"type": "keepalive"}
    return lines(
        alive, created(), alive, added(message()), text("Once upon"), alive, text(" a time"), alive, terminal()
    )


@deviation(Expected(texts=("Hello there",)))
def openai_end_of_stream_long_after_completed() -> Reply:
    return lines(created(), answer("Hello there"), terminal(), Stall())


@deviation(failed("invalid_prompt", "The prompt was filtered.", "Once"))
def azure_failed_without_a_reason_then_the_reason() -> Reply:
    reason = nested("content_filter", "The prompt was filtered.")
    return lines(created(), added(message()), text("Once"), response_failed(None), Pause(0.05), reason)


@deviation(failed("server_error", "without a reason"))
def azure_failed_and_no_reason_ever() -> Reply:
    return lines(created(), response_failed(None))


# ---- vLLM and SGLang -----------------------------------------------------------------------------------------------


@deviation(Expected("incomplete", ("Once upon",), cut="max_tokens", spent="max_completion_tokens"))
def vllm_completed_that_is_incomplete() -> Reply:
    end = terminal("incomplete", [message("Once upon")], incomplete_details={"reason": "max_output_tokens"})
    return lines(created(), answer("Once upon"), {**end, "type": "response.completed"})


@deviation(Expected(calls=(ROME,)))
def vllm_first_piece_of_arguments_in_added() -> Reply:
    begin = added(call('{"ci'))
    return lines(
        created(), begin, arguments('ty":'), arguments('"Rome"}'), arguments_done('{"city":"Rome"}'), terminal()
    )


@deviation(Expected(calls=(ROME,)))
def vllm_first_piece_of_arguments_in_added_and_no_done() -> Reply:
    return lines(created(), added(call('{"ci')), arguments('ty":'), arguments('"Rome"}'), terminal())


@deviation(Expected(texts=("It is 42.",)))
def vllm_reasoning_text_as_content_parts() -> Reply:
    thinking = [
        added(reasoning()),
        part("added", "reasoning_text", id="rs_u"),
        thought("reasoning_text.delta", delta="Hmm"),
        thought("reasoning_text.done", text="Hmm"),
        part("done", "reasoning_text", "Hmm", id="rs_u"),
        done(reasoning(content=[{"type": "reasoning_text", "text": "Hmm"}])),
    ]
    return lines(created(), thinking, answer("It is 42.", index=1), terminal())


@deviation(Expected(texts=("It is 42.",)))
def vllm_reasoning_parts_of_their_own() -> Reply:
    held = {"type": "reasoning_text", "text": "Hmm"}
    thinking = [
        added(reasoning()),
        thought("reasoning_part.added", part={"type": "reasoning_text", "text": ""}),
        thought("reasoning_text.delta", delta="Hmm"),
        thought("reasoning_text.done", text="Hmm"),
        thought("reasoning_part.done", part=held),
        done(reasoning(content=[held])),
    ]
    return lines(created(), thinking, answer("It is 42.", index=1), terminal())


@deviation(Expected(texts=("Once upon",)))
def vllm_last_message_never_closed() -> Reply:
    return lines(created(), added(message()), part("added", "output_text"), text("Once"), text(" upon"), terminal())


@deviation(Expected(calls=(ROME,)))
def sglang_router_holds_an_empty_message_instead_of_the_call() -> Reply:
    begin = [added(call()), arguments('{"city":'), arguments('"Rome"}'), arguments_done('{"city":"Rome"}')]
    return lines(created(), begin, terminal(output=[message("")]))


# ---- Ollama --------------------------------------------------------------------------------------------------------


@deviation(Expected(texts=("Let me look.",), calls=(ROME,)))
def ollama_call_takes_the_index_of_a_message_that_is_never_closed() -> Reply:
    whole = call('{"city":"Rome"}')
    calling = [added(call()), arguments('{"city":"Rome"}'), arguments_done('{"city":"Rome"}'), done(whole)]
    begin = [added(message()), part("added", "output_text"), text("Let me"), text(" look.")]
    return lines(created(), begin, calling, terminal(output=[whole]))


@deviation(failed("server_error", "closed the stream before the response was complete", "Once upon"))
def ollama_just_ends_on_an_error() -> Reply:
    return lines(created(), added(message()), text("Once"), text(" upon"))


@deviation(Expected(texts=("It is 42.",)))
def ollama_thoughts_in_plain_text_as_encrypted_content() -> Reply:
    thinking = [added(reasoning()), done(reasoning(encrypted_content="I think of 42."))]
    return lines(created(), thinking, answer("It is 42.", index=1), terminal())


# ---- transformers and llama.cpp ------------------------------------------------------------------------------------


@deviation(Expected(texts=("Let me look.\nAnd then?",), calls=(ROME,)))
def transformers_adds_a_message_twice() -> Reply:
    whole = call('{"city":"Rome"}')
    whole_text = "Let me look.\nAnd then?"
    return lines(
        created(status="queued", created_at=1795348199.25),
        answer("Let me look."),
        [added(whole, 1), arguments_done('{"city":"Rome"}', index=1), done(whole, 1)],
        [added(message(), 1), part("added", "output_text", index=1), text("\nAnd then?", index=1)],
        [text_done(whole_text, index=1), part("done", "output_text", whole_text, index=1)],
        [done(message(whole_text), 1), terminal(output=[message(whole_text), whole])],
        events=False,
    )


@deviation(failed("server_error", "Out of memory.", "Once"))
def transformers_error_then_failed() -> Reply:
    flat = {"type": "error", "code": "server_error", "message": "Out of memory.", "param": None}
    end = [flat, response_failed({"code": "server_error", "message": "Out of memory."})]
    return lines(created(), added(message()), text("Once"), end, events=False)


@deviation(bad_call())
def llamacpp_cut_call_is_completed() -> Reply:
    return lines(
        created(), added(call(), None), arguments("{", index=None), done(call("{"), None), terminal(), numbered=False
    )


@deviation(Expected(texts=("Hello there",)))
def llamacpp_progress_before_the_text() -> Reply:
    progress = {**IN_PROGRESS, "prompt_progress": {"total": 900, "processed": 300}}
    said = [added(message(), None), text("Hello", index=None, content=None), text(" there", index=None, content=None)]
    return lines(created(), progress, progress, said, done(message("Hello there"), None), terminal(), numbered=False)


# ---- gateways: LiteLLM, OpenRouter, OGX and smaller ones -----------------------------------------------------------


@deviation(Expected(texts=("It is 42.",)))
def litellm_reasoning_that_looks_like_a_message() -> Reply:
    summary = {
        "type": "response.reasoning_summary_text.delta",
        "item_id": "rs_u",
        "output_index": 0,
        "delta": "I think",
    }
    like: Item = {"type": "reasoning", "id": "rs_u", "role": "assistant", "status": "completed"}
    like["content"] = [{"type": "output_text", "text": "I think", "annotations": []}]
    bare = {"type": "reasoning", "id": "rs_u", "status": "in_progress"}
    thinking = [added(bare), summary, done(reasoning(summary=[{"type": "summary_text", "text": "I think"}]))]
    return data(
        created(id="resp_" + "x" * 400),
        thinking,
        answer("It is 42.", index=1),
        terminal(output=[like, message("It is 42.")]),
    )


@deviation(Expected(calls=(ROME, OSLO)))
def litellm_arguments_of_two_calls_by_turns() -> Reply:
    both = [added(call()), added(call(id="fc_o", call_id="call_o"), 1)]
    turns = [
        arguments('{"city":'),
        arguments('{"city":', "fc_o", 1),
        arguments('"Rome"}'),
        arguments('"Oslo"}', "fc_o", 1),
    ]
    rome, oslo = call('{"city":"Rome"}'), call('{"city":"Oslo"}', "fc_o", "call_o")
    ends = [arguments_done(rome["arguments"]), done(rome), arguments_done(oslo["arguments"], "fc_o", 1), done(oslo, 1)]
    return data(created(), both, turns, ends, terminal(output=[rome, oslo]))


@deviation(Expected())
def litellm_empty_answer() -> Reply:
    return data(created(), added(message()), part("added", "output_text"), text_done(""), done(message("")), terminal())


@deviation(Expected("incomplete", ("Once upon",), cut="content_filter"))
def litellm_content_filter() -> Reply:
    cut = message("Once upon", status="incomplete")
    end = terminal("incomplete", [cut], incomplete_details={"reason": "content_filter"})
    return data(created(), answer("Once upon"), end)


@deviation(failed("server_error", "No such dialect."))
def litellm_http_500_with_an_event_stream() -> Reply:
    body = (
        b'data: {"error":{"message":"No such dialect.","type":"None","param":"None","code":"500"}}\n\ndata: [DONE]\n\n'
    )
    return bare_error(500, body, "text/event-stream; charset=utf-8")


@deviation(failed("rate_limit_exceeded", "Slow down."))
def litellm_status_as_code() -> Reply:
    return bare_error(429, b'{"error":{"message":"Slow down.","type":"throttling_error","param":null,"code":"429"}}')


@deviation(Expected(texts=("Hello there",)))
def openrouter_comments() -> Reply:
    ping = b": OPENROUTER PROCESSING\n\n"
    begin: list[Step] = [ping, ping, created(), ping, IN_PROGRESS, ping, added(message()), text("Hello"), ping]
    return lines(begin, text(" there"), done(message("Hello there")), terminal())


@deviation(
    failed("server_error", "closed the stream before the response was complete", "Hello there"),
    bare=Expected(texts=("Hello there",), usage=None),
)
def openrouter_ends_without_a_terminal_event() -> Reply:
    return lines(created(), answer("Hello there"))


@deviation(
    failed("server_error", "closed the stream before the response was complete", "Let me look.")._replace(cut=None),
    bare=Expected(texts=("Let me look.",), calls=(ROME,), usage=None),
)
def openrouter_ends_without_a_terminal_event_after_a_call() -> Reply:
    return lines(created(), answer("Let me look."), asked(index=1))


@deviation(
    failed("server_error", "closed the stream before the response was complete"),
    bare=bad_call()._replace(usage=None),
)
def openrouter_ends_without_a_terminal_event_in_broken_arguments() -> Reply:
    return lines(created(), asked('{"city":"Ro'))


@deviation(
    failed("server_error", "closed the stream before the response was complete", "Once upon"),
    bare=failed("server_error", "closed the stream before the response was complete", "Once upon"),
)
def openrouter_breaks_off_in_a_message() -> Reply:
    return lines(created(), answer("Once upon")[:-1])


@deviation(Expected(texts=("Let me look.",), calls=(ROME,)))
def ogx_message_not_done_and_its_text_cleared() -> Reply:
    begin = [added(message()), part("added", "output_text"), text("Let me look."), text_done("Let me look.")]
    steps = [{**item, "response_id": "resp_1"} for item in [*begin, *asked(index=1)]]
    return lines(created(), steps, terminal(output=[message(""), call('{"city":"Rome"}')]))


@deviation(failed("server_error", "Truncation is not supported."))
def ogx_refuses_truncation_under_http_200() -> Reply:
    return lines(created(), response_failed({"code": "server_error", "message": "Truncation is not supported."}))


@deviation(Expected(texts=("It is 42.",)))
def ogx_part_of_a_thought_in_a_message_that_does_not_exist() -> Reply:
    stray = [part("added", "reasoning_text", id="msg_x"), part("done", "reasoning_text", "Hmm", id="msg_x")]
    return lines(created(), stray, answer("It is 42."), terminal())


@deviation(Expected(texts=("Hello there, friend",)))
def copilot_ids_change_with_every_event() -> Reply:
    said = [added(message(id="a")), text("Hello", "b"), text(" there", "c"), text(", friend", "d")]
    end = [text_done("Hello there, friend", "e"), done(message("Hello there, friend", "f"))]
    return lines(created(), said, end, terminal(output=[message("Hello there, friend", "g")]))


@deviation(Expected(texts=("Let me look.",), calls=(ROME, OSLO)))
def copilot_ids_of_calls_change_with_every_event() -> Reply:
    said = [added(message(id="a")), text("Let me look.", "b"), done(message("Let me look.", "c"))]
    rome = [added(call(id="d"), 1), arguments('{"city":', "e", 1), arguments('"Rome"}', "f", 1)]
    oslo = [added(call(id="g", call_id="call_o"), 2), arguments('{"city":"Oslo"}', "h", 2)]
    ends = [done(call('{"city":"Rome"}', "i"), 1), done(call('{"city":"Oslo"}', "j", "call_o"), 2)]
    return lines(created(), said, rome, oslo, ends, terminal())


@deviation(Expected(texts=("Hello there",), calls=(ROME,)))
def mistralrs_new_ids_in_added_done_and_completed() -> Reply:
    said = [added(message(id="a")), text("Hello", "a"), text(" there", "a"), done(message("Hello there", "b"))]
    asks = [added(call(id="c"), 1), arguments('{"city":"Rome"}', "c", 1), done(call('{"city":"Rome"}', "d"), 1)]
    output = [message("Hello there", "e"), call('{"city":"Rome"}', "f")]
    return lines(created(), said, asks, terminal(output=output))


@deviation(Expected(texts=("Hello there",)))
def omniroute_in_progress_without_a_response_before_created() -> Reply:
    return data({"type": "response.in_progress"}, created(), answer("Hello there"), terminal())


@deviation(Expected(texts=("Hello there",), usage=None))
def gemini_web2api_created_done_text_completed() -> Reply:
    end = {"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}}
    return data({"type": "response.created"}, {"type": "response.output_text.done", "text": "Hello there"}, end)


@deviation(Expected(texts=("Hello there",)))
def created_is_missing() -> Reply:
    return data(answer("Hello there"), terminal())


@deviation(Expected(texts=("Hello there",)))
def nothing_but_the_terminal_event() -> Reply:
    return data(terminal(output=[message("Hello there")]))


@deviation(Expected(texts=("Hello there",), usage=None))
def nine_router_completed_without_output_and_usage() -> Reply:
    end = {"type": "response.completed", "response": {"id": "resp_1", "status": "completed"}}
    return data(created(), answer("Hello there"), end)


@deviation(Expected(texts=("Hello there",)))
def huggingfacejs_created_at_in_milliseconds() -> Reply:
    return lines(created(created_at=1795348199250), answer("Hello there"), terminal(created_at=1795348199250))


@deviation(Expected(texts=("Hello there",), usage=(7, 0, 7)))
def usage_in_part() -> Reply:
    return lines(created(), answer("Hello there"), terminal(usage={"input_tokens": 7, "output_tokens_details": None}))


# ---- error bodies --------------------------------------------------------------------------------------------------


@deviation(failed("server_error", "No model loaded."))
def lmstudio_error_under_http_200() -> Reply:
    return json_reply({"error": {"message": "No model loaded.", "type": "internal_error", "code": None}})


@deviation(failed("invalid_prompt", "Invalid type for 'input'."))
def lmstudio_closed_union() -> Reply:
    return json_reply({"error": {"message": "Invalid type for 'input'.", "code": "invalid_union"}}, 400)


@deviation(failed("invalid_prompt", "Argument not supported: instructions"))
def xai_error_is_a_string() -> Reply:
    return json_reply({"code": "400", "error": "Argument not supported: instructions"}, 400)


@deviation(failed("invalid_prompt", "context of 4096 tokens"))
def llamacpp_code_is_a_number() -> Reply:
    error = {"code": 400, "message": "Beyond the context of 4096 tokens", "type": "exceed_context_size_error"}
    return json_reply({"error": error}, 400)


@deviation(failed("invalid_prompt", "Unexpected fields in the request: x"))
def transformers_detail_is_a_string() -> Reply:
    return json_reply({"detail": "Unexpected fields in the request: x"}, 422)


@deviation(failed("invalid_prompt", "body.input: field required"))
def vllm_detail_is_a_list() -> Reply:
    return json_reply({"detail": [{"type": "missing", "loc": ["body", "input"], "msg": "field required"}]}, 422)


@deviation(failed("server_error", "Internal Server Error"))
def transformers_plain_text() -> Reply:
    return bare_error(500, b"Internal Server Error", "text/plain; charset=utf-8")


@deviation(failed("invalid_prompt", "store must be false"))
def openrouter_error_with_null_metadata() -> Reply:
    return json_reply({"error": {"code": "invalid_prompt", "message": "store must be false"}, "metadata": None}, 400)


@deviation(failed("server_error", "Insufficient credits"))
def openrouter_payment_required() -> Reply:
    return json_reply({"error": {"code": 402, "message": "Insufficient credits"}}, 402)


# ---- any server ----------------------------------------------------------------------------------------------------


@deviation(Expected(calls=((None, "weather", {"city": "Rome"}), (None, "weather", {"city": "Oslo"}))))
def calls_without_ids() -> Reply:
    bare = {"type": "function_call", "name": "weather"}
    rome, oslo = {**bare, "arguments": '{"city":"Rome"}'}, {**bare, "arguments": '{"city":"Oslo"}'}
    return data(created(), added(bare), done(rome), added(bare, 1), done(oslo, 1), terminal(output=[rome, oslo]))


@deviation(Expected(calls=(ROME, (None, "weather", {"city": "Oslo"}))))
def calls_with_the_same_id() -> Reply:
    return lines(created(), asked(), asked('{"city":"Oslo"}', "fc_o", "call_u", 1), terminal())


@deviation(bad_call("Let me look."))
def arguments_that_are_not_json() -> Reply:
    return lines(created(), answer("Let me look."), asked("city=Rome", index=1), terminal())


@deviation(Expected(calls=((None, "weather", {}),)))
def arguments_that_are_empty() -> Reply:
    return lines(created(), added(call(call_id="")), done(call("", call_id="")), terminal())


@deviation(Expected("incomplete", ("Let me look.",), spent="max_completion_tokens", cut=None))
def a_call_that_is_cut_off() -> Reply:
    end = terminal("incomplete", incomplete_details={"reason": "max_output_tokens"})
    return lines(created(), answer("Let me look."), asked('{"city":"Ro', index=1)[:2], end)


@deviation(Expected(texts=("One and more.", "Two and more.")))
def messages_by_turns() -> Reply:
    begin = [added(message(id="a")), added(message(id="b"), 1)]
    turns = [text("One", "a"), text("Two", "b", 1), text(" and more.", "a"), text(" and more.", "b", 1)]
    ends = [done(message("Two and more.", "b"), 1), done(message("One and more.", "a"))]
    return lines(created(), begin, turns, ends, terminal())


@deviation(Expected(texts=("Hello there",), calls=(ROME,)))
def everything_but_deltas_told_twice() -> Reply:
    steps = [created(), IN_PROGRESS, *answer("Hello there"), *asked(index=1), terminal()]
    return lines([copy for step in steps for copy in [step] * (1 if step["type"].endswith(".delta") else 2)])


@deviation(Expected(texts=("Hel", "Hello there"), calls=(OSLO,)))
def a_gateway_that_begins_anew_with_another_server() -> Reply:
    first = [
        created(id="resp_a"),
        added(message(id="a")),
        text("Hel", "a"),
        *asked(id="fc_a", call_id="call_a", index=1),
    ]
    whole = [message("Hello there", "b"), call('{"city":"Oslo"}', "fc_b", "call_o")]
    second = [*answer("Hello there", "b"), *asked('{"city":"Oslo"}', "fc_b", "call_o", 1)]
    return lines(first, created(id="resp_b"), second, terminal(output=whole))


@deviation(Expected(texts=("Hel", "lo there")))
def a_gateway_that_begins_anew_without_ids() -> Reply:
    first = [created(id="resp_a"), text("Hel", "")]
    return data(first, created(id="resp_b"), text("lo there", ""), terminal())


@deviation(Expected(texts=("Hello there",)))
def items_of_unknown_kinds() -> Reply:
    strange = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_c", "name": "patch", "input": "*** Begin"}
    unknown = [
        added(strange),
        {"type": "response.custom_tool_call_input.delta", "item_id": "ctc_1", "delta": "***"},
        done(strange),
    ]
    noise = [b'data: 1\n\ndata: [1]\n\ndata: "x"\n\ndata: null\n\ndata: {}\n\nid: 7\nretry: 10\n\ndata: [DONE]\n\n']
    return lines(created(), noise, unknown, answer("Hello there", index=1), {"type": "ping"}, terminal())


@deviation(Expected(texts=("First.", "Then."), calls=(ROME, OSLO)))
def texts_calls_and_thoughts_mixed() -> Reply:
    oslo = asked('{"city":"Oslo"}', "fc_o", "call_o", 4)
    thinking = [added(reasoning(), 3), done(reasoning(), 3)]
    steps = [answer("First.", "a", 0), asked(index=1), answer("Then.", "b", 2), thinking, oslo]
    return lines(created(), *steps, terminal())


@silence(failed("server_error", "sent nothing for", "Once upon"))
def silence_in_a_message() -> Reply:
    return lines(created(), added(message()), text("Once"), text(" upon"), Stall())


@silence(failed("server_error", "sent nothing for"))
def silence_after_created() -> Reply:
    return lines(created(), IN_PROGRESS, Stall())


@deviation(failed("server_error", "closed the stream before the response was complete", "Once"))
def an_end_in_the_middle_of_an_event() -> Reply:
    cut = json.dumps(text(" upon")).encode()[:40]
    return lines(created(), added(message()), text("Once"), b"data: " + cut)
