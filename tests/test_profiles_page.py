"""`docs/upstreams.md` says what the table of profiles says, and how each cell was found out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from flask_assistant_stream.profiles import API_KEY, OPTIONAL_FIELDS, PROFILES, PROMISES, UNKNOWN, Profile, profile_of

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "upstreams.md").read_text(encoding="utf-8")
HOWS = "lcsdi–"
by_name = pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))


def table(first: str) -> dict[str, list[str]]:
    """Return the rows of the table whose head begins with these cells, by server."""
    lines = PAGE.partition(f"| server | {first} |")[2].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines[: len(PROFILES)]]
    return {row[0]: row[1:] for row in rows}


def listed(names: Iterable[str], everything: frozenset[str] | None = None, nothing: str = "none") -> str:
    return "all" if names == everything else ", ".join(f"`{name}`" for name in sorted(names)) or nothing


@by_name
def test_what_it_takes_and_does(profile: Profile) -> None:
    cells = [re.fullmatch(rf"(.+) \(([{HOWS}])\)", cell) for cell in table("optional fields")[profile.title]]
    assert [cell and cell[1] for cell in cells] == [
        listed(profile.fields, OPTIONAL_FIELDS),
        listed(profile.tools),
        "yes" if profile.files else "no",
        "yes" if profile.reasoning else "no",
        listed(profile.ignores, PROMISES, "nothing"),
        "yes" if profile.bare_end else "no",
    ]


@by_name
def test_how_it_is_set_up(profile: Profile) -> None:
    name, base_url, key, places = table("profile")[profile.title]
    assert name == f"`{profile.name}`"
    assert key == ("yes" if profile.key else "as set up") + (", `api-key`" if profile.key_header == API_KEY else "")
    hosts, ports = [f"`{host}`" for host in profile.hosts], [f"port {port}" for port in profile.ports]
    assert places == ", ".join([*hosts, *ports])
    if base_url.startswith("`"):
        url = base_url.strip("`").replace("RESOURCE", "mine").replace("HOST", "127.0.0.1")
        assert url.rstrip("/").endswith(profile.path)
        assert profile_of(url) is (profile if hosts or ports else UNKNOWN)


def test_the_page_has_no_rows_but_these() -> None:
    rows = PAGE.partition("| server | optional fields |")[2].partition("\n\n")[0].splitlines()[2:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [profile.title for profile in PROFILES.values()]
    assert all(f"`{name}`" in PAGE for name in OPTIONAL_FIELDS)
