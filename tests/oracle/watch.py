"""What a watchdog must have closed by now: whatever the source said, nothing stays open for ever."""

from collections.abc import Iterable

from tests.oracle.contacts import Life
from tests.oracle.house import Watch
from tests.oracle.legs import GRACE_MS, Stint
from tests.oracle.stays import Event

LOOK_MS = 300_000
"""Whatever is open is looked at at least so often."""
AHEAD_MS = 60_000
"""Clocks of sources may be ahead."""


def overdue(lives: Iterable[Life], watch: Watch, now_ms: int) -> list[str]:
    """Visits and legs that are open for so long that a round must have closed them."""
    reserved_ms = max(watch.ringing_ms, watch.connected_ms)  # it may be a call whose answer nobody told
    limits = {"reserved": reserved_ms, "on_contact": watch.connected_ms, "acw": watch.after_call_ms}
    before_ms = now_ms - LOOK_MS - AHEAD_MS
    found: list[str] = []
    for life in lives:
        found += [s.visit_id for s in life.stays if s.outcome is None and s.arrival_ms + watch.waiting_ms < before_ms]
        found += [s.name for s in life.stints if (o := still(s)) is not None and o[1] + limits[o[0]] < before_ms]
    return found


def left_behind(lives: Iterable[Life], now_ms: int) -> list[str]:
    """Calls whose agent took another one since, and not just now."""
    calls: dict[str, list[tuple[int, int, str]]] = {}
    for number, life in enumerate(lives):
        for stint in life.stints:
            if stint.agent_id is not None and (phase := still(stint)) is not None and phase[0] == "on_contact":
                calls.setdefault(stint.agent_id, []).append((phase[1], number, stint.name))
    found: list[str] = []
    for of_agent in calls.values():
        last_ms, last, _ = max(of_agent)
        earlier = [name for at_ms, number, name in of_agent if at_ms < last_ms and number != last]
        found += earlier if last_ms + GRACE_MS < now_ms else []
    return found


PHASES = {"leg.missed": "reserved", "leg.ended": "on_contact", "leg.wrapup_ended": "acw"}


def is_due(life: Life, at_ms: int, closure: Event, watch: Watch) -> bool:
    """Whether a closure for a limit closes what was open up to its moment for so long; what came meanwhile may have
    closed it later. A call whose answer nobody told began with its offer, and if nobody told that either, it cannot be
    said when.
    """
    limit_ms = getattr(watch, closure["synthetic_reason"] + "_ms")
    if closure["type"] == "visit.cancelled":
        mine = [stay for stay in life.stays if stay.visit_id == closure["visit_id"]]
        return any(
            (stay.outcome is None or stay.end_ms >= at_ms) and stay.arrival_ms + limit_ms == at_ms for stay in mine
        )
    of_agent = [stint for stint in life.stints if stint.agent_id == closure.get("agent_id")]
    meant = [stint for stint in of_agent if stint.name == closure["leg_id"]] or of_agent
    phase, since = PHASES[closure["type"]], at_ms - limit_ms
    begun = {(phase, since), ("reserved", since)} if phase == "on_contact" else {(phase, since)}
    return any(begun & open_at(s, at_ms) or (not s.phases and not s.missed) for s in meant)


def open_at(stint: Stint, at_ms: int) -> set[tuple[str, int]]:
    """(state, since when) of what was open up to the moment."""
    return {(state, since) for state, since, until in stint.phases if until is None or until >= at_ms}


def still(stint: Stint) -> tuple[str, int] | None:
    """(state, since when) of the agent for a leg that is open; None if it is not."""
    return next(((state, since) for state, since, until in stint.phases if until is None), None)
