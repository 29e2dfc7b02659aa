"""Reports on the real recordings, through the real command line."""

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from tests.data.recorded import FOLDER, ROOT

EXAMPLES = ROOT / "deploy" / "examples"


def recording(pattern: str) -> list[str]:
    """The recordings that match, in order. There must be some."""
    found = sorted(str(path) for path in FOLDER.glob(pattern))
    assert found, f"no recording {pattern} in {FOLDER}"
    return found


def run_report(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`floorwalker report` with these arguments, run to its end."""
    command = [sys.executable, "-m", "service.main", "report", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def report_of(*arguments: str) -> dict[str, Any]:
    """The JSON report, after checking that the command succeeded without a word on standard error."""
    done = run_report(*arguments, "--json")
    assert done.returncode == 0 and not done.stderr, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def days_of(scopes: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Date -> the day's block of every queue or agent that has one."""
    days: dict[str, list[dict[str, Any]]] = {}
    for scope in scopes.values():
        for day, block in scope["days"].items():
            days.setdefault(day, []).append(block)
    return days


def sum_of(blocks: Iterable[dict[str, Any]], name: str) -> float:
    """Sum of a count or of seconds."""
    return float(sum(block[name] for block in blocks))


def totals_of(report: dict[str, Any], kind: str = "queues") -> list[dict[str, Any]]:
    """The total of every queue or agent."""
    return [scope["total"] for scope in report[kind].values()]
