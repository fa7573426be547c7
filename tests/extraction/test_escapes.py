"""JSON and XML: escapes are searchable; what is no JSON stays as it is."""

from __future__ import annotations

import json

import pytest

from tests.extraction.reading import text_of


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (json.dumps({"a": "Rückgabe 🎈"}), '{"a": "Rückgabe 🎈"}'),
        (r'["R\u00FCck", "\ud83c\udf88\ud83c\udf88"]', '["Rück", "🎈🎈"]'),
        (r'["one\ntwo", "a\tb", "\/"]', '["one\ntwo", "a\tb", "/"]'),
        (r'["\\u00fc", "\\\u00fc", "\""]', r'["\\u00fc", "\\ü", "\""]'),
        (r'["\ud800 alone", "\u0000", "\u0022"]', r'["\ufffd alone", "\u0000", "\u0022"]'.replace(r"\ufffd", "\ufffd")),
        ('{"a": 1}\n{"a": "\\u00fc"}', '{"a": 1}\n{"a": "ü"}'),
        ('{"a": "\\u00e9"}\n{broken "line\n{"a": "\\u00fc"}', '{"a": "é"}\n{broken "line\n{"a": "ü"}'),
        (r'{"a": NaN, "b": -Infinity, "c": "\u00fc"}', '{"a": NaN, "b": -Infinity, "c": "ü"}'),
        (r'{"dup": "\u00e9", "dup": 1e400}', '{"dup": "é", "dup": 1e400}'),
    ],
)
def test_escapes_of_json(name: str, source: str, expected: str) -> None:
    assert text_of(name, source.encode()) == expected


@pytest.mark.parametrize(
    "source",
    [r"{path: C:\new\u00fc}", r'{"a": "C:\q"}', r'{"a": "\u00f"}', r"// note \u00fc" + '\n{"a": 1}', r"\frac{a}{b}"],
)
def test_what_is_no_json_is_not_changed(source: str) -> None:
    assert text_of("a.json", source.encode()) == source


def test_json_nested_deeply_or_with_many_escapes() -> None:
    assert "ü" in text_of("a.json", b"[" * 200_000 + rb'"\u00fc"' + b"]" * 200_000)
    assert text_of("a.json", b'"' + rb"\u00fc" * 500_000 + b'"') == '"' + "ü" * 500_000 + '"'


def test_references_of_xml() -> None:
    source = '<?xml version="1.0"?><p a="&#xFC;">R&#252;ck &uuml;ber &lt;b&gt; &amp; &unknown;</p>'
    assert text_of("a.xml", source.encode()) == '<?xml version="1.0"?><p a="ü">Rück über &lt;b&gt; &amp; &unknown;</p>'
