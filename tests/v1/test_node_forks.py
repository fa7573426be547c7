"""Three versions of the official Node client on a thread with forks; see `tests/node/forks.mjs`."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import node_report

pytestmark = [pytest.mark.node, pytest.mark.slow]

Seen = dict[str, Any]
seen = node_report("forks.mjs")


def test_lists_are_those_of_the_active_line(seen: Seen) -> None:
    first, active = seen["first"], seen["active"]
    assert (len(first), len(active)) == (4, 4)
    assert active[0] == first[0], "what is shared keeps its id"
    assert set(active[1:]).isdisjoint(first)
    assert seen["paged"] == seen["newest"][::-1] == active
    assert (seen["after"], seen["before"]) == (active[2:], active[:2])
    assert seen["elsewhere"] == active[1:], "a cursor of another line continues by its place"


def test_everything_is_read_by_id_and_all_runs_are_listed(seen: Seen) -> None:
    assert seen["retrieved"] == seen["first"]
    assert [run["status"] for run in seen["runs"]] == ["completed"] * 5
    assert len(seen["answers"]) == len(set(seen["answers"])) == len(seen["steps"]) == 5
    assert {seen["first"][1], seen["first"][3], seen["active"][1], seen["active"][3]} < {*seen["answers"]}
    assert {step["run_id"] for step in seen["steps"]} == {run["id"] for run in seen["runs"]}


def test_deletion(seen: Seen) -> None:
    """A message that lines share is one message: it is gone from all of them."""
    assert seen["emptied"] == []
    assert seen["switched"] == seen["first"][1:]
    assert {(error["kind"], error["status"]) for error in seen["gone"]} == {("NotFoundError", 404)}
