"""The same job the way Faust's documentation shows it, as the bench's yardstick: `python -m streams.documented_faust`.

One event at a time: an agent on the events, a table of contacts with its changelog, facts sent one by one to a second
topic to group them by scope, a second agent with a table of state. The domain code is the worker's own, and values are
its own compact bytes, not JSON; garbage collector and event loop are set as the worker's. Whatever differs is the way
of using Faust.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faust
import mode.loop
from faust.types import StreamT
from faust.worker import Worker

from service.bench.load import warm_up
from service.collector import tune_collector
from service.domain import aggregate, correlate, state_feed
from service.domain.facts import FactBatch, decode_batch, encode_batch
from service.domain.settings import Floor

_GROUP_TIMEOUT_SECONDS = 6.0  # the default of a minute is spent waiting before the first event, and is not measured


@dataclass(frozen=True, slots=True)
class Job:
    """What to read, and where the result goes: events a second and processor seconds an event, as text."""

    bootstrap: str
    events_topic: str
    facts_topic: str
    partitions: int
    events: int
    facts: int
    data_dir: Path
    result: Path


class Progress:
    """Measures from the moment the warm-up is through both stages to the end."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._done = 0
        self._started = self._used = 0.0
        self._start_at = max(1, warm_up(job.facts))

    def fact_applied(self) -> None:
        """One more fact is in the state; the last one writes the result."""
        self._done += 1
        if self._done == self._start_at:
            self._started, self._used = time.perf_counter(), time.process_time()
        elif self._done == self._job.facts:
            counted = (self._done - self._start_at) / self._job.facts * self._job.events
            rate = counted / (time.perf_counter() - self._started)
            written = self._job.result.with_suffix(".part")
            written.write_text(f"{rate} {(time.process_time() - self._used) / counted}\n", encoding="utf-8")
            written.rename(self._job.result)  # whoever waits for the file finds it whole


def build_app(job: Job) -> faust.App:
    """The app: two topics, two tables, two agents."""
    app = faust.App(
        "bench-documented",
        broker=f"kafka://{job.bootstrap}",
        store="memory://",
        datadir=job.data_dir,
        topic_partitions=job.partitions,
        topic_replication_factor=1,
        topic_disable_leader=True,
        broker_session_timeout=_GROUP_TIMEOUT_SECONDS,
        broker_rebalance_timeout=_GROUP_TIMEOUT_SECONDS,
        broker_heartbeat_interval=_GROUP_TIMEOUT_SECONDS / 4,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    events_topic, facts_topic = (
        app.topic(name, key_serializer="raw", value_serializer="raw") for name in (job.events_topic, job.facts_topic)
    )
    _add_correlate(app, events_topic, facts_topic, job)
    _add_aggregate(app, facts_topic, job)
    return app


def _table(app: faust.App, name: str, job: Job) -> Any:
    return app.Table(name, key_type=bytes, value_type=bytes, partitions=job.partitions)


def _add_correlate(app: faust.App, events_topic: Any, facts_topic: Any, job: Job) -> None:
    contacts = _table(app, "contacts", job)
    stores = [correlate.CorrelateStore(Floor()) for _ in range(job.partitions)]

    @app.agent(events_topic)
    async def process_events(stream: StreamT[bytes]) -> None:
        async for event in stream.events():
            message = event.message
            store = stores[message.partition]
            found = store.take(event.value, int(message.timestamp * 1000), message.offset)
            _write(contacts, store.drain(), correlate.MARK_KEY)
            for fact in found:
                value = encode_batch(FactBatch(message.partition, store.newest_ms(), [message.offset], [fact]))
                await facts_topic.send(key=fact.scope.encode(), value=value)


def _add_aggregate(app: faust.App, facts_topic: Any, job: Job) -> None:
    state = _table(app, "state", job)
    stores = [aggregate.AggregateStore(Floor(), partition, job.partitions) for partition in range(job.partitions)]
    progress = Progress(job)

    @app.agent(facts_topic)
    async def process_facts(stream: StreamT[bytes]) -> None:
        async for event in stream.events():
            store = stores[event.message.partition]
            for fact in decode_batch(event.value).facts:
                store.apply(fact)
                store.pass_over(event.message.offset + 1)
                _write(state, store.drain(), state_feed.MARK_KEY)
                progress.fact_applied()


def _write(table: Any, records: list[tuple[bytes, bytes | None]], mark_key: bytes) -> None:
    """Set the changed keys, one by one; the worker's mark has no counterpart here."""
    for key, value in records:
        if value is not None and key != mark_key:
            table[key] = value
        elif key in table:
            del table[key]


def main() -> None:
    """Run until stopped. Arguments: the fields of Job."""
    bootstrap, events_topic, facts_topic, partitions, events, facts, data_dir, result = sys.argv[1:]
    job = Job(
        bootstrap, events_topic, facts_topic, int(partitions), int(events), int(facts), Path(data_dir), Path(result)
    )
    tune_collector()
    mode.loop.use("uvloop")
    Worker(build_app(job), loglevel="INFO", redirect_stdouts=False, quiet=True).execute_from_commandline()


if __name__ == "__main__":
    main()
