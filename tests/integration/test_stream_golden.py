"""Small recordings through broker, worker and API give what `report` says. Embedded broker: it starts at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedBroker
from tests.support.stream_run import ROOT, Source, StreamRun

REPORTS = ROOT / "tests" / "golden" / "reports"
SOURCES = {
    "queue_log": Source([REPORTS / "queue_log.txt"], "asterisk-queue-log", REPORTS / "queue_log.yaml"),
    "call_records": Source([REPORTS / "call_records.csv"], "call-records", REPORTS / "call_records.yaml"),
    "canonical": Source([REPORTS / "canonical.jsonl"], "canonical", REPORTS / "canonical.yaml"),
}


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """A broker of the test's own: the topics' names are fixed."""
    with EmbeddedBroker() as running:
        yield running


@pytest.mark.parametrize("name", SOURCES)
async def test_the_stream_says_what_the_report_says(name: str, broker: EmbeddedBroker, tmp_path: Path) -> None:
    source = SOURCES[name]
    async with StreamRun(broker.bootstrap, source.config, tmp_path, embedded=True) as run:
        run.start_api()
        run.start_worker()
        await run.ingest(source)
        await run.settle()
        for attribution in ("outcome", "arrival"):
            assert await run.differences(source, attribution) == []
