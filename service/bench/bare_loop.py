"""The least that the job can cost, `python -m service.bench.bare_loop`: consume, decode, update, nothing durable."""

import sys
import time
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from service.bench.load import warm_up
from service.collector import tune_collector
from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.domain.settings import Floor


async def measure(bootstrap: str, topic: str, partitions: int, events: int) -> tuple[float, float]:
    """Return events a second, and processor seconds an event, of reading `events`, counted once it is warm.

    When all of them come before that, they all count.
    """
    floor = Floor()
    correlate = [CorrelateStore(floor) for _ in range(partitions)]
    aggregate = AggregateStore(floor)
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=bootstrap, check_crcs=False, max_partition_fetch_bytes=1 << 20)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in range(partitions)])
        await consumer.seek_to_beginning()
        done, first_done, started, used = 0, 0, time.perf_counter(), time.process_time()
        while done < events:
            for where, records in (await consumer.getmany(timeout_ms=1000, max_records=2000)).items():
                store = correlate[where.partition]
                for record in records:
                    for fact in store.take(record.value, record.timestamp, record.offset):
                        aggregate.apply(fact)
                done += len(records)
            if not first_done and warm_up(events) <= done < events:
                started, used, first_done = time.perf_counter(), time.process_time(), done
        counted = done - first_done
        return counted / (time.perf_counter() - started), (time.process_time() - used) / counted
    finally:
        await consumer.stop()


def main() -> None:
    """Print events a second and processor seconds an event. Arguments: bootstrap, topic, partitions, events."""
    bootstrap, topic, partitions, events = sys.argv[1:]
    tune_collector()
    rate, cost = uvloop.run(measure(bootstrap, topic, int(partitions), int(events)))
    sys.stdout.write(f"{rate} {cost}\n")


if __name__ == "__main__":
    main()
