"""Records in the wrong partition: found by Kafka's own hash of the key, and moved once."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple, cast

import pytest
from aiokafka.partitioner import murmur2 as murmur2_of_one
from hypothesis import given
from hypothesis import strategies as st

from service.domain.customer_keys import CustomerKey, CustomerKeys
from service.fetches import Batch
from streams.kafka_hash import murmur2, partitions_of
from streams.misrouted import MOVED_FROM, Misrouted
from streams.producer import BatchProducer

PARTITIONS = 4


class Raw(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]] = []
    timestamp: int = 0


class Sent:
    """Takes what a producer would send."""

    def __init__(self) -> None:
        self.records: list[tuple[Any, ...]] = []

    def send_facts(self, topic: str, partition: int, value: bytes, key: bytes, headers: Any) -> asyncio.Future[Any]:
        self.records.append((topic, partition, value, key, headers))
        return asyncio.get_running_loop().create_future()


def batch(*records: Raw) -> Batch:
    found = Batch(0)
    found.extend(cast(Any, records))
    return found


def event(contact_id: str) -> bytes:
    event = {"event_id": "e", "type": "contact.started", "occurred_at_ms": 1_777_881_630_000, "contact_id": contact_id}
    return json.dumps(event).encode()


def home(contact_id: str) -> int:
    return partitions_of([contact_id.encode()], PARTITIONS)[contact_id.encode()]


def misrouted(sent: Sent | None = None) -> Misrouted:
    return Misrouted(cast(BatchProducer, sent or Sent()), "cti.events", PARTITIONS)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=40))
def test_the_hash_of_many_keys_is_kafka_s_of_each(keys: list[bytes]) -> None:
    for key in keys:
        same = [key, key[::-1], bytes(len(key))]
        assert list(murmur2(same)) == [murmur2_of_one(one) & 0xFFFFFFFF for one in same]
    expected = {key: (murmur2_of_one(key) & 0x7FFFFFFF) % 7 for key in keys}
    assert partitions_of(keys, 7) == expected


def test_records_of_another_partition_s_key_and_without_a_key_are_found() -> None:
    records = [Raw(number, b"k%d" % number, event(f"k{number}")) for number in range(20)]
    records.append(Raw(20, None, event("k1")))
    astray = {number for number in range(20) if home(f"k{number}") != 2} | {20}
    found = misrouted()
    assert set(found.find(2, batch(*records))) == astray
    assert set(found.find(2, batch(*records))) == astray, "again, with all keys known by now"


def test_what_was_moved_once_is_not_moved_again() -> None:
    stray = Raw(5, None, event("k1"), [(MOVED_FROM, b"0:7")])
    assert not misrouted().find(2, batch(stray))


def test_an_event_is_moved_to_where_its_own_key_belongs() -> None:
    async def scenario() -> None:
        sent = Sent()
        mover = misrouted(sent)
        stray = Raw(5, None, event("k1"), [("trace", b"t")])
        wrong = (home("k1") + 1) % PARTITIONS
        moved = mover.rightly(wrong, stray)
        assert moved == (b"k1", event("k1"))
        mover.move(wrong, stray, moved)
        headers = [("trace", b"t"), (MOVED_FROM, f"{wrong}:5".encode())]
        assert sent.records == [("cti.events", home("k1"), event("k1"), b"k1", headers)]

    asyncio.run(scenario())


def test_an_event_that_is_where_its_own_key_belongs_stays_whatever_the_record_s_key() -> None:
    assert misrouted().rightly(home("k1"), Raw(5, b"something else", event("k1"))) is None


def test_what_is_no_event_stays_to_be_rejected() -> None:
    assert misrouted().rightly(0, Raw(5, None, b"{")) is None


KEYS = CustomerKeys([CustomerKey("k1", bytes(32), 0)])


@pytest.mark.parametrize(("keys", "ref"), [(KEYS, "h:k1:"), (None, "dropped")])
def test_a_customer_s_raw_number_does_not_travel_on(keys: CustomerKeys | None, ref: str) -> None:
    mover = Misrouted(cast(BatchProducer, Sent()), "cti.events", PARTITIONS, keys)
    raw = json.dumps({**json.loads(event("k1")), "customer_ref": "+49301234567"}).encode()
    moved = mover.rightly((home("k1") + 1) % PARTITIONS, Raw(5, None, raw))
    assert moved is not None
    assert json.loads(moved[1])["customer_ref"].startswith(ref)
