"""Who tells people for the worker that evaluates: the books are on `cti.notifications`, by the worker's producer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from service.domain.alert_record import Alert
from service.domain.evaluator import Change
from service.floor_state import Record
from service.notify.notifier import Notifier
from service.notify.receiver import Receiver
from streams.batch_app import FloorwalkerApp
from streams.crash import end_process
from streams.telemetry import EvaluatorTelemetry

NOTIFICATIONS = "cti.notifications"


class Teller:
    """The outlet of one term of office (`service.alert_office.Outlet`)."""

    topics: Mapping[str, Callable[[Sequence[Record]], None]]

    def __init__(self, app: FloorwalkerApp, receivers: Sequence[Receiver], telemetry: EvaluatorTelemetry) -> None:
        self.topics = {NOTIFICATIONS: self._take}
        self._confirmed: dict[bytes, Record] = {}
        self._began = False
        self._notifier = Notifier(
            receivers,
            partial(app.batch_producer.send_batch, NOTIFICATIONS, 0),
            telemetry,
            partial(end_process, "telling people of alerts failed"),
            may_tell=app.lease.valid,
        )

    async def begin(self, alerts: Sequence[Alert]) -> None:
        """Tell what of these has not been confirmed."""
        self._began = True
        await self._notifier.restore(alerts, list(self._confirmed.values()))
        self._confirmed.clear()
        await self._notifier.start()

    async def changed(self, changes: Sequence[Change]) -> None:
        """Tell who is to know; takes no time but for writing what is forgotten."""
        self._notifier.offer([alert for _, alert in changes if alert is not None])
        await self._notifier.forget([fingerprint for fingerprint, alert in changes if alert is None])

    async def end(self) -> None:
        """Tell nobody any more."""
        await self._notifier.stop()

    def _take(self, records: Sequence[Record]) -> None:
        """What was confirmed before; what comes later is our own."""
        if not self._began:
            self._confirmed |= {record[0]: record for record in records}
