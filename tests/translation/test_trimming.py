"""Which messages fit a run's prompt tokens."""

from __future__ import annotations

from typing import Any

import pytest

from flask_assistant_stream.protocol import objects
from flask_assistant_stream.translation.past_messages import FILE_TOKENS
from flask_assistant_stream.translation.trimming import trim

from .material import run


def message(content: str, *more: dict[str, Any]) -> dict[str, Any]:
    return objects.message("msg_1", 1, "thread_1", "user", [objects.text_part(content), *more])


OLD, NEW = message("o" * 400), message("n" * 400)


BOTH = [OLD, NEW]


@pytest.mark.parametrize(
    ("limit", "kept"), [(None, BOTH), (256, BOTH), (204, BOTH), (203, BOTH), (202, [NEW]), (10, [NEW])]
)
def test_the_oldest_is_left_out_and_never_the_newest(limit: int | None, kept: list[Any]) -> None:
    """Two messages of 100 tokens, and 3 of instructions."""
    assert trim(run(max_prompt_tokens=limit), [OLD, NEW], []) == kept
    assert trim(run(max_prompt_tokens=10), [], []) == []


def test_what_the_run_has_used_and_adds_counts() -> None:
    limited = run(max_prompt_tokens=256)
    assert trim(limited, [OLD, NEW], [], used=60) == [NEW]
    assert trim(limited, [OLD, NEW], [{"type": "function_call_output", "output": "x" * 300}]) == [NEW]
    tools = [{"type": "function", "function": {"name": "f", "description": "d" * 300}}]
    assert trim(run(max_prompt_tokens=256, tools=tools), [OLD, NEW], []) == [NEW]


def test_images_and_other_scripts_count() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "auto"}}
    assert trim(run(max_prompt_tokens=FILE_TOKENS), [message("x", image), NEW], []) == [NEW]
    assert trim(run(max_prompt_tokens=300), [message("語" * 300), NEW], []) == [NEW]
