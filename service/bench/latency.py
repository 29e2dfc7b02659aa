"""From an event to the answer that contains it: a paced load, and probe visits looked for over HTTP.

A probe is a visit that waits in one of a few queues of its own. Each probe queue gets its events through one
partition, hence in order: when the routing view says that n visits wait there, the first n probes are visible. The
clock starts when the event happened, before it is sent, and stops when an answer contains it, so waiting in our own
load generator and between two questions counts against the service.
"""

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from service.ask import Asker
from service.bench.load import Mix, Record, Sender, partition_of
from service.errors import FailedError

TICK_SECONDS: Final = 0.01
ASK_EVERY_SECONDS: Final = 0.01
PROBE_QUEUES: Final = 4
PROBE_EVERY_SECONDS: Final = 0.1
"""Of each queue."""

_LEAD_MS: Final = 1_500
_PREPARE_MS_PER_EVENT: Final = 0.02
_PATIENCE_SECONDS: Final = 15
_MARK: Final = b'"occurred_at_ms":'
_PROBE: Final = (
    '{"type":"visit.queued","event_id":"%s-1","occurred_at_ms":%d,"source":"bench","contact_id":"%s","visit_id":"%s/1",'
    '"queue_id":"%s","channel":"voice"}'
)


@dataclass(slots=True)
class Probe:
    """One probe queue: when each visit was queued (seconds since the epoch) and how many were seen so far."""

    queue: str
    partition: int
    names: Iterator[str]
    sent: list[float] = field(default_factory=list)
    seen: int = 0

    def record(self, now: float) -> Record:
        """The event of the next visit."""
        name = next(self.names)
        self.sent.append(now)
        value = _PROBE % (name, int(now * 1000), name, name, self.queue)
        return self.partition, name.encode(), value.encode()


def make_probes(run: str, partitions: int) -> list[Probe]:
    """Probe queues on different partitions; `run` keeps several runs apart."""
    return [Probe(f"probe-{run}-{p}", p, _names_on(run, p, partitions)) for p in range(min(PROBE_QUEUES, partitions))]


def _names_on(run: str, partition: int, partitions: int) -> Iterator[str]:
    """Contact ids whose events belong on the partition."""
    names = (f"probe-{run}-{number}" for number in itertools.count())
    return (name for name in names if partition_of(name.encode(), partitions) == partition)


class Looker(threading.Thread):
    """Asks the API for the probe queues in turn and notes how old each probe is when it is first seen."""

    def __init__(self, port: int, probes: list[Probe], count_from: float) -> None:
        """Probes sent before `count_from` (seconds since the epoch) are the warm-up."""
        super().__init__(name="looker", daemon=True)
        self.latencies: list[float] = []
        self.done = threading.Event()
        self.error: Exception | None = None
        self._port, self._probes, self._count_from = port, probes, count_from

    def run(self) -> None:
        """Look until `done` is set."""
        try:
            with Asker(self._port) as asker:
                while not self.done.wait(ASK_EVERY_SECONDS):
                    self._look(asker)
        except Exception as error:  # shown by whoever waits for this thread
            self.error = error

    def _look(self, asker: Asker) -> None:
        answer = asker.json("/v1/routing/queues?ids=" + ",".join(probe.queue for probe in self._probes))
        now = time.time()
        if answer is None:  # not even the first probe of each queue is there
            return
        waiting = {item["id"]: item["waiting"] for item in answer["items"]}
        for probe in self._probes:
            for sent in probe.sent[probe.seen : waiting[probe.queue]]:
                if sent >= self._count_from:
                    self.latencies.append(now - sent)
            probe.seen = max(probe.seen, waiting[probe.queue])


async def measure_latency(
    bootstrap: str, port: int, mix: Mix, seconds: float, warm_up_seconds: float, run: str
) -> list[float]:
    """Send the mix for so long at its own pace from now on, and return the ages of the probes when seen, in seconds.

    Raises FailedError when probes stay invisible.
    """
    due = timed(mix)
    start = due[0][0] / 1000
    probes = make_probes(run, mix.partitions)
    looker = Looker(port, probes, start + warm_up_seconds)
    looker.start()
    try:
        async with Sender(bootstrap, "cti.events") as sender:
            await _send_paced(sender, due, probes, start + seconds)
            await sender.settle()
        await _all_seen(looker, probes)
    finally:
        looker.done.set()
        looker.join()
    return looker.latencies


def starting_soon(mix_events: int, now_ms: int) -> int:
    """When to begin so that the load is ready by then, in ms since the epoch."""
    return now_ms + _LEAD_MS + int(mix_events * _PREPARE_MS_PER_EVENT)


def timed(mix: Mix) -> list[tuple[int, Record]]:
    """Each record with its event time."""
    return [(int(r[2].split(_MARK, 1)[1].split(b",", 1)[0]), r) for r in mix.records()]


async def _send_paced(sender: Sender, due: list[tuple[int, Record]], probes: list[Probe], end: float) -> None:
    """Send probes until `end`, and the mix to its last event: agents who hang in a call would have the next load close
    what this one left open.
    """
    at, next_probe = 0, [due[0][0] / 1000 + i * PROBE_EVERY_SECONDS / len(probes) for i in range(len(probes))]
    while (now := time.time()) < end or at < len(due):
        now_ms = now * 1000
        while at < len(due) and due[at][0] <= now_ms:
            await sender.add(*due[at][1])
            at += 1
        for number, probe in enumerate(probes):
            if next_probe[number] <= now < end:
                next_probe[number] += PROBE_EVERY_SECONDS
                await sender.add(*probe.record(now))
        await sender.send_open()
        await asyncio.sleep(TICK_SECONDS)


async def _all_seen(looker: Looker, probes: list[Probe]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while any(probe.seen < len(probe.sent) for probe in probes):
        if looker.error is not None:
            raise FailedError(f"asking the API failed: {looker.error}")
        if time.monotonic() > deadline:
            missing = sum(len(probe.sent) - probe.seen for probe in probes)
            raise FailedError(f"{missing} probe visits are not visible {_PATIENCE_SECONDS} s after they were sent")
        await asyncio.sleep(TICK_SECONDS)
