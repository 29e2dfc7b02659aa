"""An evaluator's term of office while arrears are worked off: nothing is judged, and little is decoded."""

from service.alert_office import Office
from service.config import Config
from service.config_feed import ConfigFeed
from service.domain.alert_record import decode_alert
from service.floor_state import FloorState, Record
from tests.unit.api.floors import NOON_MS, Centre

HOUR_MS = 3_600_000
RULE = {
    "id": "busy", "severity": "page", "scopes": {"kind": "queue"},
    "when": {"kpi": "waiting", "op": ">=", "value": 2},
}  # fmt: skip


class Evaluated:
    """An office an hour behind the feed's beginning, and what it wrote."""

    def __init__(self) -> None:
        self.centre = Centre()
        self.now_ms = NOON_MS + HOUR_MS
        self.state = FloorState(self.centre.floor, wall_ms=lambda: self.now_ms, by_settle=True)
        self.state.settle(1)
        self.state.feed.caught_up, self.state.feed.problem = True, None
        self.firing: list[str] = []
        config = Config.model_validate({"rules": [RULE], "default_rules": False})
        self.office = Office(self.state, config, ConfigFeed(), self._write)

    async def _write(self, records: list[Record]) -> None:
        self.firing += [decode_alert(value).scope for _, value in records if value is not None]

    async def minute(self, *visits: str) -> None:
        """These come to wait in the next minute of the feed; then the office has its turn."""
        self.now_ms += 1_000
        self.centre.now_ms += 60_000
        self.centre.event("agent.heartbeat", agent_id="1001")
        for name in visits:
            self.centre.queued(name)
        self.centre.flush()
        self.state.apply(self.centre.records)
        self.centre.records.clear()
        assert await self.office.turn([])

    @property
    def decoded(self) -> int:
        """Queues that the office knows anything of."""
        return len(self.state.scopes.queues)


async def test_while_arrears_are_worked_off_only_how_far_they_go_is_decoded() -> None:
    evaluated = Evaluated()
    await evaluated.minute()  # how fast they are worked off is not known before the second look
    for number in range(3):
        await evaluated.minute(f"c{number}")
        assert (evaluated.decoded, evaluated.firing) == (0, [])
        assert evaluated.state.newest_received_ms == evaluated.centre.now_ms


async def test_when_they_are_over_everything_is_decoded_and_judged() -> None:
    evaluated = Evaluated()
    await evaluated.minute()
    await evaluated.minute("c1")
    assert evaluated.decoded == 0
    evaluated.centre.now_ms = evaluated.now_ms - 60_000  # and the next minute ends now
    await evaluated.minute("c2")
    assert (evaluated.decoded, evaluated.firing) == (1, ["queue:sales"])
