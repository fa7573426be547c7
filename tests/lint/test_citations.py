"""The check of citations finds what does not resolve."""

from __future__ import annotations

import pytest

from tests.lint.citations import ROOT, check, problems


def test_every_citation_and_link_resolves() -> None:
    assert check() == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", "# see `spec/assistants.md#no-such-section`"),
        ("a.py", "# see `spec/no-such-page.md`"),
        ("a.py", "# see docs/no-such-page.md"),
        ("a.py", "# see wire.md"),
        ("a.py", "# run protocol 6"),
        ("a.py", "# upstreams.md, rule 18"),
        ("a.js", "// (rule 18)"),
        ("README.md", "[a page](docs/no-such-page.md)"),
        ("README.md", "[a section](docs/http.md#no-such-section)"),
        ("README.md", "[a section](#no-such-section)"),
    ],
)
def test_a_citation_or_link_that_does_not_resolve_is_a_problem(name: str, text: str) -> None:
    assert [line for line, _ in problems(ROOT / name, f"\n{text}\n")][:1] == [2]


@pytest.mark.parametrize(
    "text", ["`spec/assistants.md#stream-framing`", "[streams](docs/http.md#streams)", "[a site](https://example.org)"]
)
def test_one_that_resolves_is_none(text: str) -> None:
    assert list(problems(ROOT / "README.md", text)) == []
