"""Where the real recordings are, and how they are read."""

import os
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.adapters import AdapterSettings, make_adapter
from service.adapters.mapping import CallRecordsMapping
from service.recordings import Recording, read_recording

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("FLOORWALKER_DATA", ROOT.parent / "shared" / "data"))

needs_data = [
    pytest.mark.data,
    pytest.mark.skipif(
        not FOLDER.is_dir(), reason=f"no recordings in {FOLDER} (FLOORWALKER_DATA names another folder)"
    ),
]


def example(name: str) -> dict[str, Any]:
    """The source of a ready configuration."""
    source: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "examples" / f"{name}.yaml").read_text())["sources"][
        name
    ]
    return source


@cache
def call_records(name: str, pattern: str) -> Recording:
    """The recordings that match the pattern, by the ready mapping."""
    source = example(name)
    settings = AdapterSettings(name, source["timezone"], None, CallRecordsMapping(**source["mapping"]))
    return read((FOLDER / "call-records").glob(pattern), "call-records", settings)


def read(paths: Iterable[Path], format_name: str, settings: AdapterSettings) -> Recording:
    return read_recording(sorted(paths), make_adapter(format_name, settings), time.time_ns() // 1_000_000)
