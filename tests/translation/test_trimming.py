"""Which messages fit a run's prompt tokens."""

from __future__ import annotations

from typing import Any

import pytest

from flask_assistant_stream.protocol import objects
from flask_assistant_stream.translation.trimming import IMAGE_TOKENS, trim

from .material import run


def message(content: str, *more: dict[str, Any]) -> dict[str, Any]:
    return objects.message("msg_1", 1, "thread_1", "user", [objects.text_part(content), *more])


OLD, NEW = message("o" * 400), message("n" * 400)


def test_without_a_limit_all_are_sent() -> None:
    assert trim(run(), [OLD, NEW], []) == [OLD, NEW]


@pytest.mark.parametrize(("limit", "kept"), [(256, [OLD, NEW]), (204, [OLD, NEW]), (203, [OLD, NEW]), (202, [NEW])])
def test_the_oldest_are_left_out(limit: int, kept: list[Any]) -> None:
    """Two messages of 100 tokens, and 3 of instructions."""
    assert trim(run(max_prompt_tokens=limit), [OLD, NEW], []) == kept


def test_the_newest_is_never_left_out() -> None:
    assert trim(run(max_prompt_tokens=10), [OLD, NEW], []) == [NEW]
    assert trim(run(max_prompt_tokens=10), [], []) == []


def test_what_the_run_has_used_and_adds_counts() -> None:
    limited = run(max_prompt_tokens=256)
    assert trim(limited, [OLD, NEW], [], used=60) == [NEW]
    assert trim(limited, [OLD, NEW], [{"type": "function_call_output", "output": "x" * 300}]) == [NEW]
    tools = [{"type": "function", "function": {"name": "f", "description": "d" * 300}}]
    assert trim(run(max_prompt_tokens=256, tools=tools), [OLD, NEW], []) == [NEW]


def test_images_and_other_scripts_count() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "auto"}}
    assert trim(run(max_prompt_tokens=IMAGE_TOKENS), [message("x", image), NEW], []) == [NEW]
    assert trim(run(max_prompt_tokens=300), [message("語" * 300), NEW], []) == [NEW]
