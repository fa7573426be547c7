"""The chat page: its address, the files it loads, and that a setting switches it on."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, render_template_string
from flask.testing import FlaskClient
from jinja2 import StrictUndefined

from flask_assistant_stream import create_assistant_blueprint
from flask_assistant_stream.errors import ConfigError
from flask_assistant_stream.routes import page
from flask_assistant_stream.routes.page import UI, page_files
from flask_assistant_stream.testing.scripted import ScriptedEngine

from .conftest import FRONT_END, PREFIX, MakeSite, Site

ROOT = re.compile(r"<div class=\"assistant-chat\" data-assistant-chat ([^>]*)>")
KINDS = {".js": "text/javascript", ".css": "text/css", ".map": "application/json"}
SCRIPTS_AND_STYLES = sorted(path.relative_to(UI).as_posix() for path in UI.rglob("*") if path.suffix in KINDS)
VERSION = page_files().version
CHAT = f"/ui/{VERSION}/built/chat.js"


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site(ui="on")


def attributes(html: str) -> dict[str, str]:
    root = ROOT.search(html)
    assert root, html
    return {name: unescape(value) for name, value in re.findall(r'data-([\w-]+)="([^"]*)"', root[1])}


def addresses(html: str) -> list[str]:
    return [address for address in re.findall(r'(?:src|href)="([^"]+)"', html) if not address.startswith("data:")]


@pytest.mark.parametrize("path", ["", "/"])
def test_it_is_at_the_prefix_for_everybody(site: Site, path: str) -> None:
    response = site.get(path, user="nobody")
    assert (response.status_code, response.content_type) == (200, "text/html; charset=utf-8")
    assert attributes(response.text) == {"base": PREFIX}
    assert site.post(path).get_json() == {"assistantId": "asst_default"}


def test_its_headers_let_it_load_from_its_own_origin_alone(site: Site) -> None:
    headers = site.get("/").headers
    policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy[kind] for kind in ("script-src", "style-src", "connect-src", "font-src")} == {"'self'"}
    assert policy["img-src"] == "'self' data: blob:"
    assert {policy[kind] for kind in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "same-origin")
    assert headers["Cache-Control"] == "private, no-cache"


INLINE = re.compile(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)")


def test_it_loads_existing_files_and_needs_no_more_than_the_policy(site: Site) -> None:
    html = site.get("/").text
    assert not INLINE.search(html)
    assert addresses(html)
    for address in addresses(html):
        assert address.startswith(f"{PREFIX}/ui/")
        assert site.client.get(address).status_code == 200, address
    assert set(addresses(html)) == {f"{PREFIX}/ui/{VERSION}/built/chat.{kind}" for kind in ("js", "css")}


def test_the_source_maps_name_files_that_there_are(site: Site) -> None:
    for name in ("chat.js", "chat.css"):
        address = f"/ui/{VERSION}/built/"
        (linked,) = re.findall(r"sourceMappingURL=(\S+)", site.get(address + name).text)
        sources = site.get(address + linked).get_json()["sources"]
        assert sources
        assert {site.get(address + source).status_code for source in sources} == {200}


@pytest.mark.parametrize("options", [{}, {"ui": "off"}])
def test_without_the_setting_there_is_no_page(make_site: MakeSite, options: dict[str, Any]) -> None:
    site = make_site(assistant_id="asst_support", **options)
    response = site.get("/")
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert site.get(CHAT).status_code == 404
    for path in ("", "/"):
        response = site.post(path)
        assert (response.status_code, response.get_json()) == (200, {"assistantId": "asst_support"})
    on = make_site(config={"ASSISTANT_UI": "on"})
    assert on.get("/").status_code == 200
    assert on.get("/openapi.json").get_json() == site.get("/openapi.json").get_json()


def test_methods_that_it_does_not_have(site: Site) -> None:
    response = site.request("PUT", "/")
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}
    assert site.request("DELETE", CHAT).status_code == 405
    assert site.request("HEAD", "/").status_code == 200


@pytest.mark.parametrize("name", SCRIPTS_AND_STYLES)
def test_scripts_and_styles(site: Site, name: str) -> None:
    response = site.get(f"/ui/{VERSION}/{name}", user="nobody")
    assert (response.status_code, response.mimetype) == (200, KINDS[Path(name).suffix])
    assert response.data == (UI / name).read_bytes()
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_browser_caches_them_until_the_version_changes(site: Site, make_site: MakeSite) -> None:
    assert site.get(CHAT).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    debugged = make_site(ui="on", config={"DEBUG": True})
    assert debugged.get(CHAT).headers["Cache-Control"] == "no-cache"
    first = site.get("/ui/0123456789ab/built/chat.js")
    assert first.headers["Cache-Control"] == "no-cache"
    again = site.get("/ui/0123456789ab/built/chat.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert site.get("/ui/0123456789ab/built/chat.js", headers={"If-None-Match": '"another"'}).status_code == 200


def test_the_version_is_that_of_all_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "UI", tmp_path)
    (tmp_path / "chat.js").write_text("1")
    one = page_files.__wrapped__()
    assert one == page_files.__wrapped__()
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "log.js").write_text("2")
    other = page_files.__wrapped__()
    assert other.version != one.version


UPWARD = ["../config.py", "..%2Fconfig.py", "%2e%2e/routes/page.py", "vendor/../../config.py", "..\\config.py"]


@pytest.mark.parametrize(
    "name", [*UPWARD, "nowhere.js", "/etc/passwd", "vendor", "vendor/README.md", "chat.js%00.css", ""]
)
def test_no_other_file_is_returned(site: Site, name: str) -> None:
    response = site.get(f"/ui/{VERSION}/{name}")
    assert response.status_code == 404
    assert response.get_json()["error"]["type"] == "invalid_request_error"


def test_an_import_names_a_file_that_there_is() -> None:
    for path in UI.rglob("*.js"):
        for target in re.findall(r"^import .* from \"([^\"]+)\"", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert (path.parent / target).is_file(), f"{path.name} imports {target}"


def blueprint(folder: Path, **options: Any) -> Blueprint:
    store = f"sqlite:///{folder / options.get('name', 'a')}.sqlite3"
    defaults = {"engine": ScriptedEngine(), "store": store, "owner": "shared:all", "titles": "off", "ui": "on"}
    return create_assistant_blueprint(**{**defaults, **options})


def client_of(app: Flask) -> FlaskClient:
    app.config.update(TESTING=True)
    return app.test_client()


def test_below_a_script_name_and_for_other_origins(site: Site) -> None:
    html = site.client.get(f"{PREFIX}/", base_url="http://localhost/sub").text
    assert attributes(html) == {"base": f"/sub{PREFIX}"}
    assert all(address.startswith(f"/sub{PREFIX}/ui/") for address in addresses(html))
    assert site.get("/", headers={"Origin": FRONT_END}).headers["Access-Control-Allow-Origin"] == FRONT_END
    assert "Access-Control-Allow-Origin" not in site.get("/", headers={"Origin": "https://evil.example"}).headers


@pytest.mark.parametrize(("prefix", "base"), [("/", ""), ("/a/b/c", "/a/b/c"), ("/chat/", "/chat")])
def test_below_any_prefix(tmp_path: Path, prefix: str, base: str) -> None:
    app = Flask("host")
    app.register_blueprint(blueprint(tmp_path, url_prefix=prefix))
    html = client_of(app).get(f"{base}/").text
    assert attributes(html) == {"base": base}
    assert all(client_of(app).get(address).status_code == 200 for address in addresses(html))


def test_two_in_one_app_talk_to_themselves(tmp_path: Path) -> None:
    app = Flask("host")
    for name, ui in (("one", "on"), ("two", "on"), ("three", "off")):
        app.register_blueprint(blueprint(tmp_path, name=name, url_prefix=f"/{name}", ui=ui))
    client = client_of(app)
    assert [attributes(client.get(f"/{name}").text)["base"] for name in ("one", "two")] == ["/one", "/two"]
    assert client.get("/three").status_code == 405


def test_in_a_blueprint_of_the_host(tmp_path: Path) -> None:
    app, area = Flask("host"), Blueprint("area", "host")
    area.register_blueprint(blueprint(tmp_path, url_prefix="/chat"))
    app.register_blueprint(area, url_prefix="/area")
    html = client_of(app).get("/area/chat").text
    assert attributes(html) == {"base": "/area/chat"}
    assert client_of(app).get(addresses(html)[0]).status_code == 200


LAYOUT = '<html><body><header>Mine</header>{% include "flask_assistant_stream/chat.html" %}</body></html>'


@pytest.mark.parametrize(
    ("ui", "name", "message"),
    [("off", "assistant_stream", "Set ASSISTANT_UI=on"), ("on", "helper", "one of: assistant_stream.")],
)
def test_a_host_includes_a_missing_page(make_site: MakeSite, ui: str, name: str, message: str) -> None:
    app = make_site(ui=ui).client.application
    with app.test_request_context("/"), pytest.raises(ConfigError, match=message):
        render_template_string(LAYOUT, assistant_stream=name)


def test_a_host_includes_it_in_a_layout_of_its_own(site: Site) -> None:
    @site.app.get("/help")
    def help_page() -> str:
        return render_template_string(LAYOUT)

    response = site.client.get("/help")
    assert "<header>Mine</header>" in response.text
    assert attributes(response.text) == {"base": PREFIX}
    assert "Content-Security-Policy" not in response.headers  # of a page of the host the host decides
    assert not INLINE.search(response.text)


def test_a_host_with_strict_templates_and_a_name_of_its_own(tmp_path: Path) -> None:
    app = Flask("host")
    app.jinja_env.undefined = StrictUndefined
    app.register_blueprint(blueprint(tmp_path, name="support", url_prefix="/support"))

    @app.get("/help")
    def help_page() -> str:
        return render_template_string(LAYOUT, assistant_stream="support")

    assert attributes(client_of(app).get("/help").text) == {"base": "/support"}
    assert attributes(client_of(app).get("/support").text) == {"base": "/support"}


def test_csrf_token_suggestions_and_tools_of_the_host(site: Site) -> None:
    suggestions = ['Say "hello" to <b>Anna</b>', "Ünï'cödé"]
    context = {"assistant_stream_suggestions": suggestions, "assistant_stream_tools": "/static/tools.js"}
    site.app.context_processor(lambda: context)
    site.app.jinja_env.globals["csrf_token"] = lambda: 'a"<token>'
    root = attributes(site.get("/").text)
    assert json.loads(root.pop("suggestions")) == suggestions
    assert root == {"base": PREFIX, "csrf-token": 'a"<token>', "tools": "/static/tools.js"}


def test_templates_of_the_host_are_its_own(site: Site, tmp_path: Path) -> None:
    own = tmp_path / "templates"
    (own / "flask_assistant_stream").mkdir(parents=True)
    (own / "page.html").write_text("the host's page")
    (own / "flask_assistant_stream" / "chat.html").write_text("the host's chat")
    app = Flask("host", template_folder=str(own))
    app.register_blueprint(blueprint(tmp_path))

    @app.get("/mine")
    def mine() -> str:
        return render_template_string('{% include "page.html" %}')

    client = client_of(app)
    assert client.get("/mine").text == "the host's page"
    assert "the host's chat" in client.get(PREFIX).text
