"""How long from an event that makes a rule true until Alertmanager holds the alert:
`python -m tests.evaluation.alert_delay [EVENTS_PER_SECOND ALERTS BROKER]`.

The real Alertmanager, a worker with the shipped rules and one more that fires at once (a visit waits in a queue of its
own), and a load of the five-event mix on 500 queues and 10,000 agents. The clock starts when the event happens,
before it is sent, and stops when Alertmanager's own API, asked every 20 ms, shows the alert. BROKER: `embedded`, or the
address of one without our topics.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import httpx

from service.ask import quantile
from service.bench.latency import Probe, make_probes, starting_soon
from service.bench.load import Mix, Sender
from service.bench.place import EMBEDDED, Place, prepared
from service.console import print_line
from service.processes import Processes
from tests.support.alertmanager import AlertmanagerProcess, missing

QUEUES, AGENTS, PARTITIONS = 500, 10_000, 4
FLOW_SECONDS: Final = 5.0
"""How long the load flows before the first alert that counts."""

EVERY_SECONDS: Final = (0.2, 0.7)
ASK_EVERY_SECONDS: Final = 0.02
PATIENCE_SECONDS: Final = 60
RULES: Final = """
notify: {{alertmanager: [{{url: "{url}"}}]}}
rules:
  - id: at_once
    severity: page
    scopes: {{kind: queue, ids: [{queues}]}}
    when: {{kpi: waiting, op: ">", value: 0}}
"""


class Watcher:
    """Notes when Alertmanager first shows the alert of each queue."""

    def __init__(self, alertmanager: AlertmanagerProcess) -> None:
        self._url = f"{alertmanager.url}/api/v2/alerts"
        self.seen: dict[str, float] = {}

    async def run(self) -> None:
        """Until cancelled."""
        async with httpx.AsyncClient() as client:
            while True:
                found = (await client.get(self._url, params={"filter": 'alertname="at_once"'})).json()
                now = time.time()
                for alert in found:
                    self.seen.setdefault(alert["labels"]["queue"], now)
                await asyncio.sleep(ASK_EVERY_SECONDS)

    async def until_seen(self, probes: list[Probe]) -> None:
        """Wait for these. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not all(probe.queue in self.seen for probe in probes):
                await asyncio.sleep(ASK_EVERY_SECONDS)


def probes_of(alerts: int) -> list[Probe]:
    """A queue for each alert, spread over the partitions."""
    return [probe for number in range(alerts) for probe in make_probes(str(number), PARTITIONS)][:alerts]


async def _load(sender: Sender, mix: Mix, probes: list[Probe]) -> None:
    """The mix at its own pace, and the probes' visits now and then, until all of them are sent."""
    due, chosen = 0, random.Random(1)
    records = [(mix.start_ms + number * 1000 / mix.events_per_second, r) for number, r in enumerate(mix.records())]
    waiting, next_probe = list(probes), mix.start_ms / 1000 + FLOW_SECONDS
    while waiting:
        now = time.time()
        while due < len(records) and records[due][0] <= now * 1000:
            await sender.add(*records[due][1])
            due += 1
        if now >= next_probe:
            await sender.add(*waiting.pop().record(now))
            next_probe = now + chosen.uniform(*EVERY_SECONDS)
        await sender.send_open()
        await asyncio.sleep(0.01)


async def measure(place: Place, alertmanager: AlertmanagerProcess, rate: int, probes: list[Probe]) -> list[float]:
    """Seconds from each visit to its alert, but for the first, which tells that everything runs."""
    first, *probes = probes
    watcher = Watcher(alertmanager)
    watching = asyncio.create_task(watcher.run())
    async with Sender(place.bootstrap, "cti.events") as sender:
        await sender.add(*first.record(time.time()))
        await sender.settle()
        await watcher.until_seen([first])
        events = int(rate * (FLOW_SECONDS + sum(EVERY_SECONDS) / 2 * len(probes) * 1.3))
        mix = Mix(events, QUEUES, AGENTS, 1, starting_soon(events, int(time.time() * 1000)), rate, PARTITIONS)
        await _load(sender, mix, probes)
        await watcher.until_seen(probes)
    watching.cancel()
    return [watcher.seen[probe.queue] - probe.sent[0] for probe in probes]


async def run(rate: int, alerts: int, broker: str) -> None:
    """Start everything, measure, and print a line."""
    probes = probes_of(alerts + 1)
    with tempfile.TemporaryDirectory() as name, prepared(broker, PARTITIONS) as place:
        folder = Path(name)
        alertmanager = AlertmanagerProcess(folder / "alertmanager", "http://127.0.0.1:9")
        await alertmanager.start()
        try:
            config = folder / "floor.yaml"
            config.write_text(RULES.format(url=alertmanager.url, queues=", ".join(p.queue for p in probes)), "utf-8")
            with Processes(folder) as processes:
                processes.start(
                    "worker", "worker", *place.worker_arguments, "--data-dir", str(folder / "data"), "--config",
                    str(config), "--log-level", "warning",
                )  # fmt: skip
                took = sorted(await measure(place, alertmanager, rate, probes))
                processes.check()
        finally:
            await alertmanager.stop()
    told = ", ".join(f"p{q * 100:g} {quantile(took, q):.2f} s" for q in (0.5, 0.9, 0.99))
    print_line(f"{rate} events/s, {broker}: {len(took)} alerts, {told}, longest {took[-1]:.2f} s")


def main(words: list[str]) -> int:
    """Measure; 1 when the tools are missing."""
    if reason := missing():
        print_line(reason)
        return 1
    rate, alerts = (int(word) for word in words[:2]) if words else (1_000, 100)
    asyncio.run(run(rate, alerts, words[2] if len(words) > 2 else EMBEDDED))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
