"""The Faust app class of the workers; `streams.settings.floorwalker_app` makes a configured one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import faust
from faust.app.base import BootStrategy
from faust.tables.manager import TableManager
from mode.types import ServiceT

from streams.dead_letters import DeadLetters
from streams.lease import Lease
from streams.producer import BatchProducer


class _Boot(BootStrategy):
    """Starts our producer beside Faust's own: before the consumer, and stopped after it."""

    def kafka_producer(self) -> Iterable[ServiceT]:
        return [*super().kafka_producer(), cast(FloorwalkerApp, self.app).batch_producer]


class PromptTables(TableManager):
    """Tables that start at once: Faust waits a second in case the program adds some later, which we do not."""

    async def on_start(self) -> None:
        """Call when table manager is starting."""
        await self._update_channels()
        await self.recovery.start()


class FloorwalkerApp(faust.App):
    """A Faust app with the lease, the producer and the dead letters that tables, writers and agents share."""

    BootStrategy = _Boot
    lease: Lease
    fetch_max_wait_ms: int
    fetch_min_bytes: int
    batch_producer: BatchProducer
    dead_letters: DeadLetters
