"""Reports on the recordings beside this file, through the real command line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def run(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """`floorwalker report` with these arguments, run in `folder` to its end."""
    command = [sys.executable, "-m", "service.main", "report", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def report_of(*arguments: str) -> dict[str, Any]:
    """The JSON report, after checking that the command succeeded without a word on standard error."""
    done = run(*arguments, "--json")
    assert done.returncode == 0 and not done.stderr, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def golden(file: str, format_name: str, *arguments: str) -> dict[str, Any]:
    """The report on a recording of this folder, with the configuration of the same name, by the hour."""
    path = HERE / file
    config = path.with_suffix(".yaml")
    return report_of(str(path), "--format", format_name, "--config", str(config), "--interval", "1h", *arguments)


def chosen(block: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    """The block's values of the KPIs that `names` has."""
    return {name: block[name] for name in names}


def by_start(scope: dict[str, Any], *names: str) -> dict[str, tuple[Any, ...]]:
    """Start of each interval -> the values named."""
    return {block["start"]: tuple(block[name] for name in names) for block in scope["intervals"]}
