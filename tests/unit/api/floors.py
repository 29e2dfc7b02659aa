"""A floor whose state was made by the domain code, as the state feed brings it, and a client of the API over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import msgspec
import orjson
from fastapi import FastAPI

from api.app import create_app
from api.context import Send
from api.settings import ApiSettings
from service.alert_floor import LiveFloor
from service.config import Config
from service.config_feed import ConfigFeed
from service.domain.aggregate import AggregateStore
from service.domain.alert_record import encode_alert
from service.domain.correlate import CorrelateStore
from service.domain.errors import InvalidEvent
from service.domain.evaluator import Evaluator
from service.domain.facts import FactBatch
from service.domain.settings import Agent, Floor, Queue, ServiceLevel, Site
from service.floor_state import FloorState
from service.interval_history import interval_key
from service.tokens import Tokens

NOON_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z
ODD_ID = "SIP/80 07 客服,+%2F"


def small_floor() -> Floor:
    """Two configured queues of one group, one with another threshold, and an agent."""
    berlin = Site("berlin", "Europe/Berlin")
    return Floor(
        sites={"berlin": berlin},
        queues={
            "sales": Queue("sales", "Sales", "berlin", "voice", "front", ServiceLevel(20_000), True),
            "mail": Queue("mail", "Mail", "berlin", "email", "front", ServiceLevel(60_000, 0.9), True),
        },
        agents={"1001": Agent("1001", "Ann", "blue", "berlin", True)},
        default_queue=Queue("", site="berlin"),
        default_agent=Agent("", site="berlin"),
        default_site=berlin,
    )


class Centre:
    """Takes events, and brings what they change to a FloorState. `now_ms` is the wall clock of both."""

    def __init__(self, floor: Floor | None = None, **settings: Any) -> None:
        self.floor = floor or small_floor()
        self.now_ms = NOON_MS
        self.correlate = CorrelateStore(self.floor)
        self.aggregate = AggregateStore(self.floor)
        self.state = FloorState(self.floor, wall_ms=lambda: self.now_ms, **settings)
        self.offset = 0
        self.records: list[tuple[bytes, bytes | None]] = []
        self.closed: list[tuple[bytes, bytes]] = []
        self.evaluator: Evaluator | None = None
        self.live_floor: LiveFloor

    def event(self, type_: str, at_ms: int | None = None, **fields: Any) -> None:
        """One event at `at_ms` (now by default), received now."""
        at_ms = self.now_ms if at_ms is None else at_ms
        event = {"event_id": f"e{self.offset + 1}", "type": type_, "occurred_at_ms": at_ms, "source": "pbx", **fields}
        self.raw(orjson.dumps(event))

    def raw(self, record: bytes) -> None:
        """One record of `cti.events`; one that is refused is only counted."""
        self.offset += 1
        try:
            facts = self.correlate.take(record, self.now_ms, self.offset)
        except InvalidEvent:
            facts = []
        facts += self.correlate.source_facts()
        self.aggregate.apply_batch(FactBatch(0, self.now_ms, [self.offset] * len(facts), facts))
        for _, fact in self.aggregate.take_following():
            self.aggregate.apply(fact)

    def flush(self) -> None:
        """Everything that changed goes to the state; it has caught up."""
        closed = [(interval_key(c.scope, c.start_ms), msgspec.msgpack.encode(c)) for c in self.aggregate.drain_closed()]
        records = self.aggregate.drain()
        self.records += records
        self.closed += closed
        self.state.apply(records)
        self.state.history.apply(closed)
        while not self.state.settle(100):
            pass
        self.state.feed.caught_up = True
        self.state.feed.problem = None

    def evaluate(self) -> None:
        """The rules are judged, and their alerts come to the state."""
        if self.evaluator is None:
            self.evaluator = Evaluator(Config().alert_rules(), "v1")
            self.live_floor = LiveFloor(self.state, {}, {})
        now_ms = max(self.live_floor.begin(), self.evaluator.last_ms + 1)
        changes = self.evaluator.tick(now_ms, self.live_floor)
        self.state.alerts.apply([(name.encode(), a and encode_alert(a)) for name, a in changes])

    def call(
        self, name: str, queue: str = "sales", *, wait_ms: int = 10_000, agent: str | None = None, ago_ms: int = 0
    ) -> None:
        """A call queued `ago_ms` + `wait_ms` before now; answered by the agent, or abandoned without one."""
        ended_ms = self.now_ms - ago_ms
        ids = {"contact_id": name, "visit_id": f"{name}/1", "queue_id": queue}
        self.event("visit.queued", ended_ms - wait_ms, **ids)
        if agent is None:
            self.event("visit.abandoned", ended_ms, **ids)
        else:
            self.event("visit.answered", ended_ms, agent_id=agent, leg_id=f"{name}/1/1", **ids)

    def queued(self, name: str, queue: str = "sales", *, ago_ms: int = 0) -> None:
        """A visit that waits since `ago_ms` before now."""
        self.event("visit.queued", self.now_ms - ago_ms, contact_id=name, visit_id=f"{name}/1", queue_id=queue)

    def agent_state(
        self, agent: str, state: str, *, ago_ms: int = 0, queues: tuple[str, ...] = ("sales",), **more: Any
    ) -> None:
        """The agent is in the state since `ago_ms` before now."""
        fields = {"agent_id": agent, "state": state, "queues": list(queues), **more}
        self.event("agent.state_changed", self.now_ms - ago_ms, **fields)

    def app(
        self, settings: ApiSettings | None = None, tokens: Tokens | None = None, send: Send | None = None,
        configs: ConfigFeed | None = None,
    ) -> FastAPI:  # fmt: skip
        """The application over the state."""
        return create_app(self.state, self.floor, settings, tokens=tokens, send=send, configs=configs)


async def get(app: FastAPI, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """One GET request, without a network."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        return await client.get(path, headers=dict(headers or {}))
