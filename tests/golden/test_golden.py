"""Recordings of our own making, each beside the events it must become: `<format>/<case>/input.*`, `expected.jsonl`.

`source.yaml` holds the source's settings, or `example:` the ready configuration of that name. A line of the expectation
is an event or a rejected line. After a meant change write them anew with `python -m tests.golden.test_golden`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.adapters import Adapter, AdapterSettings, make_adapter
from service.adapters.mapping import CallRecordsMapping
from service.domain.codec import decode_event, encode_event
from service.domain.customer_keys import CustomerKey, CustomerKeys, protect
from service.recordings import read_recording

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "deploy" / "examples"
CASES = sorted(path.parent for path in HERE.glob("*/*/input.*"))
NOW_MS = 1_795_400_000_000
KEYS = CustomerKeys([CustomerKey("golden", bytes(32), 0)])


def adapter_of(case: Path) -> Adapter:
    file = case / "source.yaml"
    source: dict[str, Any] = yaml.safe_load(file.read_text()) if file.exists() else {}
    if "example" in source:
        name = source["example"]
        source = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())["sources"][name]
    mapping = CallRecordsMapping(**source["mapping"]) if "mapping" in source else None
    settings = AdapterSettings(case.name, source.get("timezone"), source.get("agent_pattern"), mapping)
    return make_adapter(case.parent.name, settings)


def decoded(case: Path) -> str:
    recording = read_recording(sorted(case.glob("input.*")), adapter_of(case), NOW_MS)
    for event in recording.events:
        protect(event, KEYS, instead=None)
    lines = [encode_event(event).decode() for event in recording.events]
    lines += [json.dumps({"line": bad.line_no, "rejected": bad.reason}) for bad in recording.rejected]
    lines.append(json.dumps({"skipped": recording.skipped}))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_a_recording_becomes_exactly_the_expected_events(case: Path) -> None:
    assert decoded(case) == (case / "expected.jsonl").read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_every_expected_event_is_a_valid_canonical_event(case: Path) -> None:
    for line in (case / "expected.jsonl").read_text().splitlines():
        if "event_id" in json.loads(line):
            decode_event(line.encode())


if __name__ == "__main__":
    for case in CASES:
        (case / "expected.jsonl").write_text(decoded(case))
