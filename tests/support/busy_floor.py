"""A floor with one rule: a queue in which two wait is busy. Its events are of now."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from service.embedded import EmbeddedBroker
from tests.support.stream_run import StreamRun

CONFIG = """
queues: {sales: {channel: voice}, service: {channel: voice}}
default_rules: false
rules:
  - id: busy
    severity: page
    scopes: {kind: queue}
    when: {kpi: waiting, op: ">=", value: 2, clear: 1}
    for: 1s
    keep_firing_for: 1s
"""


@asynccontextmanager
async def busy_floor(folder: Path, config: str = CONFIG) -> AsyncIterator[StreamRun]:
    """The floor on a broker of its own."""
    path = folder / "floor.yaml"
    path.write_text(config, "utf-8")
    with EmbeddedBroker() as broker:
        async with StreamRun(broker.bootstrap, path, folder, embedded=True) as started:
            yield started


async def tell(run: StreamRun, kind: str, contact: str, queue: str = "sales", **fields: Any) -> None:
    """An event of now about one contact in the queue."""
    event = {
        "event_id": f"{kind}-{contact}", "type": kind, "occurred_at_ms": int(time.time() * 1000), "source": "pbx",
        "contact_id": contact, "visit_id": contact, "queue_id": queue, **fields,
    }  # fmt: skip
    await run.send([(contact.encode(), json.dumps(event).encode())])
