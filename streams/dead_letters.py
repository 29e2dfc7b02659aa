"""Records that are not applied: the bytes, why, and where they came from, on `cti.dead-letter`."""

from __future__ import annotations

import traceback
from asyncio import Future
from typing import Any

from faust.types import TP

from service.domain.errors import InvalidEvent
from service.fetches import RawRecord
from service.sealing import Sealer
from streams.producer import BatchProducer, Headers

DEAD_LETTERS = "cti.dead-letter"
POISON = "poison"

KEPT_OF_REJECTED = 1 << 20
"""So many bytes of a rejected record go to the dead letter; `cut_from` says how many there were."""

KEPT_OF_TRACEBACK = 8192
_KEPT_OF_DETAIL = 1024


class DeadLetters:
    """Where a worker sends what it does not apply."""

    def __init__(self, producer: BatchProducer, sealer: Sealer) -> None:
        """`sealer` decides what is kept of a record."""
        self._producer = producer
        self._sealer = sealer

    def reject(self, tp: TP, record: RawRecord, error: InvalidEvent) -> Future[Any]:
        """Send a record that cannot become an event, with its reason and where it came from."""
        headers = [("reason", error.reason.encode()), ("detail", self._text(error.detail[:_KEPT_OF_DETAIL]))]
        return self._seal(tp, record, headers)

    def poison(self, tp: TP, record: RawRecord, error: Exception) -> Future[Any]:
        """Send a record that our own code failed on, with the end of the traceback."""
        return self._seal(tp, record, self._failure(error))

    def poison_facts(self, tp: TP, record: RawRecord, error: Exception, facts: bytes) -> Future[Any]:
        """Send the `facts` of a record that our own code failed on, as they are: facts know of no customer."""
        return self._send(tp, record, None, facts, self._failure(error))

    def _failure(self, error: Exception) -> Headers:
        trace = "".join(traceback.format_exception(error))
        return [
            ("reason", POISON.encode()),
            ("detail", self._text(f"{type(error).__name__}: {error}"[:_KEPT_OF_DETAIL])),
            ("traceback", self._text(trace[-KEPT_OF_TRACEBACK:])),
        ]

    def _text(self, text: str) -> bytes:
        return self._sealer.text(text).encode(errors="replace")

    def _seal(self, tp: TP, record: RawRecord, headers: Headers) -> Future[Any]:
        value = record.value or b""
        sealed = self._sealer.seal(record.key, value[:KEPT_OF_REJECTED])
        cut = [("cut_from", str(len(value)).encode())] if len(value) > KEPT_OF_REJECTED else []
        return self._send(tp, record, sealed.key, sealed.value, [*headers, *cut, *sealed.headers])

    def _send(self, tp: TP, record: RawRecord, key: bytes | None, value: bytes, headers: Headers) -> Future[Any]:
        origin = [
            ("source_topic", tp.topic.encode()),
            ("source_partition", str(tp.partition).encode()),
            ("source_offset", str(record.offset).encode()),
        ]
        return self._producer.send_facts(DEAD_LETTERS, None, value, key=key, headers=[*headers, *origin])
