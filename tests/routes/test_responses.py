"""JSON responses in UTF-8."""

from __future__ import annotations

import json

import pytest

from flask_assistant_stream.routes.responses import json_response


@pytest.mark.parametrize("text", ["Grüße, 世界 👋\u2028\x00", 'cut \ud83d"', "\\\ud83d", "\udc4b\ud83d"])
def test_every_text_arrives(text: str) -> None:
    data = json_response({text: [text]}).data
    assert json.loads(data.decode("utf-8")) == json.loads(json.dumps({text: [text]}))


def test_text_is_not_escaped() -> None:
    assert json_response({"a": "é👋"}).data == '{"a":"é👋"}'.encode()
