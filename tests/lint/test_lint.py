"""Each rule finds what it is about in a sample that breaks it, and says where."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.lint import architecture, isolation, layers
from tests.lint.__main__ import RULES, main
from tests.lint.source import PACKAGE, ROOT

PAGE = """`make nothing`, ASSISTANT_NOTHING, `tests/nothing.py`, `stores/nothing.py`
```python
from flask_assistant_stream import Nothing
```
```python
def python
```
```json
not json
```
"""


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """Make an empty repository."""
    files = {"Makefile": "test:\n", "docs/README.md": "", f"{PACKAGE}/__init__.py": "", "tests/__init__.py": ""}
    for name, text in files.items():
        write(tmp_path, name, text)
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def problems(rule: str, root: Path) -> list[str]:
    found: list[str] = importlib.import_module(f"tests.lint.{rule}").check(root)
    return found


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "citations"])
def test_nothing_is_wrong_with_an_empty_package(rule: str, sample: Path) -> None:
    assert problems(rule, sample) == []


WRONG = [
    ("layers", "protocol/writer.py", "import flask\n", "1: imports flask; the row 'protocol' allows"),
    ("layers", "protocol/writer.py", "\nimport time\n", "2: imports time; the protocol and the translation are pure"),
    ("layers", "protocol/writer.py", "from ..stores import base\n", "1: imports flask_assistant_stream.stores;"),
    ("layers", "stores/new.py", "import asyncio\n", "1: imports asyncio; `threading` is the only concurrency"),
    ("layers", "stores/new.py", "import threading\nthreading.Thread()\n", "2: starts a thread"),
    ("layers", "stores/new.py", "from threading import Timer\n", "1: starts a thread"),
    ("layers", "stores/new.py", "import sys\nsys.modules['gevent']\n", "2: looks at gevent"),
    ("layers", "log/new.py", "import importlib\nimportlib.import_module('x')\n", "2: imports a module by a name"),
    ("layers", "routes/new.py", "import flask\n", "1: imports flask as a module"),
    ("layers", "elsewhere.py", "", "1: elsewhere has no row in TABLE"),
    ("words", "stores/new.py", "class StoreManager: ...\n", "1: the name 'StoreManager' uses 'manager'"),
    ("words", "stores/utils.py", "", "1: the name 'utils' uses 'utils'"),
    ("words", "stores/new.py", "def f(helper): ...\n", "1: the name 'helper' uses 'helper'"),
    ("class_names", "stores/new.py", "class One: ...\nclass _One: ...\n", "2: the class name One is defined"),
    ("module_names", "stores/extension.py", "", "1: a module named extension is also in"),
    ("file_length", "stores/new.py", "\n" * 401, "1: 401 lines"),
    ("file_length", "ui/new.js", "\n" * 401, "1: 401 lines"),
]


@pytest.mark.parametrize(("rule", "name", "text", "expected"), WRONG)
def test_a_wrong_file_is_found(rule: str, name: str, text: str, expected: str, sample: Path) -> None:
    write(sample, f"{PACKAGE}/extension.py", "")
    write(sample, f"{PACKAGE}/{name}", text)
    assert [text for text in problems(rule, sample) if text.startswith(f"{PACKAGE}/{name}:{expected}")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from tests.test_other import x\n", "imports from tests.test_other"),
        ("from flask_assistant_stream.log import _x\n", "imports _x"),
        ("\nstore._lock\n", "reads _lock"),
    ],
)
def test_a_test_that_does_not_stand_alone_is_found(text: str, expected: str, sample: Path) -> None:
    write(sample, "tests/test_new.py", text)
    (problem,) = problems("isolation", sample)
    assert expected in problem


def test_a_test_may_read_what_it_defines(sample: Path) -> None:
    write(sample, "tests/test_new.py", "class A:\n    def f(self):\n        self._x = 1\n        return A()._x\n")
    assert problems("isolation", sample) == []


def test_a_long_file_may_say_why(sample: Path) -> None:
    write(sample, f"{PACKAGE}/new.py", '"""Long because it is one table."""\n' + "\n" * 400)
    assert problems("file_length", sample) == []


@pytest.mark.parametrize(
    "expected",
    [
        "1: `make nothing` is no target",
        "1: ASSISTANT_NOTHING is no setting",
        "1: tests/nothing.py does not exist",
        "1: stores/nothing.py does not exist",
        "3: Nothing is not public",
        "6: the snippet is no Python",
        "9: the snippet is no JSON",
    ],
)
def test_a_wrong_page_is_found(expected: str, sample: Path) -> None:
    write(sample, "docs/page.md", PAGE)
    assert [text for text in problems("pages", sample) if text.startswith(f"docs/page.md:{expected}")]


def test_a_page_that_the_index_does_not_list_is_found(sample: Path) -> None:
    write(sample, "docs/page.md", "")
    assert problems("pages", sample) == ["docs/README.md:1: page.md is not listed"]


def test_a_circle_is_found(sample: Path) -> None:
    write(sample, f"{PACKAGE}/stores/base.py", "from . import listing\n")
    write(sample, f"{PACKAGE}/stores/listing.py", "from . import base\n")
    circles = [text for text in problems("layers", sample) if "circle: " in text]
    assert circles
    assert all("stores.base is imported by stores.listing" in text for text in circles)


def test_a_row_without_a_module_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(layers.TABLE, "nowhere", "")
    assert "tests/lint/layers.py:1: the row 'nowhere' has no module" in layers.check(ROOT)


def test_problems_are_printed_and_fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(isolation, "check", lambda: ["a.py:1: wrong"])
    assert main() == 1
    assert "a.py:1: wrong" in capsys.readouterr().out


def test_a_tree_that_lacks_a_module_or_names_another_is_found(sample: Path) -> None:
    lines = ["```", f"{PACKAGE}/", "  errors.py   errors", "  stores/   stores", "    base.py gone.py   interface"]
    tree = "\n".join([*lines, "  log/   the log", "```", ""])
    for name in ("errors.py", "stores/base.py", "stores/new.py", "log/follow.py", "other.py"):
        write(sample, f"{PACKAGE}/{name}", "")
    write(sample, "docs/architecture.md", tree)
    assert architecture.check(sample) == [
        "docs/architecture.md:5: stores/gone.py does not exist",
        "docs/architecture.md:1: the tree lacks other.py",
        "docs/architecture.md:1: the tree lacks stores/new.py",
    ]
