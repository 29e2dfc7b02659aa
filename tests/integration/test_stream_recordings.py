"""Real recordings through broker, worker and API give what `report` says. On the embedded broker: it starts at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedBroker
from tests.data.recorded import FOLDER, needs_data
from tests.support.stream_run import ROOT, Source, StreamRun

pytestmark = needs_data
EXAMPLES = ROOT / "deploy" / "examples"


@pytest.fixture
def broker(embedded_broker: EmbeddedBroker) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own: the topics' names are fixed."""
    with EmbeddedBroker() as running:
        yield running


def part_of(file: str, name: str, folder: Path, wanted: Callable[[bytes], bool]) -> Source:
    """The first thousand wanted rows of a recording, read with the ready configuration of that name."""
    heading, *rows = (FOLDER / "call-records" / file).read_bytes().splitlines(keepends=True)
    part = folder / "part.csv"
    part.write_bytes(b"".join([heading, *list(filter(wanted, rows))[:1000]]))
    return Source([part], "call-records", EXAMPLES / f"{name}.yaml")


async def same(source: Source, broker: EmbeddedBroker, folder: Path) -> None:
    async with StreamRun(broker.bootstrap, source.config, folder, embedded=True) as run:
        run.start_api()
        run.start_worker()
        await run.ingest(source)
        await run.settle()
        for attribution in ("outcome", "arrival"):
            assert await run.differences(source, attribution) == []


async def test_a_day_of_a_multi_skill_centre(broker: EmbeddedBroker, tmp_path: Path) -> None:
    file = FOLDER / "call-records" / "vanad-2014-01" / "1.csv"
    await same(Source([file], "call-records", EXAMPLES / "vanad.yaml"), broker, tmp_path)


async def test_a_thousand_calls_of_a_bank(broker: EmbeddedBroker, tmp_path: Path) -> None:
    # rows are by line, not by time: take days that lie close enough for partitions that are caught up one by one
    source = part_of(
        "anonymous-bank/january.txt", "anonymous-bank", tmp_path, lambda row: row.split(b"\t")[5] <= b"990104"
    )
    await same(source, broker, tmp_path)


async def test_a_thousand_simulated_calls_over_days(broker: EmbeddedBroker, tmp_path: Path) -> None:
    source = part_of("simulated/simulated_2021_h1.csv", "simulated", tmp_path, lambda row: True)
    await same(source, broker, tmp_path)
