"""What holds for all tests: repeatable property tests, markers by folder, no silent skips where asked for."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

from tests.support.client_sockets import close_sockets_given_up

HERE = Path(__file__).parent
MARKER_OF_FOLDER = {"integration": "embedded", "kafka": "kafka", "browser": "browser", "data": "data"}
# .ci/run sets it: there everything can be installed, so a skipped test is a test that nobody ran
NO_SKIPS = os.environ.get("FLOORWALKER_NO_SKIPS") == "1"

# The same examples every time, and no time limit for one of them: the machine may be busy with a broker.
# how long an example takes says how busy the machine is, not whether the rule holds
TIMING = (hypothesis.HealthCheck.too_slow,)
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=TIMING)
hypothesis.settings.register_profile("long", deadline=None, print_blob=True, suppress_health_check=TIMING)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

close_sockets_given_up()


def folder_of(node: pytest.Item | pytest.Collector) -> str:
    """The folder of tests/ that a test or a test file is in."""
    return node.path.relative_to(HERE).parts[0] if node.path.is_relative_to(HERE) and node.path != HERE else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the folder they are in."""
    for item in items:
        if marker := MARKER_OF_FOLDER.get(folder_of(item)):
            item.add_marker(marker)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure under FLOORWALKER_NO_SKIPS, except for recordings that are not in the repository."""
    report = yield
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail") and not item.get_closest_marker("data"):
        forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a file that skips as a whole."""
    report = yield
    if NO_SKIPS and report.skipped and folder_of(collector) != "data":
        forbid_skip(report)
    return report


def forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a failure of a skip, and keep its reason."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{reason} (a skip is a failure under FLOORWALKER_NO_SKIPS=1)"
