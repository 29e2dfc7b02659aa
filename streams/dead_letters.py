"""Records that are not applied: the bytes, why, and where they came from, on `cti.dead-letter`."""

from __future__ import annotations

import traceback
from asyncio import Future
from typing import Any

from faust.types import TP

from service.domain.errors import InvalidEvent
from streams.fetches import RawRecord
from streams.producer import BatchProducer, Headers

DEAD_LETTERS = "cti.dead-letter"
POISON = "poison"

KEPT_OF_REJECTED = 1 << 20
"""So many bytes of a rejected record go to the dead letter; `cut_from` says how many there were."""

KEPT_OF_TRACEBACK = 8192
_KEPT_OF_DETAIL = 1024


def reject(producer: BatchProducer, tp: TP, record: RawRecord, error: InvalidEvent) -> Future[Any]:
    """Send a record that cannot become an event, with its reason and where it came from."""
    headers = [("reason", error.reason.encode()), ("detail", error.detail[:_KEPT_OF_DETAIL].encode())]
    return _send(producer, tp, record, record.value or b"", headers)


def poison(
    producer: BatchProducer, tp: TP, record: RawRecord, error: Exception, value: bytes | None = None
) -> Future[Any]:
    """Send a record that our own code failed on, with the end of the traceback.

    `value` is the part of the record that failed, None: all of it.
    """
    trace = "".join(traceback.format_exception(error))
    headers = [
        ("reason", POISON.encode()),
        ("detail", f"{type(error).__name__}: {error}"[:_KEPT_OF_DETAIL].encode(errors="replace")),
        ("traceback", trace[-KEPT_OF_TRACEBACK:].encode(errors="replace")),
    ]
    return _send(producer, tp, record, (record.value or b"") if value is None else value, headers)


def _send(producer: BatchProducer, tp: TP, record: RawRecord, value: bytes, headers: Headers) -> Future[Any]:
    origin = [
        ("source_topic", tp.topic.encode()),
        ("source_partition", str(tp.partition).encode()),
        ("source_offset", str(record.offset).encode()),
    ]
    if len(value) > KEPT_OF_REJECTED:
        origin.append(("cut_from", str(len(value)).encode()))
    kept = value[:KEPT_OF_REJECTED]
    return producer.send_facts(DEAD_LETTERS, None, kept, key=record.key, headers=[*headers, *origin])
