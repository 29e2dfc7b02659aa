"""Is the state in Kafka of this version? Asked before a worker starts, since it could only die of it later."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from kafka import TopicPartition

from service.domain.state_feed import MARK_KEY
from service.domain.state_keys import SCHEMA, other_schema
from service.errors import FailedError
from service.topic_reading import reading, until_the_end

STATE_TOPICS: Final = ("cti.contacts", "cti.state")


def check_schema(bootstrap: str, partitions: int, client: Mapping[str, Any] | None = None) -> None:
    """Raise FailedError if a partition's newest mark is of another schema than ours.

    The mark is the last record of every flush. What ends with another record was written by no worker: loading tells.
    """
    wanted = [TopicPartition(topic, number) for topic in STATE_TOPICS for number in range(partitions)]
    with reading(bootstrap, wanted, client) as consumer:
        begins, ends = consumer.beginning_offsets(wanted), consumer.end_offsets(wanted)
        for tp in wanted:
            consumer.seek(tp, max(begins[tp], ends[tp] - 1))
        newest = {(record.topic, record.partition): record for record in until_the_end(consumer)}
    for record in newest.values():
        if record.key == MARK_KEY and record.value is not None:
            found = msgspec.msgpack.decode(record.value, type=list)[0]
            if found != SCHEMA:
                raise FailedError(other_schema(found))
