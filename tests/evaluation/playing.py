"""Events played to a floor that the shipped rules watch, by the clock of the events."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.alert_floor import LiveFloor
from service.config import Config
from service.domain.codec import encode_event
from service.domain.evaluator import Evaluator
from service.domain.events import Event
from tests.unit.api.floors import Centre

STATIC: Final = "static_threshold"
STATIC_RULE: Final = {
    "id": STATIC, "severity": "page", "scopes": {"kind": "queue"}, "min_sample": 20,
    "when": {"kpi": "service_level_ratio", "window": "15m", "op": "<", "value": "target"},
}  # fmt: skip
IDLE_MS: Final = 3_600_000
"""After so long without events the clock jumps to the next one."""


@dataclass(frozen=True, slots=True)
class Fired:
    """One alert that a person was told of."""

    rule: str
    kind: str
    severity: str
    scope: str
    at_ms: int


class Playing:
    """A floor, and what people were told about it: by the shipped rules but for those about agents, and by the plain
    static threshold beside them. It is judged every `tick_ms`; `looked` is called after each time.
    """

    def __init__(
        self, values: dict[str, object], start_ms: int, tick_ms: int, looked: Callable[[int], None] = lambda _: None
    ) -> None:
        rules = [*values.get("rules", []), STATIC_RULE]  # type: ignore[misc]
        config = Config.model_validate({**values, "rules": rules})
        self.fired: list[Fired] = []
        self._centre = Centre(config.floor())
        self._centre.now_ms = self._next_ms = start_ms
        self.floor = LiveFloor(self._centre.state, {}, {})
        self._evaluator = Evaluator([rule for rule in config.alert_rules() if rule.selector.kind != "agent"], "figures")
        self._tick_ms, self._looked = tick_ms, looked
        self._seen: set[tuple[str, int]] = set()

    def know(self, event: Event) -> None:
        """Something that is known before the first look."""
        self._centre.raw(encode_event(event))

    def take(self, event: Event) -> None:
        """The next event; what was due before is looked at first."""
        at_ms = event.occurred_at_ms
        last_ms = self._centre.now_ms
        while self._next_ms <= at_ms:
            self._look()
            if self._next_ms - last_ms > IDLE_MS:
                self._next_ms = max(self._next_ms, at_ms)
        self._centre.now_ms = at_ms
        self._centre.raw(encode_event(event))

    def _look(self) -> None:
        centre, evaluator = self._centre, self._evaluator
        centre.now_ms = now_ms = self._next_ms
        self._next_ms += self._tick_ms
        centre.flush()
        for name, alert in evaluator.tick(max(self.floor.begin(), evaluator.last_ms + 1), self.floor):
            if alert is not None and alert.told and (name, alert.episode) not in self._seen:
                self._seen.add((name, alert.episode))
                self.fired.append(Fired(alert.rule, alert.kind, alert.severity, alert.scope, now_ms))
        self._looked(now_ms)
