"""Events in partitions that are not their key's are moved, once, and counted. On the embedded broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.embedded import EmbeddedBroker
from tests.support.misrouted_scenario import PARTITIONS, foreign_partitioner
from tests.support.mornings import CONFIG, simulated
from tests.support.stream_run import StreamRun

pytestmark = pytest.mark.embedded


async def test_a_foreign_partitioner_changes_no_number(embedded_broker: EmbeddedBroker, tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:  # of the test's own: the topics' names are fixed
        async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True, partitions=PARTITIONS) as run:
            await foreign_partitioner(run, simulated(), tmp_path)
