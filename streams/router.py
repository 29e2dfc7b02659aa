"""Facts on their way to the partitions that their scopes belong to."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Iterable
from typing import Any
from zlib import crc32

from service.domain.facts import AnyFact, FactBatch, Reached, encode_batch
from service.domain.returns import told_of
from streams.producer import BatchProducer

FACTS = "cti.facts"


def partition_of(scope: str, partitions: int) -> int:
    """The partition of `cti.facts` and `cti.state` that a scope belongs to."""
    return crc32(scope.encode()) % partitions


class Unencodable(Exception):
    """What the record at `offset` gave cannot be encoded; the reason is what this is raised from."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"facts of offset {offset}")
        self.offset = offset


class FactRouter:
    """Facts of one source partition on their way, sorted by target partition."""

    def __init__(self, source: int, partitions: int) -> None:
        """Nothing to send yet."""
        self._source = source
        self._partitions = partitions
        self._target: dict[str, int] = {}
        self._batches: dict[int, FactBatch] = {}

    def add(self, offset: int, facts: Iterable[AnyFact]) -> None:
        """Take the facts that the record at `offset` gave."""
        targets, batches = self._target, self._batches
        for fact in facts:
            batch = batches.get(targets.get(fact.scope, -1)) or self._batch_for(fact.scope)
            batch.offsets.append(offset)
            batch.facts.append(fact)
            if type(fact) is Reached:
                for scope in told_of(fact.queue_id, fact.customer_class):
                    self._batch_for(scope).awaits = True

    def _batch_for(self, scope: str) -> FactBatch:
        target = self._target.get(scope)
        if target is None:
            target = self._target[scope] = partition_of(scope, self._partitions)
        batch = self._batches.get(target)
        if batch is None:
            batch = self._batches[target] = FactBatch(self._source, 0, [], [])
        return batch

    def send(self, producer: BatchProducer, newest_ms: int) -> list[Future[Any]]:
        """Send what was added, one record a target, and begin anew; event time has come to `newest_ms`.

        A queue's partition hears of it when a customer's contact there is yet to be judged where the customer is kept.
        Raises Unencodable, before anything is sent.
        """
        encoded = [(to, self._encode(batch, newest_ms)) for to, batch in self._batches.items()]
        self._batches.clear()
        return [producer.send_facts(FACTS, to, value) for to, value in encoded]

    def _encode(self, batch: FactBatch, newest_ms: int) -> bytes:
        batch.newest_ms = newest_ms
        try:
            return encode_batch(batch)
        except (OverflowError, TypeError, ValueError):
            for offset, fact in zip(batch.offsets, batch.facts, strict=True):
                try:
                    encode_batch(FactBatch(self._source, 0, [offset], [fact]))
                except (OverflowError, TypeError, ValueError) as error:
                    raise Unencodable(offset) from error
            raise
