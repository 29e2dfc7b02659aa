"""A floor that is watched: events go in, time passes, and the watchdog's own events come back in."""

from collections.abc import Iterable
from typing import Any

from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.domain.errors import SYNTHETIC, InvalidEvent
from service.domain.events import Event
from service.domain.settings import Floor, Queue, Watchdog
from service.domain.totals import Totals
from tests.unit.domain.build import ms, scope_totals, take


def watched_floor(**queues: str) -> Floor:
    """A floor with the watchdog on; queues are named with their channels."""
    return Floor(
        queues={name: Queue(name, channel=channel, configured=True) for name, channel in queues.items()},
        watchdog=Watchdog(),
    )


class Watched:
    """Both stages over one partition, with rounds of the watchdog when asked for."""

    def __init__(self, *events: Event, floor: Floor | None = None) -> None:
        self.floor = floor or watched_floor()
        self.correlate = CorrelateStore(self.floor)
        self.aggregate = AggregateStore(self.floor)
        self.made: list[Event] = []
        self._offset = 0
        self._written: tuple[list[Any], list[Any]] = ([], [])
        self.tell(*events)

    def tell(self, *events: Event) -> "Watched":
        """Take events in, and what they make follow."""
        for each in events:
            try:
                facts = take(self.correlate, each, self._offset)
            except InvalidEvent:
                facts = []
            self._offset += 1
            for fact in facts:
                self.aggregate.apply(fact)
            self._follow([event for _, event in self.correlate.take_made()])
        return self

    def round_at(self, seconds: float) -> list[Event]:
        """One round of the watchdog at that moment; returns what it made at once."""
        now_ms = ms(seconds)
        made = [
            *self.aggregate.moved_on(now_ms), *self.correlate.stuck(lambda *_: now_ms), *self.aggregate.stuck(now_ms)
        ]  # fmt: skip
        self._follow(made)
        return made

    def _follow(self, made: Iterable[Event]) -> None:
        for event in made:
            self.made.append(event)
            self.tell(event)

    def restart(self) -> "Watched":
        """Go on from what was written down."""
        self.aggregate.pass_over(self._offset)
        self._written[0].extend(self.correlate.drain())
        self._written[1].extend(self.aggregate.drain())
        self.correlate, self.aggregate = CorrelateStore(self.floor), AggregateStore(self.floor)
        self.correlate.load(self._written[0])
        self.aggregate.load(self._written[1])
        return self

    def totals(self, scope: str = "queue:sales") -> Totals:
        """Everything counted for a scope."""
        return scope_totals(self.aggregate, scope)

    def states(self, until_s: float, agent_id: str = "1001") -> list[tuple[float, str]]:
        """(second, state) of an agent's segments up to a moment."""
        timeline = self.aggregate.scopes.agent("agent:" + agent_id).timeline
        return [((s.since_ms - ms(0)) / 1000, s.state) for s in timeline.segments(ms(0), ms(until_s))]

    def counts(self) -> dict[str, int]:
        """What was found odd about events, and what was made, over all sources."""
        found: dict[str, int] = {}
        for source in self.correlate.mark.sources.values():
            for word, count in source.counts.items():
                if "." not in word:
                    name = word.removeprefix(SYNTHETIC)
                    found[name] = found.get(name, 0) + count
        return found

    @property
    def waiting(self) -> list[str]:
        """The visits that wait in queue sales."""
        return list(self.aggregate.scopes.queue("queue:sales").waiting)
