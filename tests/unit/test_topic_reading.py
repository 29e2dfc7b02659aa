"""Reading topics to their ends: a broker that delivers nothing is noticed, a caller that takes its time is not one."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import TopicPartition

from service import topic_reading
from service.errors import FailedError
from service.topic_reading import STALLED_S, until_the_end

HERE = TopicPartition("cti.events", 0)


class Broker:
    """A consumer's view of a partition that ends at 4 and of which `polls` are delivered; its clock is the test's."""

    def __init__(self, polls: list[list[int]]) -> None:
        self.polls = polls
        self.now_s = 0.0
        self.read = 0

    def monotonic(self) -> float:
        return self.now_s

    def assignment(self) -> set[Any]:
        return {HERE}

    def highwater(self, tp: Any) -> int:
        return 4

    def position(self, tp: Any) -> int:
        return self.read

    def poll(self, timeout_ms: int) -> dict[Any, list[int]]:
        self.now_s += timeout_ms / 1000
        records = self.polls.pop(0) if self.polls else []
        self.read += len(records)
        return {HERE: records} if records else {}


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker([[0, 1], [2, 3]])
    monkeypatch.setattr(topic_reading, "time", made)
    return made


def test_a_caller_may_take_its_time_over_a_record(broker: Broker) -> None:
    taken = []
    for record in until_the_end(broker):
        broker.now_s += 2 * STALLED_S
        taken.append(record)
    assert taken == [0, 1, 2, 3]


def test_a_slow_caller_leaves_the_broker_its_half_minute(broker: Broker) -> None:
    broker.polls[1:] = [[]] * 50 + [[2, 3]]
    taken = []
    for record in until_the_end(broker):
        broker.now_s += 2 * STALLED_S
        taken.append(record)
    assert taken == [0, 1, 2, 3]


def test_a_broker_that_delivers_nothing_more_is_named_by_its_topic(broker: Broker) -> None:
    broker.polls.pop()
    records = until_the_end(broker)
    assert [next(records), next(records)] == [0, 1]
    with pytest.raises(FailedError, match="^cti.events cannot be read: the broker delivers nothing$"):
        next(records)
    assert broker.now_s > STALLED_S
