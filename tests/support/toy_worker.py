"""A small worker on the two seams: it copies numbers of one topic as facts to a second one and counts them per key.

Run as `python -m tests.support.toy_worker OPTIONS-AS-JSON`. Events are `key:number`; a fact record is a list of
(source partition, source offset, key, number) of one batch for one partition; the state of a partition is
{key: [count, sum]}.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mode.loop
import msgspec
from faust.types import StreamT

from streams.batch_app import FloorwalkerApp
from streams.contiguity import Contiguity
from streams.crash import crash_on_error
from streams.settings import floorwalker_app
from streams.shutdown import BoundedWorker
from streams.tables import BatchTable
from streams.transport import batch_of, batches

MARK = b"\0m"
Fact = tuple[int, int, bytes, int]

encode = msgspec.msgpack.Encoder().encode
decode_facts = msgspec.msgpack.Decoder(list[Fact]).decode
decode_mark = msgspec.msgpack.Decoder(dict[int, int]).decode


class CountStore:
    """Counts per key, and the mark: the last offset applied per source partition."""

    def __init__(self, partition: int) -> None:
        self.counts: dict[bytes, list[int]] = {}
        self.mark: dict[int, int] = {}
        self._dirty: set[bytes] = set()

    def load(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        for key, value in records:
            if key == MARK and value is not None:
                self.mark = decode_mark(value)
            elif value is None:
                self.counts.pop(key, None)
            else:
                self.counts[key] = msgspec.msgpack.decode(value, type=list[int])

    def drain(self, max_bytes: int) -> list[tuple[bytes, bytes | None]]:
        dirty, self._dirty = self._dirty, set()
        if not dirty:
            return []
        dirty.discard(MARK)
        records = [(key, encode(self.counts[key]) if key in self.counts else None) for key in dirty]
        return [*records, (MARK, encode(self.mark))]

    def touch(self, keys: Sequence[bytes]) -> None:
        self._dirty.update(keys)

    def count(self, key: bytes, number: int) -> None:
        totals = self.counts.setdefault(key, [0, 0])
        totals[0] += 1
        totals[1] += number
        self._dirty.add(key)

    def advance(self, partition: int, offset: int) -> None:
        self.mark[partition] = offset
        self._dirty.add(MARK)


class MarkStore(CountStore):
    """A store with nothing but a mark: what the first stage needs."""


def build(options: dict[str, Any]) -> FloorwalkerApp:
    """The app: stage one splits events into facts, stage two counts them."""
    partitions, prefix = options["partitions"], options["prefix"]
    app = floorwalker_app(
        options["bootstrap"],
        f"{prefix}-toy",
        Path(options["data_dir"]),
        idempotent=options["idempotent"],
        fetch_max_wait_ms=options.get("fetch_max_wait_ms", 20),
    )
    split = BatchTable(app, name="split", changelog=f"{prefix}-split", partitions=partitions, store_factory=MarkStore)
    count = BatchTable(app, name="count", changelog=f"{prefix}-count", partitions=partitions, store_factory=CountStore)
    if "die_at_write" in options:
        _die_at_write(app, options["die_at_write"], after=options["die_after_it"])
    app.tables.add(split)
    app.tables.add(count)
    _split_agent(app, split, f"{prefix}-events", f"{prefix}-facts", partitions)
    _count_agent(app, count, f"{prefix}-facts")
    return app


def _die_at_write(app: FloorwalkerApp, number: int, *, after: bool) -> None:
    """Have the process killed at its nth changelog write: the facts are sent, the state is not written, or just so."""
    write, left = app.batch_producer.send_batch, [number]

    async def write_or_die(*args: Any, **kwargs: Any) -> int:
        left[0] -= 1
        dies = left[0] == 0
        if dies and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        base_offset = await write(*args, **kwargs)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return base_offset

    app.batch_producer.send_batch = write_or_die  # type: ignore[method-assign]


def _raw_topic(app: FloorwalkerApp, name: str) -> Any:
    return app.topic(name, key_serializer="raw", value_serializer="raw")


def _split_agent(app: FloorwalkerApp, table: BatchTable[MarkStore], source: str, target: str, partitions: int) -> None:
    contiguity = Contiguity(app)
    again = [0]

    @app.on_before_shutdown.connect
    async def report(*args: Any, **kwargs: Any) -> None:
        logging.getLogger(__name__).info("read again: %d", again[0])

    async def split(stream: StreamT[Any]) -> None:
        async for event in batches(stream):
            partition, batch = event.message.partition, batch_of(event)
            store, writer = table.store(partition), table.writer(partition)
            await writer.ready()
            done = store.mark.get(partition, -1)
            if not await contiguity.accepts(event, done + 1):
                continue
            facts: list[list[Fact]] = [[] for _ in range(partitions)]
            again[0] += max(0, min(done + 1, batch.next_offset) - batch.start_offset)
            for record in batch:
                if record.offset > done:
                    key, _, number = (record.value or b"").partition(b":")
                    facts[zlib.crc32(key) % partitions].append((partition, record.offset, key, int(number)))
            store.advance(partition, batch.next_offset - 1)
            send = app.batch_producer.send_facts
            writer.add(event, [send(target, to, encode(some)) for to, some in enumerate(facts) if some], len(batch))

    app.agent(_raw_topic(app, source), name="split")(crash_on_error(split))


def _count_agent(app: FloorwalkerApp, table: BatchTable[CountStore], source: str) -> None:
    async def count(stream: StreamT[Any]) -> None:
        async for event in batches(stream):
            partition = event.message.partition
            store, writer = table.store(partition), table.writer(partition)
            await writer.ready()
            for record in batch_of(event):
                for source_partition, offset, key, number in decode_facts(record.value or b""):
                    if offset > store.mark.get(source_partition, -1):
                        store.count(key, number)
                if record.value:
                    store.advance(source_partition, max(offset, store.mark.get(source_partition, -1)))
            writer.add(event)

    app.agent(_raw_topic(app, source), name="count")(crash_on_error(count))


def main() -> None:
    """Run the worker until SIGTERM."""
    options = json.loads(sys.argv[1])
    app = build(options)
    gc.set_threshold(50_000, 50, 100)
    mode.loop.use("uvloop")
    BoundedWorker(app, loglevel=logging.INFO, redirect_stdouts=False, quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main()
