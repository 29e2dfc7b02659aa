"""EVALUATE: the agent on the one partition of `cti.ticks`. The process that Kafka gives it to judges the alert rules.

Every worker has such a process, and each sends a tick a second; acknowledgements come on the same topic, in order with
them. The office begins with the assignment and ends when the partition is given to another one; while workers come and
go and it stays here, what has been read is kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, cast

import mode.loop
from faust.types import TP, StreamT
from prometheus_client.registry import CollectorRegistry

from service.alert_office import Office, Outlet
from service.collector import tune_collector
from service.config import Config
from service.config_feed import TOPIC as CONFIG
from service.config_feed import ConfigFeed
from service.domain.business_events import AlertAcknowledged
from service.domain.codec import decode_event
from service.domain.errors import InvalidEvent
from service.fetches import RawRecord
from service.floor_state import FloorState, Record
from service.notify.receivers import build_receivers
from service.settings import ProcessSettings
from service.state_tail import StateTail
from streams.batch_app import FloorwalkerApp
from streams.crash import crash_on_error
from streams.notify import Teller
from streams.settings import app_of
from streams.shutdown import run_app
from streams.synthetic import ACKNOWLEDGED, TICKS
from streams.telemetry import EvaluatorTelemetry
from streams.transport import batch_of, batches

ALERTS, STATE, INTERVALS = "cti.alerts", "cti.state", "cti.intervals"
TICK_SECONDS: Final = 1.0
GATHER_MS: Final = 100
"""How long the broker may gather what the evaluator reads: it looks once a tick, and each answer has its price."""

TICK: Final = b"tick"
GROUP_SUFFIX: Final = "-alerts"
"""Of the group of all processes that evaluate, behind that of the workers."""

PARTITION: Final = TP(TICKS, 0)
MOST_RECORDS: Final = 1_000
"""Alerts written in one batch."""

log = logging.getLogger(__name__)


class Evaluate:
    """The stage: `run` is the agent."""

    def __init__(
        self, app: FloorwalkerApp, settings: ProcessSettings, config: Config, telemetry: EvaluatorTelemetry,
        make_outlet: Callable[[], Outlet | None] = lambda: None,
    ) -> None:  # fmt: skip
        """`make_outlet` makes who tells people, for one term of office."""
        self._app = app
        self._settings = settings
        self._config = config
        self._telemetry = telemetry
        self._make_outlet = make_outlet
        self._office: Office | None = None
        self._tail: asyncio.Task[None] | None = None
        self._began_s = 0.0
        self._faults = 0
        app.on_partitions_assigned.connect(cast(Any, self._assigned))
        app.on_before_shutdown.connect(cast(Any, self._shut_down))
        app.timer(TICK_SECONDS)(crash_on_error(self._send_tick))

    async def run(self, stream: StreamT[Any]) -> None:
        """Evaluate at every tick until cancelled."""
        async for event in batches(stream):
            acknowledged = _acknowledged(batch_of(event))
            # by this process's own time, since a sender's clock may be wrong; every worker sends ticks. From beginning
            # to beginning: else a turn that takes half a second would have the next tick passed over
            if acknowledged or time.monotonic() - self._began_s >= TICK_SECONDS / 2:
                await self._turn(acknowledged)
            event.message.ack(self._app.consumer)

    async def _turn(self, acknowledged: Sequence[AlertAcknowledged]) -> None:
        """Judge; with acknowledgements, as soon as that is possible, for as long as they are ours to take."""
        while True:
            office = self._office
            if (office is not None and await self._judged(office, acknowledged)) or not acknowledged:
                return
            await asyncio.sleep(TICK_SECONDS)
            if PARTITION not in self._app.consumer.assignment():
                return  # whoever has the partition now reads them again

    async def _judged(self, office: Office, acknowledged: Sequence[AlertAcknowledged]) -> bool:
        began_s = time.monotonic()
        if await office.turn(acknowledged):
            self._began_s = began_s
            if office.seconds is not None:
                self._telemetry.evaluated(office.seconds)
            return True
        if office.faults > self._faults:
            self._faults = office.faults
            self._telemetry.evaluation_failed()
        return False

    async def _send_tick(self) -> None:
        now = b"%d" % (time.time_ns() // 1_000_000)
        await self._app.batch_producer.send_facts(TICKS, PARTITION.partition, now, TICK)

    async def _assigned(self, app: Any, assigned: Iterable[TP], **kwargs: Any) -> None:
        """Take the office, go on with it, or give it up, as the partition says."""
        if PARTITION in set(assigned):
            if self._office is None:
                self._take_office()
        else:
            await self._leave_office()

    async def _shut_down(self, app: Any, **kwargs: Any) -> None:
        await self._leave_office()

    def _take_office(self) -> None:
        settings = self._settings
        state = FloorState(self._config.floor(), settings.clock, by_settle=True)
        outlet, configs = self._make_outlet(), ConfigFeed()
        self._office = Office(state, self._config, configs, self._write, outlet)
        apply = {
            STATE: state.apply,
            INTERVALS: state.history.apply,
            ALERTS: state.alerts.apply,
            CONFIG: configs.apply,
        }
        apply |= outlet.topics if outlet is not None else {}
        connection = self._app.batch_producer.connection
        client = {name: value for name, value in connection.items() if name not in ("bootstrap_servers", "client_id")}
        tail = StateTail(settings.bootstrap, apply, state, state.wall_ms, client=client, gather_ms=GATHER_MS)
        self._tail = asyncio.create_task(crash_on_error(tail.run)(), name="the evaluator's tail")
        log.info("this process evaluates the alert rules")

    async def _leave_office(self) -> None:
        office, tail, self._office, self._tail, self._faults = self._office, self._tail, None, None, 0
        if tail is not None:
            tail.cancel()
            await asyncio.wait([tail])
        if office is not None:
            await office.leave()
            log.info("this process no longer evaluates the alert rules")

    async def _write(self, records: Sequence[Record]) -> None:
        """Write alerts; returns once all replicas in sync have them."""
        for start in range(0, len(records), MOST_RECORDS):
            part = records[start : start + MOST_RECORDS]
            await self._app.batch_producer.send_batch(ALERTS, 0, part)


def run_evaluator(settings: ProcessSettings, config: Config, registry: CollectorRegistry) -> None:
    """Evaluate until SIGTERM or Ctrl-C; metrics go to the registry."""
    tune_collector()
    mode.loop.use("uvloop")
    app = app_of(settings, settings.application_id + GROUP_SUFFIX)
    telemetry, receivers = EvaluatorTelemetry(registry), build_receivers(config.notify)
    evaluate = Evaluate(
        app, settings, config, telemetry, lambda: Teller(app, receivers, telemetry) if receivers else None
    )
    topic = app.topic(TICKS, key_serializer="raw", value_serializer="raw")
    app.agent(topic, name="evaluate")(crash_on_error(evaluate.run))
    logging.getLogger("faust.tables.recovery").setLevel(logging.WARNING)  # there are no tables
    run_app(app, settings.log_level)


def _acknowledged(batch: Iterable[RawRecord]) -> list[AlertAcknowledged]:
    """The acknowledgements of a batch; one that cannot be read is logged."""
    found = []
    for record in batch:
        if record.key != ACKNOWLEDGED:
            continue
        try:
            event = decode_event(record.value or b"")
        except InvalidEvent as error:
            log.error("record %d of %s cannot be read: %s", record.offset, TICKS, error)
            continue
        if isinstance(event, AlertAcknowledged):
            found.append(event)
    return found
