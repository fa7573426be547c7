"""Safe names of generated files."""

from __future__ import annotations

import pytest

from flask_assistant_stream.files.generated_files import safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ann\\report.pdf", "report.pdf"),
        ("a\x00b\r\nc\x7f.txt", "abc.txt"),
        ("a\ud800b.txt", "ab.txt"),
        ("u\u0308ber.txt", "über.txt"),
        ("line\u2028break.txt", "linebreak.txt"),
        ("  spaced.txt ", "spaced.txt"),
        ("...", "..."),
        (".hidden", ".hidden"),
        ("", ""),
        (".", ""),
        ("..", ""),
        ("dir/", ""),
        ("dir/..", ""),
    ],
)
def test_safe_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_long_name_keeps_its_ending() -> None:
    assert safe_name("x" * 300 + ".pdf") == "x" * 251 + ".pdf"
    assert safe_name("x" * 300) == "x" * 255
    assert len(safe_name("x." + "y" * 300)) == 255
