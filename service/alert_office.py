"""One evaluator's term of office: it reads the floor and the alerts there are, judges at every tick, and has each
change written before anybody is told.

Without Faust: whoever holds the office calls `turn`, one call at a time.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

from service.alert_floor import LiveFloor
from service.config import Config
from service.config_feed import ConfigFeed
from service.config_version import ConfigVersions
from service.domain.alert_record import Acknowledged, Alert, encode_alert
from service.domain.business_events import AlertAcknowledged
from service.domain.evaluator import Change, Evaluator
from service.floor_state import FloorState, Record

CATCHING_UP: Final = 3.0
"""From how many times the clock's pace on what is read are arrears that are worked off: nothing is judged then, since
customers of long ago seem to wait.
"""

SETTLED_A_TURN: Final = 400
"""Records of the floor taken over before other work gets its turn: about two milliseconds."""

MOST_PUT_ASIDE: Final = 500_000
"""Keys that wait to be decoded while arrears are worked off. A key takes 0.3 kB here and four times that decoded, but
one that is gone leaves its tombstone; and decoding so many, 9 us each, keeps the first judgement waiting for 5 s.
"""

_SLACK_MS: Final = 2_000
_LATE_FEED_MS: Final = 60_000
"""A feed that sends what happened less than this ago is judged as it comes, though it may come in portions."""

log = logging.getLogger(__name__)

Write = Callable[[Sequence[Record]], Awaitable[None]]


class Outlet(Protocol):
    """Who tells people. `topics` are read with the floor, before `begin`."""

    topics: Mapping[str, Callable[[Sequence[Record]], None]]

    async def begin(self, alerts: Sequence[Alert]) -> None:
        """These are the alerts there are; what of them has not been told is to be told."""

    async def changed(self, changes: Sequence[Change]) -> None:
        """These have changed, and are written."""

    async def end(self) -> None:
        """Somebody else tells from now on."""


class Office:
    """The evaluator at work over a floor that a tail fills. `write` returns once `cti.alerts` has the records."""

    def __init__(
        self, state: FloorState, config: Config, configs: ConfigFeed, write: Write, outlet: Outlet | None = None
    ) -> None:
        """`config` is the process's own, `configs` what is applied over it."""
        self.state = state
        self._config = config
        self._configs = configs
        self._versions = ConfigVersions(state.floor)
        self._write = write
        self._outlet = outlet
        self._floor: LiveFloor | None = None
        self._evaluator: Evaluator | None = None
        self._generation = -1
        self._telling = self._left = False
        self._reached: tuple[float, tuple[int, int]] = (0.0, (0, 0))
        self._arrears = False
        self.seconds: float | None = None
        """How long judging took in the last turn; None: nothing was judged."""

        self.faults = 0
        """How often judging failed."""

    @property
    def ready(self) -> bool:
        """Whether everything is read, so that there is something to judge."""
        feed = self.state.feed
        return feed.caught_up and feed.problem is None and feed.refused is None

    async def turn(self, acknowledgements: Sequence[AlertAcknowledged]) -> bool:
        """One tick: judge, write, tell. False if nothing could be judged: acknowledgements are to be brought again."""
        arrears = self._in_arrears()
        if not await self._looks(arrears):
            return False
        evaluator, floor = self._evaluator, self._floor
        if self._configs.follow(self.state) and evaluator is not None:
            floor = self._reconfigure(evaluator)
        if evaluator is None or floor is None or self._generation != self.state.generation:
            evaluator, floor = await self._take_office()
        self.seconds = None
        try:
            changes = {} if arrears else dict(await self._judge(evaluator, floor, floor.begin()))
        except Exception:  # a fault of ours in judging: counting goes on, and the next tick begins from what is written
            log.exception("judging the alert rules failed")
            self.faults += 1
            self._evaluator = None
            return False
        if self._left or self._generation != self.state.generation:
            return False  # another worker's now, or of a floor that is read anew
        for event in acknowledgements:
            by = Acknowledged(event.who, event.occurred_at_ms, event.note)
            alert = evaluator.acknowledge(event.fingerprint, by)
            if alert is not None:
                changes[event.fingerprint] = alert
        if changes:
            await self._write([(n.encode(), None if a is None else encode_alert(a)) for n, a in changes.items()])
            if self._outlet is not None:
                await self._outlet.changed(list(changes.items()))
        return True

    async def _looks(self, arrears: bool) -> bool:
        """Take over what has been read since the last look, of arrears only what is too much to put aside; False while
        there is nothing to judge.
        """
        if arrears and self.state.put_aside <= MOST_PUT_ASIDE:
            return True
        while self.ready and not self.state.settle(SETTLED_A_TURN):
            await asyncio.sleep(0)
        return self.ready

    async def _judge(self, evaluator: Evaluator, floor: LiveFloor, now_ms: int) -> list[Change]:
        """Judge, and let what else runs in this loop have its turns in between: reading, and telling people."""
        seconds, turns = 0.0, evaluator.turns(now_ms, floor)
        while not self._left:
            started = time.perf_counter()
            try:
                next(turns)
            except StopIteration as done:
                found: list[Change] = done.value
                return found
            finally:
                seconds += time.perf_counter() - started
                self.seconds = seconds
            await asyncio.sleep(0)
        return []

    async def leave(self) -> None:
        """Tell nobody any more."""
        self._left = True
        if self._outlet is not None and self._telling:
            await self._outlet.end()

    async def _take_office(self) -> tuple[Evaluator, LiveFloor]:
        """Go on from the alerts that are written."""
        config, state = self._in_force, self.state
        floor = self._floor = self._new_floor(config)
        evaluator = self._evaluator = Evaluator(config.alert_rules(), self._version)
        evaluator.restore(state.alerts.alerts.values())
        self._generation = state.generation
        log.info("evaluating %d rules, %d alerts known", len(config.alert_rules()), len(evaluator.alerts))
        if self._outlet is not None and not self._telling:
            self._telling = True
            await self._outlet.begin(list(evaluator.alerts.values()))
        return evaluator, floor

    @property
    def _in_force(self) -> Config:
        """The configuration that was applied last, else the process's own."""
        return self._config if self._configs.current is None else self._configs.current.config

    @property
    def _version(self) -> str:
        applied = self._configs.current
        return self._versions.at(self.state.now_ms) if applied is None else applied.record.version

    def _reconfigure(self, evaluator: Evaluator) -> LiveFloor:
        """Go on with the rules of another configuration."""
        config = self._in_force
        evaluator.configure(config.alert_rules(), self._version)
        floor = self._floor = self._new_floor(config)
        return floor

    def _new_floor(self, config: Config) -> LiveFloor:
        return LiveFloor(self.state, config.business_hours(), self._config.site_of_source(), self._floor)

    def _in_arrears(self) -> bool:
        arrears = self.ready and self._works_off_arrears()
        if arrears != self._arrears:
            log.info("arrears: nothing is judged" if arrears else "no arrears any more: the alert rules are judged")
            self._arrears = arrears
        return arrears

    def _works_off_arrears(self) -> bool:
        """Whether what is read happened, or arrived in Kafka, long ago, and much of it since the last look.

        All but its sources stays as it was read: of a key that is written again and again only the last value counts.
        """
        state = self.state
        state.settle_sources()
        now_s, reached = time.monotonic(), (state.newest_received_ms, state.newest_event_ms)
        before, self._reached = self._reached, (now_s, reached)
        passed_ms = (now_s - before[0]) * 1000
        late_ms = (state.wall_ms() - reached[0], state.now_ms - reached[1])
        return any(
            was and late > least and at - was > CATCHING_UP * passed_ms + _SLACK_MS
            for was, at, late, least in zip(before[1], reached, late_ms, (_SLACK_MS, _LATE_FEED_MS), strict=True)
        )
