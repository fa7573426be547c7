"""In CI a test may only be skipped for missing shared material: every other skip is turned into a failure."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

SHARED_MISSING = "shared material is missing"
SWITCH = "ASSISTANT_STREAM_CI"

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def judged(report: Report) -> Report:
    """Turn a skip (or an expected failure) into a failure, where the switch is set."""
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    if os.environ.get(SWITCH) and report.skipped and SHARED_MISSING not in reason:
        report.outcome = "failed"
        report.longrepr = f"A skip is a failure in CI: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge tests and fixtures."""
    return judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judge whole modules."""
    return judged((yield))
