"""Mail in business hours and customers moved to another class, through a real worker on three partitions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.config import load_config
from service.domain.codec import decode_event, record_key
from service.domain.scopes import Scopes
from service.domain.totals import total_of
from service.embedded import EmbeddedBroker
from tests.support.stream_run import Record, Source, StreamRun
from tests.unit.domain.build import T0, aggregate

CONFIG = """\
sites: {berlin: {timezone: Europe/Berlin, business_hours: {week: {mon-fri: 09:00-17:00}}}}
queues:
  sales: {site: berlin}
  mail: {site: berlin, channel: email, service_level: {threshold_seconds: 7200, clock: business_hours}}
"""
CUSTOMERS = ("h:ann", "h:bob", "h:eve")
DAY_S = 86_400
FRIDAY_3PM_S = 5 * 3600 - 53 * 7 * DAY_S
"""After T0, long ago: an event of the future counts as of its arrival."""

Event = dict[str, Any]


@pytest.fixture
def broker(embedded_broker: EmbeddedBroker) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own: the topics' names are fixed."""
    with EmbeddedBroker() as running:
        yield running


def weekend() -> list[Event]:
    """Mail and calls of three customers from Friday afternoon on; some are answered on Monday, two customers are moved
    on Saturday, one of them back on Sunday.
    """
    found: list[Event] = []

    def tell(type_: str, second: float, **fields: Any) -> None:
        at_ms = T0 + round(1000 * (FRIDAY_3PM_S + second))
        found.append({"event_id": f"e{len(found)}", "type": type_, "occurred_at_ms": at_ms, "source": "pbx", **fields})

    for number in range(30):
        queue = ("mail", "sales")[number % 2]
        ids = {"contact_id": f"c{number}", "visit_id": f"c{number}/1", "queue_id": queue}
        told = {"customer_ref": CUSTOMERS[number % 3]} | ({"customer_class": "standard"} if number % 4 else {})
        tell("visit.queued", 60 * number, **ids, **told)
        if queue == "sales" or number % 5 == 0:
            tell("visit.abandoned", 60 * number + 20, **ids)
        elif number % 3 == 0:
            tell("visit.answered", 2.75 * DAY_S + 600 * number, agent_id="1001", **ids)
    tell("customer.class_changed", DAY_S, customer_ref="h:ann", customer_class="vip")
    tell("customer.class_changed", DAY_S, customer_ref="h:bob", customer_class="vip")
    tell("customer.class_changed", 2 * DAY_S, customer_ref="h:bob", customer_class="gold")
    return sorted(found, key=lambda event: event["occurred_at_ms"])


def record(event: Event) -> Record:
    raw = json.dumps(event).encode()
    return record_key(decode_event(raw)).encode(), raw


def by_class(scopes: Scopes) -> dict[str, Counter[str]]:
    """Outcomes and who waits, of every class in every queue."""
    found = {}
    for scope, part in scopes.classes.items():
        total = total_of([interval.outcome for interval in part.intervals.values()])
        names = ("offered", "answered", "abandoned", "cancelled", "wait_ms", "answered_in_threshold")
        count = +Counter({name: getattr(total, name) for name in names} | {"waiting": len(part.waiting)})
        if count:
            found[scope] = count
    return found


async def test_a_worker_counts_classes_and_business_hours_as_the_report_does(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    config, file, events = tmp_path / "floor.yaml", tmp_path / "weekend.jsonl", weekend()
    config.write_text(CONFIG)
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    folded = aggregate([decode_event(json.dumps(event).encode()) for event in events], load_config(config).floor())
    async with StreamRun(broker.bootstrap, config, tmp_path, embedded=True) as run:
        run.start_worker()
        partitions = {place[0] for place in await run.send([record(event) for event in events])}
        await run.settle()
        assert partitions == {0, 1, 2}
        assert await run.differences(Source([file], "canonical", config)) == []
        found = by_class(run.feed.scopes)
        assert found == by_class(folded.scopes)
        assert sum(count["waiting"] for scope, count in found.items() if scope.startswith("class:4:gold:")) > 0
        assert run.feed.counts()["customer.class_changed"] == 3, "copies are not counted"
        assert run.feed.counts()["duplicates"] == 0
