"""`POST /`: which assistant answers."""

from __future__ import annotations

import pytest

from .conftest import MakeSite


@pytest.mark.parametrize("path", ["", "/"])
def test_the_default_assistant(make_site: MakeSite, path: str) -> None:
    site = make_site(assistant_id="asst_support")
    response = site.post(path)
    assert (response.status_code, response.get_json()) == (200, {"assistantId": "asst_support"})
