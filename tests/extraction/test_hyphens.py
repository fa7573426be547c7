"""Words that a line's end cuts."""

from __future__ import annotations

import pytest

from flask_assistant_stream.extraction.readers.hyphens import joined


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the infor-\nmation", "the information"),
        ("the infor- \n mation", "the information"),
        ("Donau\u00ad\ndampf und Wörter\u2010\nbuch", "Donaudampf und Wörterbuch"),
        ("INFOR-\nMATION", "INFORMATION"),
        ("a well-\nknown self-\ntest", "a well-known self-test"),
        ("Baden-\nWürttemberg", "Baden-Württemberg"),
        ("an e-mail: this e-\nmail", "an e-mail: this e-mail"),
        ("online and on-\nline, on-line", "online and online, on-line"),
        ("Ein- \nund Ausgang", "Ein- und Ausgang"),
        ("2024-\n2025", "2024-\n2025"),
        ("- one\n- two", "- one\n- two"),
        ("cut-\n\nparagraph", "cut-\n\nparagraph"),
        ("-\nx", "-\nx"),
    ],
)
def test_joined(text: str, expected: str) -> None:
    assert joined(text) == expected
