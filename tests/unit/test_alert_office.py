"""An evaluator's term of office while arrears are worked off: nothing is judged, and little is decoded."""

import pytest

from service.alert_office import Office
from service.config import Config
from service.config_feed import ConfigFeed
from service.domain.alert_record import decode_alert
from service.floor_state import FloorState, Record
from tests.unit.api.floors import NOON_MS, Centre

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
RULE = {
    "id": "busy", "severity": "page", "scopes": {"kind": "queue"},
    "when": {"kpi": "waiting", "op": ">=", "value": 2},
}  # fmt: skip


class Evaluated:
    """An office an hour behind the feed's beginning, and the scopes of which it wrote an alert.

    `at_once`: all of the feed arrives when the hour is over; else each event arrived when it happened.
    """

    def __init__(self, at_once: bool) -> None:
        self.centre, self.at_once = Centre(), at_once
        self.feed_ms, self.now_ms = NOON_MS, NOON_MS + HOUR_MS
        self.state = FloorState(self.centre.floor, wall_ms=lambda: self.now_ms, by_settle=True)
        self.state.settle(1)
        self.state.feed.caught_up, self.state.feed.problem = True, None
        self.firing: list[str] = []
        config = Config.model_validate({"rules": [RULE], "default_rules": False})
        self.office = Office(self.state, config, ConfigFeed(), self._write)

    async def _write(self, records: list[Record]) -> None:
        self.firing += [decode_alert(value).scope for _, value in records if value is not None]

    async def minute(self, *visits: str) -> None:
        """These come to wait in the next minute of the feed; then the office has its turn, one second later."""
        centre = self.centre
        self.now_ms += 1_000
        self.feed_ms += MINUTE_MS
        centre.now_ms = self.now_ms if self.at_once else self.feed_ms
        centre.event("agent.heartbeat", self.feed_ms, agent_id="1001")
        for name in visits:
            centre.queued(name, ago_ms=centre.now_ms - self.feed_ms)
        centre.flush()
        self.state.apply(centre.records)
        centre.records.clear()
        assert await self.office.turn([])

    @property
    def decoded(self) -> int:
        """Queues that the office knows anything of."""
        return len(self.state.scopes.queues)


@pytest.fixture(params=[False, True], ids=["Kafka had it for long", "the feed came late"])
def evaluated(request: pytest.FixtureRequest) -> Evaluated:
    return Evaluated(request.param)


async def test_while_arrears_are_worked_off_only_how_far_they_go_is_decoded(evaluated: Evaluated) -> None:
    await evaluated.minute()  # how fast they are worked off is not known before the second look
    for number in range(3):
        await evaluated.minute(f"c{number}")
        assert (evaluated.decoded, evaluated.firing) == (0, [])
        assert evaluated.state.newest_event_ms == evaluated.feed_ms


async def test_when_they_are_over_everything_is_decoded_and_judged(evaluated: Evaluated) -> None:
    await evaluated.minute()
    await evaluated.minute("c1")
    assert evaluated.decoded == 0
    evaluated.feed_ms = evaluated.now_ms - MINUTE_MS  # and the next minute ends now
    await evaluated.minute("c2")
    assert (evaluated.decoded, evaluated.firing) == (1, ["queue:sales"])


async def test_what_is_too_much_to_put_aside_is_decoded_and_still_not_judged(
    evaluated: Evaluated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.alert_office.MOST_PUT_ASIDE", 5)
    await evaluated.minute()
    for number in range(3):
        await evaluated.minute(f"c{number}")
    assert (evaluated.decoded, evaluated.firing) == (1, [])
    assert evaluated.office.seconds is None


async def test_a_feed_that_comes_in_portions_is_judged_as_each_comes() -> None:
    evaluated = Evaluated(at_once=True)
    for number in range(2):
        evaluated.feed_ms = evaluated.now_ms - MINUTE_MS - 29_000  # what happened until half a minute ago comes now
        await evaluated.minute(f"c{number}")
        evaluated.now_ms += MINUTE_MS
    assert evaluated.firing == ["queue:sales"]
