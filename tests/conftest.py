"""What holds for all tests: repeatable property tests, markers by folder, no silent skips where asked for."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

HERE = Path(__file__).parent
MARKER_OF_FOLDER = {"integration": "embedded", "kafka": "kafka", "browser": "browser"}
# .ci/run sets it: there everything can be installed, so a skipped test is a test that nobody ran
NO_SKIPS = os.environ.get("FLOORWALKER_NO_SKIPS") == "1"

# The same examples every time, and no time limit for one of them: the machine may be busy with a broker.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the folder they are in."""
    for item in items:
        folder = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
        if marker := MARKER_OF_FOLDER.get(folder):
            item.add_marker(marker)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure under FLOORWALKER_NO_SKIPS, except for recordings that are not in the repository."""
    report = yield
    expected = hasattr(report, "wasxfail") or item.get_closest_marker("data") is not None
    if NO_SKIPS and report.skipped and not expected:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason} (a skip is a failure under FLOORWALKER_NO_SKIPS=1)"
    return report
