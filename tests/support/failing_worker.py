"""A `floorwalker` with faults put in, to be run as `python -m tests.support.failing_worker worker ...`.

An event whose id begins with `poison-` raises after the contact was changed; a fact for `queue-with-poison` raises
after it was added to that queue and to another one; a native record with `POISON` in it raises in its adapter.
`FLOORWALKER_TEST_DIE_IN_RELOAD=1` has the process killed when it
has read half of the changelog to undo that; `FLOORWALKER_TEST_SLOW_FLUSH=1` makes every flush take a second longer.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from service.adapters import parse_record
from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.domain.facts import AnyFact, Offered
from service.main import main
from streams import changelog, processors, worker
from streams.producer import BatchProducer, Record

POISON_EVENT = "poison"
POISON_LINE = b"POISON"
POISON_QUEUE = "queue-with-poison"
OTHER_QUEUE = "sales"
DIE = "FLOORWALKER_TEST_DIE_IN_RELOAD"
SLOW = "FLOORWALKER_TEST_SLOW_FLUSH"


class Bug(Exception):
    """What a fault of the code raises."""


class FailingCorrelate(CorrelateStore):
    """Fails on poisonous events."""

    def take(self, raw: bytes, received_ms: int, offset: int) -> list[AnyFact]:
        facts = super().take(raw, received_ms, offset)
        if f'"{POISON_EVENT}-'.encode() in raw:
            raise Bug("half of the contact has changed")
        return facts


class FailingAggregate(AggregateStore):
    """Fails on poisonous facts."""

    def _offered(self, fact: Offered) -> None:
        super()._offered(fact)
        if fact.scope == f"queue:{POISON_QUEUE}":
            super()._offered(msgspec.structs.replace(fact, scope=f"queue:{OTHER_QUEUE}"))
            raise Bug("half of the state has changed")


def fail_on_poison_lines() -> None:
    parse = parse_record

    def parse_or_fail(adapter: Any, raw: bytes) -> Any:
        if POISON_LINE in raw:
            raise Bug("the adapter does not understand itself")
        return parse(adapter, raw)

    processors.parse_record = parse_or_fail  # type: ignore[attr-defined]


def die_in_reload() -> None:
    read = changelog.read_changelog

    async def read_half(app: Any, tp: Any, end: int, load: Any) -> None:
        def load_or_die(records: Sequence[Record]) -> None:
            load(records[: len(records) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

        await read(app, tp, end, load_or_die)

    changelog.read_changelog = read_half


def flush_slowly() -> None:
    send_batch = BatchProducer.send_batch

    async def send_late(self: BatchProducer, *args: Any, **kwargs: Any) -> int:
        await asyncio.sleep(1)
        return await send_batch(self, *args, **kwargs)

    BatchProducer.send_batch = send_late  # type: ignore[method-assign]


if __name__ == "__main__":
    worker.CorrelateStore = FailingCorrelate  # type: ignore[attr-defined]
    worker.AggregateStore = FailingAggregate  # type: ignore[attr-defined]
    fail_on_poison_lines()
    if os.environ.get(DIE) == "1":
        die_in_reload()
    if os.environ.get(SLOW) == "1":
        flush_slowly()
    sys.exit(main())
