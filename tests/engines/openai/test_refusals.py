"""Refusals of an input that another request avoids: a full context, a file or image that is gone."""

from __future__ import annotations

from typing import Any

import pytest

from flask_assistant_stream.engines.openai.http_connect import Address
from flask_assistant_stream.engines.openai.http_errors import refused
from flask_assistant_stream.engines.openai.refusals import failed_input, unusable_input
from flask_assistant_stream.errors import ContextOverflow, EngineError, UnusableInput
from flask_assistant_stream.protocol.events import dump
from flask_assistant_stream.translation.failures import classify

HERE = Address.parse("https://up.example/v1", "/responses")
LINK = "https://bucket.example/cat.png?sig=a%2Fb&exp=1"

OVERFLOWS: list[tuple[int, dict[str, Any], int | None]] = [
    (400, {"code": "context_length_exceeded", "message": "maximum context length is 8192 tokens"}, 8192),
    (400, {"code": "context_length_exceeded", "message": "Your input exceeds the context window of this model."}, None),
    (429, {"code": "context_length_exceeded", "message": "?"}, None),
    (400, {"message": "Input tokens exceed the configured limit of 272000 tokens. Yours: 300000."}, 272_000),
    (
        400,
        {"code": "array_above_max_length", "param": "input", "message": "Expected at most 16384 items."},
        None,
    ),
    (
        400,
        {
            "type": "exceed_context_size_error",
            "code": 400,
            "n_ctx": 4096,
            "n_prompt_tokens": 5000,
            "message": "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
        },
        4096,
    ),
    (500, {"message": "the request exceeds the available context size, try increasing it"}, None),
    (
        400,
        {
            "code": 400,
            "type": "BadRequestError",
            "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4000 "
            "in the messages, 1000 in the completion).",
        },
        4096,
    ),
    (
        400,
        {"message": "The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure that"},
        4096,
    ),
    (400, {"message": "The engine prompt length 5000 exceeds the max_model_len 4096. Please reduce prompt."}, 4096),
    (
        400,
        {
            "code": "400",
            "message": "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError: "
            "OpenAIException - This model's maximum context length is 16,385 tokens. However, you",
        },
        16_385,
    ),
    (
        400,
        {
            "message": "The number of tokens to keep from the initial prompt is greater than the context length "
            "(n_keep: 5000>= n_ctx: 4096). Try to load the model with a larger context length"
        },
        4096,
    ),
    (400, {"message": "prompt too long; exceeded max context length by 200 tokens"}, None),
    (400, {"message": "The input (5000 tokens) is longer than the model's context length (4096 tokens)."}, 4096),
    (400, {"message": "Input length (5000 tokens) exceeds the maximum allowed length (4090 tokens)."}, 4090),
    (400, {"message": "This endpoint's maximum context length is 32768 tokens. However, you requested"}, 32_768),
    (400, {"message": "This model's maximum prompt length is 131072 but the request contains 537812 tokens"}, 131_072),
    (400, {"message": "Please reduce the length of the messages or completion."}, None),
    (413, {"message": "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 7000"}, 6000),
    (400, {"message": "prompt is too long: 213462 tokens > 200000 maximum"}, 200_000),
    (400, {"message": "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000"}, 200_000),
    (400, {"message": "The input token count (1196265) exceeds the maximum number allowed (1048575)."}, 1048575),
    (400, {"message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context"
           " length"}, 32_768),
    (422, {"message": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"}, 4096),
    (400, {"message": "prompt token count of 150000 exceeds the limit of 128000"}, 128_000),
]  # fmt: skip


@pytest.mark.parametrize(("status", "error", "limit"), OVERFLOWS)
def test_a_full_context_is_one_error_with_its_limit(status: int, error: dict[str, Any], limit: int | None) -> None:
    found = refused(HERE, status, {}, dump({"error": error}))
    assert isinstance(found, ContextOverflow)
    assert (found.code, found.limit) == ("context_length_exceeded", limit)
    assert classify(found.code) == "invalid_prompt"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"message": "max_tokens is too large: 9000. This model supports at most 4096 completion tokens."}),
        (400, {"message": "Unsupported parameter: 'input[0].content[0].file_id'.", "param": "x"}),
        (404, {"message": "The model `m` does not exist.", "code": "model_not_found"}),
        (404, {"message": "Vector store with id [vs_1] not found."}),
        (429, {"message": "Rate limit reached, please reduce the length of the messages."}),
        (401, {"message": "Incorrect API key provided: file-not-found"}),
        (500, {"message": "Failed to download the weights of the model."}),
        (500, {"message": "404, message='Not Found', url='https://example.com/weights'"}),
        (400, {"message": "Failed to load model file."}),
        (400, {"message": "Invalid schema for response_format 'image'.", "param": "text.format.schema"}),
        (400, {"code": "string_above_max_length", "param": "instructions", "message": "too long"}),
    ],
)
def test_other_refusals_are_plain_errors(status: int, error: dict[str, Any]) -> None:
    assert type(refused(HERE, status, {}, dump({"error": error}))) is EngineError


PARTS = [{"type": "input_text", "text": "look"}, {"type": "input_image", "image_url": LINK}]
SENT = {"input": [{"type": "message", "role": "user", "content": PARTS}, {"role": "user", "content": "and now?"}]}


@pytest.mark.parametrize(
    ("status", "error", "file_id", "url"),
    [
        (400, {"code": "invalid_image_url", "message": f"Error while downloading {LINK}."}, None, LINK),
        (400, {"code": "invalid_value", "param": "url", "message": f"Timeout while downloading {LINK}."}, None, LINK),
        (400, {"param": "input[0].content[1].image_url", "message": "Failed to download image."}, None, LINK),
        (400, {"message": "Invalid 'input[0].content[1].image_url'. Expected a valid URL."}, None, LINK),
        (422, {"message": "body.input.0.content.1: invalid image"}, None, LINK),
        (500, {"message": f"404, message='Not Found', url='{LINK}'", "code": 500}, None, LINK),
        (404, {"param": "id", "message": "No such File object: file-FZ3UiIdfjYFzAsooLLUtu01F"}, *(
            "file-FZ3UiIdfjYFzAsooLLUtu01F", None)),
        (400, {"message": "Files [file-abc] were not found."}, "file-abc", None),
        (400, {"message": "The file assistant-abc123 could not be found."}, "assistant-abc123", None),
        (400, {"message": "File with id 'file_6f12ab' does not exist."}, "file_6f12ab", None),
        (400, {"code": "image_parse_error", "message": "The image could not be read."}, None, None),
    ],
)  # fmt: skip
def test_a_dead_file_or_image_is_one_error_that_names_it(
    status: int, error: dict[str, Any], file_id: str | None, url: str | None
) -> None:
    found = refused(HERE, status, {}, dump({"error": error}), SENT)
    assert isinstance(found, UnusableInput)
    assert (found.code, found.file_id, found.url) == ("unusable_input", file_id, url)
    assert classify(found.code) == "invalid_prompt"


def test_the_message_of_the_error_is_the_callers() -> None:
    found = unusable_input("Words.", 400, "prompt is too long")
    assert found is not None
    assert (found.message, str(found)) == ("Words.", "Words.")
    other = found.with_message("Others.")
    assert (type(other), other.message, str(other), other.detail) == (ContextOverflow, "Others.", "Others.", "Words.")


@pytest.mark.parametrize(
    "items",
    [
        [{"type": "error", "error": {"code": "context_length_exceeded", "message": "at most 8192"}}],
        [{"type": "error", "code": "context_length_exceeded", "message": "at most 8192"}],
        [{"type": "response.failed", "response": {"error": {"code": "context_length_exceeded", "message": "no"}}}],
        [
            {"type": "response.failed", "response": {"error": None}},
            {"type": "error", "error": {"message": "the request exceeds the available context size"}},
        ],
    ],
)
def test_a_failure_inside_the_stream_counts_too(items: list[dict[str, Any]]) -> None:
    assert isinstance(failed_input(items, {}), ContextOverflow)


def test_other_failures_inside_the_stream_do_not() -> None:
    assert failed_input([{"type": "error", "message": "overloaded"}, {"type": "response.failed"}], {}) is None
