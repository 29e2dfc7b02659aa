"""EVALUATE: the agent on the one partition of `cti.ticks`. The worker that Kafka gives it to evaluates the alert rules.

Every worker sends a tick a second; acknowledgements come on the same topic, in order with them. The office begins with
the assignment and ends when the partition is given to another worker; while workers come and go and it stays here, what
has been read is kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, cast

import msgspec
from faust.types import TP, StreamT

from service.alert_office import Office, Outlet
from service.config import Config
from service.config_feed import TOPIC as CONFIG
from service.config_feed import ConfigFeed
from service.domain.business_events import AlertAcknowledged
from service.domain.codec import decode_event, encode_event
from service.domain.errors import InvalidEvent
from service.floor_state import FloorState, Record
from service.notify.receivers import build_receivers
from service.settings import ProcessSettings
from service.state_tail import StateTail
from streams.batch_app import FloorwalkerApp
from streams.crash import crash_on_error
from streams.fetches import RawRecord
from streams.notify import Teller
from streams.synthetic import ACKNOWLEDGED, TICKS
from streams.telemetry import Telemetry
from streams.transport import batch_of, batches

ALERTS, STATE, INTERVALS = "cti.alerts", "cti.state", "cti.intervals"
TICK_SECONDS: Final = 1.0
TICK: Final = b"tick"
PARTITION: Final = TP(TICKS, 0)
MOST_RECORDS: Final = 1_000
"""Alerts written in one batch."""

log = logging.getLogger(__name__)
_encode, _decode = msgspec.json.encode, msgspec.json.Decoder(int).decode


class Evaluate:
    """The stage: `run` is the agent."""

    def __init__(
        self, app: FloorwalkerApp, settings: ProcessSettings, config: Config, telemetry: Telemetry,
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
        self._evaluated_ms = self._faults = 0
        app.on_partitions_assigned.connect(cast(Any, self._assigned))
        app.on_before_shutdown.connect(cast(Any, self._shut_down))
        app.timer(TICK_SECONDS)(crash_on_error(self._send_tick))

    async def run(self, stream: StreamT[Any]) -> None:
        """Evaluate at every tick until cancelled."""
        async for event in batches(stream):
            sent_ms, acknowledged = _sorted(batch_of(event))
            if acknowledged or sent_ms > self._evaluated_ms:
                await self._turn(sent_ms, acknowledged)
            event.message.ack(self._app.consumer)

    async def _turn(self, sent_ms: int, acknowledged: Sequence[AlertAcknowledged]) -> None:
        office = self._office
        done = office is not None and await office.turn(acknowledged)
        if office is not None and done:
            self._evaluated_ms = max(self._evaluated_ms, sent_ms + round(TICK_SECONDS * 500))
            self._telemetry.evaluated(office.seconds)
            return
        if office is not None and office.faults > self._faults:
            self._faults = office.faults
            self._telemetry.evaluation_failed()
        # not read up yet; to wait here would hold up every other agent of the worker
        await asyncio.gather(*(self._send(ACKNOWLEDGED, encode_event(event)) for event in acknowledged))

    async def _send_tick(self) -> None:
        await self._send(TICK, _encode(int(time.time() * 1000)))

    def _send(self, key: bytes, value: bytes) -> asyncio.Future[Any]:
        return self._app.batch_producer.send_facts(TICKS, PARTITION.partition, value, key)

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
        state = FloorState(self._config.floor(), settings.clock)
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
        tail = StateTail(settings.bootstrap, apply, state, state.wall_ms, client=client)
        self._tail = asyncio.create_task(crash_on_error(tail.run)(), name="the evaluator's tail")
        log.info("this worker evaluates the alert rules")

    async def _leave_office(self) -> None:
        office, tail, self._office, self._tail, self._faults = self._office, self._tail, None, None, 0
        if tail is not None:
            tail.cancel()
            await asyncio.wait([tail])
        if office is not None:
            await office.leave()
            log.info("this worker no longer evaluates the alert rules")

    async def _write(self, records: Sequence[Record]) -> None:
        """Write alerts; returns once all replicas in sync have them."""
        for start in range(0, len(records), MOST_RECORDS):
            part = records[start : start + MOST_RECORDS]
            await self._app.batch_producer.send_batch(ALERTS, 0, part)


def add_evaluate(app: FloorwalkerApp, settings: ProcessSettings, config: Config, telemetry: Telemetry) -> None:
    """Add the agent that evaluates the alert rules, and the tick that drives it. Raises UsageError.

    That is, if a secret of somebody who is to be told cannot be read.
    """
    receivers = build_receivers(config.notify)
    evaluate = Evaluate(
        app, settings, config, telemetry, lambda: Teller(app, receivers, telemetry) if receivers else None
    )
    topic = app.topic(TICKS, key_serializer="raw", value_serializer="raw")
    app.agent(topic, name="evaluate")(crash_on_error(evaluate.run))


def _sorted(batch: Iterable[RawRecord]) -> tuple[int, list[AlertAcknowledged]]:
    """(when the newest tick was sent, acknowledgements) of a batch; anything else is logged."""
    sent_ms, acknowledged = 0, []
    for record in batch:
        value = record.value or b""
        try:
            if record.key == ACKNOWLEDGED:
                event = decode_event(value)
                if isinstance(event, AlertAcknowledged):
                    acknowledged.append(event)
            else:
                sent_ms = max(sent_ms, _decode(value))
        except (InvalidEvent, msgspec.DecodeError) as error:
            log.error("record %d of %s cannot be read: %s", record.offset, TICKS, error)
    return sent_ms, acknowledged
