"""The documentation says what the code does: settings, routes, commands and snippets."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import flask_wtf.csrf
import pytest
from flask import Flask

from flask_assistant_stream import KEYS, Key, Settings, create_assistant_blueprint, errors, shared_owner
from flask_assistant_stream.extension import Options
from flask_assistant_stream.routes import RESOURCES
from flask_assistant_stream.routes.openapi import describe
from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from flask_assistant_stream.testing.scripted import ScriptedEngine, text
from tests.cutting import cutting
from tests.mongodb_server import reading
from tests.node_clients import node_program
from tests.pages import DOCS, blocks, prose, quoted, read

ROOT = Path(__file__).parent.parent
TYPES = {
    "str": "text",
    "str | None": "text",
    "str | Store | None": "text, or a `Store`",
    "str | Engine | None": "text, or an `Engine`",
    "str | Storage | None": "text, or a `Storage`",
    "bool": "on or off",
    "int": "whole number",
    "float": "number",
    "tuple[str, ...]": "list",
    "Mapping[str, str]": "pairs",
}
"""What the configuration page calls the types of settings."""


def key_table() -> dict[str, list[str]]:
    """Return the rows of the page's table of keys: cells by key."""
    section = read(DOCS / "configuration.md").partition("## The keys")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row for row in rows}


def default_in_words(key: Key) -> list[str]:
    """Return the values in backticks of a key's default cell; none without a default."""
    if isinstance(key.default, bool):
        return ["on" if key.default else "off"]
    if not key.default:
        return []
    values = key.default if isinstance(key.default, tuple) else [key.default]
    return [f"{value:g}" if isinstance(value, float) else str(value) for value in values]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_the_configuration_page_says_what_the_table_says(key: Key) -> None:
    _, argument, origin, kind, unit, default, meaning = key_table()[key.name]
    assert quoted(argument) == [key.argument]
    assert tuple(quoted(origin)) == key.origin
    assert kind == TYPES[Settings.__annotations__[key.argument]]
    assert unit == key.unit
    assert quoted(default) == default_in_words(key)
    assert default_in_words(key) or default.startswith("none")
    assert len(meaning) > 10


def test_the_configuration_page_has_every_key_and_argument_and_no_other() -> None:
    assert list(key_table()) == [key.name for key in KEYS], "in order"
    section = read(DOCS / "configuration.md").partition("## Arguments that only code can give")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    settings = {key.argument for key in KEYS} | {"mongo_uri"}
    assert named == {*Options.__annotations__} - settings | {"url_prefix", "name"}


def test_the_reliability_page_names_every_chaos_test() -> None:
    named = quoted(prose(DOCS / "reliability.md"))
    assert {f"tests/chaos/{path.name}" for path in (ROOT / "tests" / "chaos").glob("test_*.py")} <= {*named}


def test_the_troubleshooting_page_quotes_messages_of_the_code() -> None:
    foreign = ("Address already", "No 'Access-Control", "response.headers", "gunicorn", "gevent")
    paths = [*(ROOT / "flask_assistant_stream").rglob("*.py"), Path(flask_wtf.csrf.__file__)]
    sources = [path.read_text(encoding="utf-8") for path in paths]
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(sources))  # adjacent literals are one text
    quotes = re.findall(r"\*\*`(?:ConfigError: )?([^`]+)`\*\*", read(DOCS / "troubleshooting.md"))
    ours = [quote for quote in quotes if not quote.startswith(foreign)]
    pieces = [piece.strip(" '.") for quote in ours for piece in re.split(r"…|\d+|'", quote)]
    assert len(pieces) > 15
    assert [piece for piece in pieces if piece not in code] == []


def described() -> dict[str, dict[str, Any]]:
    """Return the operations of the API description by `METHOD /path`."""
    document = describe(RESOURCES, "/")
    return {
        f"{method.upper()} {path}": {**operation, "schemas": document["components"]["schemas"]}
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


OPERATIONS = described()


def sections() -> dict[str, str]:
    """Return the sections of the HTTP page and the SDK page that are about a route, by `METHOD /path`."""
    parts = [part for page in ("http.md", "sdk.md") for part in re.split(r"^###? ", read(DOCS / page), flags=re.M)]
    return {quoted(part)[0]: part for part in parts if re.match(r"`[A-Z]+ /", part)}


def test_the_http_pages_have_every_route_and_no_other() -> None:
    assert sorted(sections()) == sorted(OPERATIONS)


@pytest.mark.parametrize("route", OPERATIONS)
def test_the_http_pages_name_what_a_route_takes(route: str) -> None:
    operation, said = OPERATIONS[route], sections()[route]
    body = operation.get("requestBody")
    if body is not None:
        name = next(iter(body["content"].values()))["schema"]["$ref"].rpartition("/")[2]
        assert [key for key in operation["schemas"][name]["properties"] if f"`{key}`" not in said] == []
    query = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"} - {"format"}
    if query == {"limit", "order", "after", "before"}:
        assert "(#lists)" in said
    else:
        assert [name for name in query if f"`{name}`" not in said] == []
    streams = "text/event-stream" in operation["responses"]["200"]["content"]
    assert ("(#streams)" in said) == streams


def test_the_http_page_names_every_status_of_an_error() -> None:
    table = read(DOCS / "http.md").partition("## Errors")[2]
    statuses = {int(status) for status in re.findall(r"^\| (\d{3}) \|", table, re.MULTILINE)}
    raised = [value for value in vars(errors).values() if isinstance(value, type)]
    assert {kind.status for kind in raised if issubclass(kind, errors.AssistantStreamError)} <= statuses


def test_the_set_up_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logging.basicConfig", lambda **options: None)
    monkeypatch.setattr("logging.Logger.setLevel", lambda logger, level: None)
    for block in blocks(DOCS / "setup.md", "python"):
        exec(block, {"__name__": "snippet"})


def defined(block: str, folder: Path) -> dict[str, Any]:
    """Run a snippet as the module `app` in a folder and return its names."""
    path = folder / "app.py"
    path.write_text(block, encoding="utf-8")
    module = ModuleType("app")
    module.__file__ = str(path)  # Flask finds its instance folder beside it
    sys.modules["app"] = module
    exec(compile(block, str(path), "exec"), module.__dict__)
    return vars(module)


@pytest.fixture
def as_documented(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Return an empty folder to work in, with the environment of the pages."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MONGODB_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FLASK_SECRET_KEY", "change-me")
    monkeypatch.setenv("ASSISTANT_OFFLINE_DELAY_SECONDS", "0")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("app", None)


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "quickstart.md"], ids=lambda page: page.name)
def test_the_host_app_answers(page: Path, as_documented: Path) -> None:
    block = blocks(page, "python")[0]
    assert page.name != "README.md" or len(re.findall(r"^.*\S", block, re.M)) <= 10, "as short as promised"
    app = defined(block, as_documented)["create_app"]()
    client = app.test_client()
    answer = client.post("/api/assistants/chat/stream", data='{"content": "hello"}')
    events = decode_ndjson(answer.data)
    assert "offline engine" in text_of(events)
    assert events[-1].name == "thread.run.completed"
    assert len(client.get("/api/assistants/threads").get_json()["data"]) == 1
    assert app.test_client().get("/api/assistants/threads").get_json()["data"] == []
    assert (as_documented / "instance" / "assistant_stream.sqlite3").exists()


@pytest.mark.slow
def test_the_tests_of_the_testing_page_pass(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(blocks(DOCS / "quickstart.md", "python")[0], encoding="utf-8")
    for number, block in enumerate(blocks(DOCS / "testing.md", "python")):
        name = "conftest.py" if block.startswith("# conftest.py\n") else f"test_{number}.py"
        (tmp_path / name).write_text(block, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(tmp_path)]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("ASSISTANT_")}
    result = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout
    assert not (tmp_path / "instance").exists()


def test_the_set_up_page_names_every_collection(mongodb_url: str, tmp_path: Path) -> None:
    app = Flask("host", instance_path=str(tmp_path))
    blueprint = create_assistant_blueprint(
        store=mongodb_url, engine=ScriptedEngine(text("yes")), authenticate=shared_owner("anna")
    )
    app.register_blueprint(blueprint)
    assert app.test_client().post("/api/assistants/chat/stream", json={"content": "?"}).data
    said = quoted(prose(DOCS / "setup.md"))
    with reading(mongodb_url) as database:
        for collection in database.list_collection_names():
            assert collection in said
            assert {*database[collection].index_information()} - {"_id_"} <= set(said)
    app.extensions["flask_assistant_stream"]["assistant_stream"].store.close()


@pytest.fixture
def api(as_documented: Path) -> Iterator[str]:
    """Serve an app whose answers break off in mid-stream twice; yield its address."""
    app = Flask("host", instance_path=str(as_documented))
    engine = ScriptedEngine(text("Grüße aus Köln und noch ein paar Wörter mehr."), text("Noch einmal."))
    app.register_blueprint(create_assistant_blueprint(engine=engine, authenticate=shared_owner("anna")))
    with cutting(app) as address:
        yield address


def run_in_node(script: str, folder: Path) -> Any:
    """Run a module and return the JSON that it prints."""
    path = folder / "page.mjs"
    path.write_text(script, encoding="utf-8")
    result = subprocess.run([node_program(), str(path)], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.node
def test_the_page_asks_and_mends_a_broken_stream(api: str, as_documented: Path) -> None:
    client = ROOT / "tests/node/node_modules/openai-7.57.0/lib/AssistantStream.mjs"
    assert client.exists(), "run npm ci in tests/node, or make test"
    (ask,), (resumable,) = blocks(ROOT / "README.md", "js"), blocks(DOCS / "http.md", "js")
    assert "fromReadableStream(response.body)" in ask
    page = "\n".join([resumable, ask.replace("(response.body)", "(resumable(response))")])
    page = page.replace('"openai/lib/AssistantStream"', json.dumps(client.as_uri())).replace("/api/assistants", api)
    said = run_in_node(
        page + 'let said = ""; const more = (piece) => { said += piece; };\n'
        'const thread = await ask("Hallo", null, more); await ask("Und?", thread, more);\n'
        "console.log(JSON.stringify([said, thread]));",
        as_documented,
    )
    assert said[0] == "Grüße aus Köln und noch ein paar Wörter mehr.Noch einmal."
    assert said[1].startswith("thread_")
